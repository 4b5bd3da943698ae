"""Price a session: charging periods in, explained cost lines and exact totals out.

The one function behind quotes, live cost, CDRs, replays and OCPI imports. Order of the rules (docs/pricing.md):
1. Periods are cut wherever the local clock, the energy or the duration switches an element or a named price.
2. In each piece, per dimension, the first element decides that prices it and whose restrictions match; then the named
   prices: free start, idle grace and hours, tiers, spot.
3. Quantities are summed per element or named price and dimension; FLAT counts once per component.
4. `step_size` rounds up once per session for ENERGY, once for TIME and PARKING_TIME, once for reservation time.
5. Price times quantity, tax per line; then the named fees; then the lowest and highest price.

Money is a Fraction up to `RatedSession.payable`.
"""

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, localcontext

from tariffs.domain.bill import Bill
from tariffs.domain.compiled import RESERVATION_STATES, CompiledTariff, compile_document, compile_tariff
from tariffs.domain.limits import Span
from tariffs.domain.named import named_prices
from tariffs.domain.phase import Phase, Terms
from tariffs.domain.result import RatedSession
from tariffs.domain.spec import Period
from tariffs.domain.spot import SpotPrice

__all__ = ["compile_document", "compile_tariff", "rate"]

EXACT = Context(prec=100, traps=[Inexact])


def rate(
    tariff: CompiledTariff,
    periods: Sequence[Period],
    *,
    default_vat_percent: Decimal | None = None,
    spot_prices: Sequence[SpotPrice] = (),
    month_to_date_wh: Decimal | None = None,
) -> RatedSession:
    """Price `periods`, in order and without gaps; reservation periods, if any, come first.

    A running session is rated by the same call on what is known of it so far. `default_vat_percent` applies to
    components whose tariff states no rate; without either, the side of the price that needs the rate is None.
    `spot_prices`: the frozen values of the series of the tariff's spot formula; where there are none its fallback
    applies. `month_to_date_wh`: what the driver used before this session in the calendar month in which it began, for
    tiers per month. Tariffs without such extensions read neither.
    Raises ValueError for no periods, a gap, an overlap, or a reservation after charging began; BadInput for spot prices
    that do not fit together, or tiers per month without `month_to_date_wh`.
    """
    if not periods:
        raise ValueError("a session has at least one period")
    with localcontext(EXACT):
        lead = next((i for i, p in enumerate(periods) if p.state not in RESERVATION_STATES), len(periods))
        bill = Bill(tariff, default_vat_percent)
        if lead:
            bill.add(Phase(tariff, periods[:lead], 0))
        if lead < len(periods):
            if lead and periods[lead].start_at != periods[lead - 1].end_at:
                raise ValueError(f"period {lead} does not start where the one before ends")
            used = periods[lead:] if lead else periods
            terms: Terms = tariff
            if tariff.spec.extensions is not None:
                named = named_prices(tariff)
                bill.inputs = named.inputs(spot_prices, month_to_date_wh)
                terms = named.terms(used, bill.inputs)
            bill.add(Phase(terms, used, lead))
        span = Span(len(periods) - 1, periods[0].start_at, periods[-1].end_at)
        if tariff.spec.extensions is not None:
            bill.add_fees(named_prices(tariff).fees, periods[lead:], lead, span)
        return bill.rated(span)
