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
from tariffs.domain.limits import ONE, ZERO, Span, scaled, taxed, vat_of
from tariffs.domain.result import CostLine, LineKind, known_sum
from tariffs.domain.spec import Period, TariffSpec, TaxIncluded
from tariffs.domain.words import Condition, number_text

_KINDS = {
    FeeBase.ENERGY: frozenset({LineKind.ENERGY}),
    FeeBase.TIME: frozenset({LineKind.TIME, LineKind.PARKING_TIME, LineKind.RESERVATION_TIME, LineKind.IDLE_CAP}),
    FeeBase.ALL: frozenset(LineKind),
}
NO_REASON: tuple[Condition, ...] = ()
_OF = {FeeBase.ENERGY: "energy", FeeBase.TIME: "time", FeeBase.ALL: "all lines"}


class Fees:
    """A tariff's fees, prepared once; holds nothing of a session."""

    def __init__(self, spec: TariffSpec) -> None:
        extensions = spec.extensions or Extensions()
        self._spec = spec
        self._idle, self._connection, self._service = (
            extensions.idle, extensions.connection_fee, extensions.service_fee,
        )  # fmt: skip
        self._cap_why = self._connection_why = self._flat_why = self._share_why = NO_REASON
        if self._idle is not None and self._idle.max_amount is not None:
            words = f"at most {number_text(self._idle.max_amount)} {spec.currency} for parking"
            self._cap_why = (Condition("idle_cap", "session", words),)
        if self._connection is not None:
            self._connection_why = (Condition("connection_fee", "session", _needs_words(self._connection)),)
        if self._service is not None:
            self._flat_why = (Condition("service_fee", "session", "once per session"),)
            words = f"{number_text(self._service.percent or 0)} % of {_OF[self._service.of]}"
            self._share_why = (Condition("service_fee", "session", words),)

    def lines(
        self,
        lines: Sequence[CostLine],
        periods: Sequence[Period],
        first_index: int,
        span: Span,
        default_vat_percent: Decimal | None,
    ) -> list[CostLine]:
        """What the fees add to `lines`. `periods` are the session proper, from the index `first_index` on."""
        added: list[CostLine] = []
        if self._idle is not None and self._idle.max_amount is not None:
            added += self._capped(self._idle.max_amount, lines, span)
        bill = _Lines(self._spec, default_vat_percent, span)
        if self._connection is not None and periods:
            moment = _reached(self._connection, periods)
            if moment is not None:
                at, index = moment
                added.append(
                    bill.line(
                        LineKind.CONNECTION_FEE, ONE, self._connection.price, self._connection.vat_percent,
                        self._connection_why, at=at, period=first_index + index,
                    )
                )  # fmt: skip
        if self._service is not None:
            added += self._served(self._service, (*lines, *added), bill, has_session=bool(periods))
        return added

    def _capped(self, most: Decimal, lines: Sequence[CostLine], span: Span) -> list[CostLine]:
        parking = [line for line in lines if line.kind is LineKind.PARKING_TIME]
        total = self._as_priced(parking) if parking else ZERO
        if total <= most:
            return []
        return scaled(LineKind.IDLE_CAP, Fraction(most) / total, parking, self._spec, span, self._cap_why)

    def _served(
        self, fee: ServiceFee, lines: Sequence[CostLine], bill: "_Lines", *, has_session: bool
    ) -> Iterator[CostLine]:
        if fee.flat is not None and has_session:
            yield bill.line(LineKind.SERVICE_FEE, ONE, fee.flat, fee.vat_percent, self._flat_why)
        if fee.percent is not None:
            kinds = _KINDS[fee.of]
            base = self._as_priced([line for line in lines if line.kind in kinds])
            if base:
                yield bill.line(
                    LineKind.SERVICE_FEE, base, fee.percent.scaleb(-2), fee.vat_percent, self._share_why,
                    of=self._spec.currency,
                )  # fmt: skip

    def _as_priced(self, lines: Sequence[CostLine]) -> Fraction:
        """The sum on the side the tariff's prices stand on, which is always known."""
        gross_priced = self._spec.tax_included is TaxIncluded.YES
        return known_sum([line.gross_ratio if gross_priced else line.net_ratio for line in lines]) or ZERO


class _Lines:
    """Fees of one session as cost lines."""

    def __init__(self, spec: TariffSpec, default_vat_percent: Decimal | None, span: Span) -> None:
        self._tax_included = spec.tax_included
        self._default_vat_percent = default_vat_percent
        self._span = span

    def line(
        self,
        kind: LineKind,
        quantity: Fraction,
        unit_price: Decimal,
        vat_percent: Decimal | None,
        why: tuple[Condition, ...],
        *,
        at: datetime | None = None,
        period: int = 0,
        of: str | None = None,
    ) -> CostLine:
        """Over the whole session, or for what happened `at` a moment in `period`. `of`: a share of that currency."""
        vat_percent = vat_of(vat_percent, self._default_vat_percent, self._tax_included)
        number, scale = quantity.as_integer_ratio()
        price, price_scale = unit_price.as_integer_ratio()
        net, gross = taxed((number * price, scale * price_scale), vat_percent, self._tax_included)
        return CostLine(
            kind=kind,
            quantity=quantity,
            measured=quantity,
            unit_price=unit_price,
            vat_percent=vat_percent,
            step_size=0,
            element=None,
            matched=why,
            skipped=(),
            first_period=period,
            last_period=period if at else self._span.last_period,
            start_at=at or self._span.start_at,
            end_at=at or self._span.end_at,
            net_ratio=net,
            gross_ratio=gross,
            quantity_currency=of,
        )


def _needs_words(fee: ConnectionFee) -> str:
    words = []
    if fee.after_minutes is not None:
        words.append(f"≥ {fee.after_minutes} min")
    if fee.after_kwh is not None:
        words.append(f"≥ {number_text(fee.after_kwh)} kWh")
    return (" and " if fee.needs is Needs.ALL else " or ").join(words)


def _reached(fee: ConnectionFee, periods: Sequence[Period]) -> tuple[datetime, int] | None:
    """When the session had done what the fee needs, and the index of the period in which it had."""
    reached: list[tuple[datetime, int] | None] = []
    if fee.after_minutes is not None:
        reached.append(_at_time(periods, timedelta(minutes=fee.after_minutes)))
    if fee.after_kwh is not None:
        reached.append(_at_energy(periods, kwh_to_wh(fee.after_kwh)))
    known = [moment for moment in reached if moment is not None]
    if not known or (fee.needs is Needs.ALL and len(known) < len(reached)):
        return None
    return max(known) if fee.needs is Needs.ALL else min(known)


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
            length = (period.end_at - period.start_at) // MICROSECOND
            wanted, wanted_scale = (after_wh - before).as_integer_ratio()
            delivered, delivered_scale = period.energy_wh.as_integer_ratio()
            passed = length * wanted * delivered_scale // (wanted_scale * delivered) if delivered else 0
            return period.start_at + timedelta(microseconds=passed), index
    return None
