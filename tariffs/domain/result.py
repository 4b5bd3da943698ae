"""What a session cost and why: cost lines, totals, and the one place where a price becomes an amount of money.

Amounts are kept as exact fractions of the currency unit; the Decimals beside them are exact where the decimal ends
within 34 digits (a third of an hour does not).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import gcd
from typing import NamedTuple

from common.currencies import exponent
from common.errors import VoltledgerError
from tariffs.domain.compiled import CompiledTariff, Ratio, Skipped
from tariffs.domain.spot import SpotPrice
from tariffs.domain.words import Condition

_WIDE = Context(prec=34)
_HUNDRED = Fraction(100)


class VatUnknown(VoltledgerError):
    code = "vat_unknown"
    sentence = "The tariff states no VAT rate and none was given. Add the rate to the tariff or to the country."


class LineKind(StrEnum):
    """What a cost line is for.

    IDLE_CAP, negative, brings PARKING_TIME down to the most it may cost. The last two make up the difference to the
    tariff's lowest or highest total.
    """

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_FLAT = "RESERVATION_FLAT"
    RESERVATION_TIME = "RESERVATION_TIME"
    IDLE_CAP = "IDLE_CAP"
    CONNECTION_FEE = "CONNECTION_FEE"
    SERVICE_FEE = "SERVICE_FEE"
    MIN_PRICE = "MIN_PRICE"
    MAX_PRICE = "MAX_PRICE"


UNITS = {
    LineKind.FLAT: "1",
    LineKind.ENERGY: "kWh",
    LineKind.TIME: "h",
    LineKind.PARKING_TIME: "h",
    LineKind.RESERVATION_FLAT: "1",
    LineKind.RESERVATION_TIME: "h",
    LineKind.IDLE_CAP: "1",
    LineKind.CONNECTION_FEE: "1",
    LineKind.SERVICE_FEE: "1",
    LineKind.MIN_PRICE: "1",
    LineKind.MAX_PRICE: "1",
}


def decimal_of(value: Fraction) -> Decimal:
    """`value` as a Decimal: exact where it ends within 34 digits, else rounded there."""
    return _decimal(value.as_integer_ratio())


def _decimal(ratio: Ratio) -> Decimal:
    return _WIDE.divide(Decimal(ratio[0]), Decimal(ratio[1]))


class CostLine(NamedTuple):
    """One price applied to one quantity, with its reasons.

    quantity: billed kWh, hours or count; `measured` is what was used, before `step_size` (Wh or seconds) rounded it up.
    unit_price: per unit, with tax where the tariff's prices include it.
    element: index of the tariff element that priced it; None for named prices and fees, MIN_PRICE and MAX_PRICE.
    matched: the element's conditions, all of which held, or why the named price or fee applied. skipped: earlier
    elements for the same dimension that did not apply at some time meanwhile, with the conditions that failed.
    first_period ... last_period: indexes of the periods rated; start_at ... end_at: the span within them.
    net_ratio, gross_ratio: the unrounded amounts as numerator and denominator, not reduced, in units of the currency;
    None where the VAT rate is needed and unknown. `exact_net` and `exact_gross` are the same as fractions.
    quantity_currency: set where the quantity is an amount of money, of which the price is a share.
    """

    kind: LineKind
    quantity: Fraction
    measured: Fraction
    unit_price: Decimal
    vat_percent: Decimal | None
    step_size: int
    element: int | None
    matched: tuple[Condition, ...]
    skipped: tuple[Skipped, ...]
    first_period: int
    last_period: int
    start_at: datetime
    end_at: datetime
    net_ratio: Ratio | None
    gross_ratio: Ratio | None
    quantity_currency: str | None = None

    @property
    def unit(self) -> str:
        return self.quantity_currency or UNITS[self.kind]

    @property
    def exact_net(self) -> Fraction | None:
        return None if self.net_ratio is None else Fraction(*self.net_ratio)

    @property
    def exact_gross(self) -> Fraction | None:
        return None if self.gross_ratio is None else Fraction(*self.gross_ratio)

    @property
    def net(self) -> Decimal | None:
        return None if self.net_ratio is None else _decimal(self.net_ratio)

    @property
    def gross(self) -> Decimal | None:
        return None if self.gross_ratio is None else _decimal(self.gross_ratio)


@dataclass(frozen=True, slots=True)
class FreeQuantity:
    """Something used that no element priced at the time, although the tariff prices it at other times."""

    kind: LineKind
    quantity: Fraction
    skipped: tuple[Skipped, ...]
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True)
class VatTotal:
    """The unrounded sum of all lines of one VAT rate. A None rate: none is stated, or no tax applies."""

    vat_percent: Decimal | None
    exact_net: Fraction | None
    exact_gross: Fraction | None


@dataclass(frozen=True, slots=True)
class RoundingPolicy:
    """How an unrounded amount becomes money: `places` decimals, half up (away from zero) unless said otherwise."""

    places: int
    rounding: str = ROUND_HALF_UP

    @classmethod
    def for_currency(cls, currency: str) -> "RoundingPolicy":
        return cls(exponent(currency))

    def round(self, value: Fraction) -> Decimal:
        """Exactly rounded: the fraction is never approximated on the way."""
        numerator, denominator = value.as_integer_ratio()
        whole, rest = divmod(numerator * 10**self.places, denominator)
        # Three digits tell every rounding rule on which side of the half the rest lies.
        side = (2 * rest > denominator) - (2 * rest < denominator)
        digits = Decimal(whole) + (Decimal(0) if not rest else Decimal("0.5") + Decimal(side) / 4)
        return digits.quantize(Decimal(1), rounding=self.rounding).scaleb(-self.places)


@dataclass(frozen=True, slots=True)
class PayableRate:
    """The amounts of one VAT rate in money; net + vat = gross."""

    vat_percent: Decimal | None
    net: Decimal
    vat: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Payable:
    """What is paid: the sums of its rates, each already rounded. net + vat = gross."""

    currency: str
    rates: tuple[PayableRate, ...]
    net: Decimal
    vat: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class RatingInputs:
    """What the price of a tariff with extensions depends on besides the session; see `rating.rate`."""

    spot_prices: tuple[SpotPrice, ...] = ()
    month_to_date_wh: Decimal | None = None


@dataclass(frozen=True)
class RatedSession:
    """The price of a session.

    lines: every priced quantity, then the adjustment to the lowest or highest price, one line per VAT rate.
    free: what was used and not priced.
    vat_totals: the lines summed per VAT rate; documents and payments follow them (`payable`).
    total_net, total_gross: the session's cost before and after tax as OCPI reports it: the tariff's limits before and
    after tax are applied to each on its own. They differ from the sum of the lines only where a tariff's two limits do
    not fit its VAT rates. None where the VAT rate is needed and unknown.
    inputs: what else the price was made of; None for a tariff without extensions.
    """

    tariff: CompiledTariff
    gross_priced: bool
    lines: tuple[CostLine, ...]
    free: tuple[FreeQuantity, ...]
    vat_totals: tuple[VatTotal, ...]
    exact_total_net: Fraction | None
    exact_total_gross: Fraction | None
    inputs: RatingInputs | None = None

    @property
    def currency(self) -> str:
        return self.tariff.spec.currency

    @property
    def total_net(self) -> Decimal | None:
        return None if self.exact_total_net is None else decimal_of(self.exact_total_net)

    @property
    def total_gross(self) -> Decimal | None:
        return None if self.exact_total_gross is None else decimal_of(self.exact_total_gross)

    def payable(self, policy: RoundingPolicy | None = None) -> Payable:
        """Round once: per VAT rate, on the session's total, half up to the currency's exponent.

        Prices before tax: net is rounded, VAT is that net times the rate, rounded. Prices with tax: gross is rounded,
        VAT is the part of it the rate says, rounded, and net is the rest. Either way net + vat = gross.
        Raises VatUnknown where a rate is needed and neither the tariff nor the caller gave one.
        """
        policy = policy or RoundingPolicy.for_currency(self.currency)
        rates = tuple(self._payable_rate(total, policy) for total in self.vat_totals)
        zero = Decimal(0).scaleb(-policy.places)
        return Payable(
            currency=self.currency,
            rates=rates,
            net=sum((rate.net for rate in rates), zero),
            vat=sum((rate.vat for rate in rates), zero),
            gross=sum((rate.gross for rate in rates), zero),
        )

    def _payable_rate(self, total: VatTotal, policy: RoundingPolicy) -> PayableRate:
        if total.exact_net is None or total.exact_gross is None:
            raise VatUnknown
        percent = Fraction(total.vat_percent or 0)
        if self.gross_priced:
            gross = policy.round(total.exact_gross)
            vat = policy.round(Fraction(gross) * percent / (_HUNDRED + percent))
            return PayableRate(total.vat_percent, gross - vat, vat, gross)
        net = policy.round(total.exact_net)
        vat = policy.round(Fraction(net) * percent / _HUNDRED)
        return PayableRate(total.vat_percent, net, vat, net + vat)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the tariff, the zone and every exact quantity and amount: the same input gives the same hash."""
        parts: dict[str, object] = {
            "tariff": self.tariff.digest,
            "time_zone": self.tariff.time_zone,
            "lines": [
                [
                    line.kind,
                    line.element,
                    _text(line.quantity),
                    _text(line.unit_price),
                    _text(line.vat_percent),
                    _text(line.exact_net),
                    _text(line.exact_gross),
                    line.start_at.isoformat(),
                    line.end_at.isoformat(),
                ]
                for line in self.lines
            ],
            "total": [_text(self.exact_total_net), _text(self.exact_total_gross)],
        }
        if self.inputs is not None:
            parts["inputs"] = {
                "spot_prices": [
                    [step.start_at.isoformat(), step.end_at.isoformat(), _text(step.price)]
                    for step in self.inputs.spot_prices
                ],
                "month_to_date_wh": _text(self.inputs.month_to_date_wh),
            }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _text(value: Fraction | Decimal | None) -> str | None:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return None if value is None else str(value)


