"""The named fees, made of the cost lines and the session as a whole: idle cap, connection fee, service fee.

They come in this order, before the tariff's lowest and highest price: a percentage is taken of what parking costs after
its cap, and of the connection fee.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from common.units import kwh_to_wh
from tariffs.domain.compiled import MICROSECOND
from tariffs.domain.extensions import ConnectionFee, Extensions, FeeBase, Needs, ServiceFee
from tariffs.domain.limits import ONE, Span, scaled, taxed, vat_of
from tariffs.domain.result import CostLine, LineKind, known_sum
from tariffs.domain.spec import Period, TariffSpec, TaxIncluded
from tariffs.domain.words import Condition, number_text

_KINDS = {
    FeeBase.ENERGY: frozenset({LineKind.ENERGY}),
    FeeBase.TIME: frozenset({LineKind.TIME, LineKind.PARKING_TIME, LineKind.RESERVATION_TIME, LineKind.IDLE_CAP}),
    FeeBase.ALL: frozenset(LineKind),
}
_OF = {FeeBase.ENERGY: "energy", FeeBase.TIME: "time", FeeBase.ALL: "all lines"}


def fee_lines(
    spec: TariffSpec,
    lines: Sequence[CostLine],
    periods: Sequence[Period],
    first_index: int,
    span: Span,
    default_vat_percent: Decimal | None,
) -> list[CostLine]:
    """The lines the fees add to `lines`. `periods` are the session proper, from the index `first_index` on."""
    extensions = spec.extensions or Extensions()
    added: list[CostLine] = []
    if extensions.idle is not None and extensions.idle.max_amount is not None:
        added += _idle_cap(spec, extensions.idle.max_amount, lines, span)
    fees = _Fees(spec, default_vat_percent, span)
    if extensions.connection_fee is not None and periods:
        added += fees.connection(extensions.connection_fee, periods, first_index)
    if extensions.service_fee is not None:
        added += fees.service(extensions.service_fee, (*lines, *added), has_session=bool(periods))
    return added


def _idle_cap(spec: TariffSpec, most: Decimal, lines: Sequence[CostLine], span: Span) -> list[CostLine]:
    parking = [line for line in lines if line.kind is LineKind.PARKING_TIME]
    total = _as_priced(spec, parking)
    if total <= most:
        return []
    why = Condition("idle_cap", "session", f"at most {number_text(most)} {spec.currency} for parking")
    return scaled(LineKind.IDLE_CAP, Fraction(most) / total, parking, spec, span, (why,))


def _as_priced(spec: TariffSpec, lines: Sequence[CostLine]) -> Fraction:
    """The sum on the side the tariff's prices stand on, which is always known."""
    gross_priced = spec.tax_included is TaxIncluded.YES
    return known_sum([line.exact_gross if gross_priced else line.exact_net for line in lines]) or Fraction(0)


class _Fees:
    def __init__(self, spec: TariffSpec, default_vat_percent: Decimal | None, span: Span) -> None:
        self._spec = spec
        self._default_vat_percent = default_vat_percent
        self._span = span

    def connection(self, fee: ConnectionFee, periods: Sequence[Period], first_index: int) -> Iterator[CostLine]:
        reached: list[tuple[datetime, int] | None] = []
        words: list[str] = []
        if fee.after_minutes is not None:
            reached.append(_at_time(periods, timedelta(minutes=fee.after_minutes)))
            words.append(f"≥ {fee.after_minutes} min")
        if fee.after_kwh is not None:
            reached.append(_at_energy(periods, kwh_to_wh(fee.after_kwh)))
            words.append(f"≥ {number_text(fee.after_kwh)} kWh")
        known = [moment for moment in reached if moment is not None]
        if not known or (fee.needs is Needs.ALL and len(known) < len(reached)):
            return
        at, index = max(known) if fee.needs is Needs.ALL else min(known)
        why = Condition("connection_fee", "session", (" and " if fee.needs is Needs.ALL else " or ").join(words))
        yield self._line(
            LineKind.CONNECTION_FEE, ONE, fee.price, fee.vat_percent, why, at=at, period=first_index + index
        )

    def service(self, fee: ServiceFee, lines: Sequence[CostLine], *, has_session: bool) -> Iterator[CostLine]:
        if fee.flat is not None and has_session:
            why = Condition("service_fee", "session", "once per session")
            yield self._line(LineKind.SERVICE_FEE, ONE, fee.flat, fee.vat_percent, why)
        if fee.percent is not None:
            base = _as_priced(self._spec, [line for line in lines if line.kind in _KINDS[fee.of]])
            if base:
                why = Condition("service_fee", "session", f"{number_text(fee.percent)} % of {_OF[fee.of]}")
                line = self._line(LineKind.SERVICE_FEE, base, fee.percent.scaleb(-2), fee.vat_percent, why)
                yield line._replace(quantity_currency=self._spec.currency)

    def _line(
        self,
        kind: LineKind,
        quantity: Fraction,
        unit_price: Decimal,
        vat_percent: Decimal | None,
        why: Condition,
        *,
        at: datetime | None = None,
        period: int = 0,
    ) -> CostLine:
        """Over the whole session, or for what happened `at` a moment in `period`."""
        tax_included = self._spec.tax_included
        vat_percent = vat_of(vat_percent, self._default_vat_percent, tax_included)
        number, scale = quantity.as_integer_ratio()
        price, price_scale = unit_price.as_integer_ratio()
        net, gross = taxed((number * price, scale * price_scale), vat_percent, tax_included)
        return CostLine(
            kind=kind,
            quantity=quantity,
            measured=quantity,
            unit_price=unit_price,
            vat_percent=vat_percent,
            step_size=0,
            element=None,
            matched=(why,),
            skipped=(),
            first_period=period,
            last_period=period if at else self._span.last_period,
            start_at=at or self._span.start_at,
            end_at=at or self._span.end_at,
            exact_net=net,
            exact_gross=gross,
        )


def _at_time(periods: Sequence[Period], after: timedelta) -> tuple[datetime, int] | None:
    """When the session had lasted `after`, and the index of the period in which it had."""
    at = periods[0].start_at + after
    if at > periods[-1].end_at:
        return None
    return at, bisect_left(periods, at, key=lambda period: period.end_at)


def _at_energy(periods: Sequence[Period], after_wh: Decimal) -> tuple[datetime, int] | None:
    """When the session had used `after_wh`, to the microsecond, and the index of the period in which it had."""
    used = Decimal(0)
    for index, period in enumerate(periods):
        before, used = used, used + period.energy_wh
        if used >= after_wh:
            share = Fraction(after_wh - before) / Fraction(period.energy_wh) if period.energy_wh else Fraction(0)
            microseconds = int(share * ((period.end_at - period.start_at) // MICROSECOND))
            return period.start_at + timedelta(microseconds=microseconds), index
    return None
