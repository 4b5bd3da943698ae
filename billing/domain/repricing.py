"""A past session priced again, by the same pure functions that settled it. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from billing.domain.metering import Metered, periods_of
from common.errors import BadInput
from tariffs.domain.compiled import compile_document
from tariffs.domain.frozen import FrozenInputs
from tariffs.domain.rating import rate
from tariffs.domain.result import Payable, RatedSession, VatUnknown
from tariffs.domain.spec import Period


@dataclass(frozen=True, slots=True)
class Amounts:
    """Money in one currency, quantised; net + vat = gross."""

    net: Decimal
    vat: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class PastSession:
    """A settled session with all its price depends on, and what it costs by what is known now.

    `frozen` is as it was frozen then; what another tariff needs beyond that is as of the session's start.

    `metered` is None when the station never told the start or the end of it.
    """

    session_id: int
    public_id: str
    currency: str
    vat_percent: Decimal | None
    time_zone: str
    tariff_digest: str
    frozen: FrozenInputs
    metered: Metered | None
    billed: Amounts


@dataclass(frozen=True, slots=True)
class Repriced:
    """A past session under another tariff: what it was billed, and what it would cost.

    `payable`, `rated` and `periods` are empty when it cannot be priced; `problem` is then the code of why and `note`
    what was seen.
    """

    past: PastSession
    payable: Payable | None = None
    rated: RatedSession | None = None
    periods: tuple[Period, ...] = ()
    problem: str = ""
    note: str = ""

    @property
    def difference(self) -> Decimal | None:
        """What it would cost more, with VAT; below zero: less. None when it cannot be priced."""
        return None if self.payable is None else self.payable.gross - self.past.billed.gross


def price_again(past: PastSession, document: str) -> Repriced:
    """Price a past session by the tariff `document` (canonical JSON): frozen VAT and inputs, stored meter values.

    A step of the market without a price in `past.frozen` has the tariff's fallback, and its line says so.

    Problems: tariff_currency_mismatch, meter_missing, meter_values_inconsistent, rating_inputs_missing, vat_unknown,
    price_below_zero. They are the reasons for which settlement would not have billed it.
    """
    tariff = compile_document(document, past.time_zone)
    if tariff.spec.currency != past.currency:
        return Repriced(past, problem="tariff_currency_mismatch", note=tariff.spec.currency)
    if past.metered is None:
        return Repriced(past, problem="meter_missing")
    try:
        periods = periods_of(tariff, past.metered)
    except BadInput as error:
        return Repriced(past, problem="meter_values_inconsistent", note="\n".join(error.details))
    try:
        rated = rate(tariff, periods, **past.frozen.for_rating(), default_vat_percent=past.vat_percent)
        payable = rated.payable()
    except BadInput as error:
        return Repriced(past, problem="rating_inputs_missing", note="\n".join(error.details))
    except VatUnknown as error:
        return Repriced(past, problem=error.code, note=error.message)
    if any(total.net < 0 or total.vat < 0 for total in payable.rates):
        return Repriced(past, problem="price_below_zero", note=str(payable.gross))
    return Repriced(past, payable, rated, periods)