def vat_totals(lines: Iterable[CostLine]) -> tuple[VatTotal, ...]:
    """Sum lines per VAT rate, in the order in which the rates appear."""
    by_rate: dict[Decimal | None, list[CostLine]] = {}
    for line in lines:
        by_rate.setdefault(line.vat_percent, []).append(line)
    return tuple(_vat_total(percent, of_rate) for percent, of_rate in by_rate.items())


def _vat_total(percent: Decimal | None, lines: Sequence[CostLine]) -> VatTotal:
    net = known_sum([line.net_ratio for line in lines])
    if percent is None or net is None:
        return VatTotal(percent, net, known_sum([line.gross_ratio for line in lines]))
    # Every line of a rate holds the same share of tax, and so does their sum.
    rate, scale = percent.as_integer_ratio()
    gross = Fraction(net.numerator * (100 * scale + rate), net.denominator * 100 * scale)
    return VatTotal(percent, net, gross)


def known_sum(ratios: Sequence[Ratio | None]) -> Fraction | None:
    """The sum; None as soon as one part is unknown."""
    known = [ratio for ratio in ratios if ratio is not None]
    return Fraction(*ratio_sum(known)) if len(known) == len(ratios) else None


def ratio_sum(ratios: Sequence[Ratio]) -> Ratio:
    """The exact sum over a common scale, not reduced; nothing sums to zero."""
    if not ratios:
        return 0, 1
    number, scale = ratios[0]
    for other, other_scale in ratios[1:]:
        if other_scale == scale:
            number += other
        else:
            common = gcd(scale, other_scale)
            factor = other_scale // common
            number = number * factor + other * (scale // common)
            scale *= factor
    return number, scale
