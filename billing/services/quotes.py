"""What charging at a connector would cost: the price a person is shown before anything starts. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Contract, Driver
from accounts.selectors.contracts import contract_in_force
from billing.domain.admission import LOOK_AHEAD
from billing.errors import UnknownConnector, UnknownDriver
from billing.models import ChargingSession
from billing.selectors.exposure import energy_at, most_gross
from billing.services.admission import terms_for
from common.currencies import quantum
from common.errors import BadInput
from common.units import kwh_to_wh
from locations.models import Connector
from tariffs.domain.assumed import assumed_periods
from tariffs.domain.compiled import CompiledTariff, compile_document
from tariffs.domain.frozen import FrozenInputs
from tariffs.domain.rating import rate
from tariffs.domain.result import RatedSession
from tariffs.models import TariffVersion
from tariffs.selectors.price_card import PriceCard, card_at

# How long a session is looked ahead for its worst case unless the question says otherwise.
USUAL_MINUTES = 60
_SECONDS_PER_MINUTE = 60
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class WorstCase:
    """The most a session of these minutes can cost at the connector's rated power, VAT included.

    `to_start` is what a wallet must hold for the start alone (billing.services.admission).
    """

    minutes: int
    energy_wh: Decimal
    gross: Decimal
    to_start: Decimal


@dataclass(frozen=True)
class Quote:
    """A price and why it applies.

    `trace` has one row per tariff assignment looked at, the winner first. `frozen` are the market prices and the
    month's energy as a session that starts at `at` would keep them. `example` is the asked-for session, rated by the
    engine; None where no session was asked for.
    """

    connector: Connector
    driver: Driver | None
    at: datetime
    tariff: CompiledTariff
    tariff_version: TariffVersion
    trace: list[dict[str, Any]]
    frozen: FrozenInputs
    vat_percent: Decimal
    card: PriceCard
    energy_wh: Decimal | None
    minutes: int | None
    example: RatedSession | None
    worst_case: WorstCase


def quote(
    *,
    connector: Connector,
    contract: Contract | None,
    at: datetime,
    channel: str = ChargingSession.Channel.APP,
    kwh: Decimal | None = None,
    minutes: int | None = None,
    parked_minutes: int = 0,
) -> Quote:
    """The price at a connector for a customer (None: nobody in particular) who starts at `at` (aware).

    With `kwh` or `minutes` of charging, the session itself is priced too; of the two the one that is not given follows
    from the connector's rated power. `parked_minutes` come after charging. The worst case is that of a session as long
    as the one asked for, else of an hour. Give the connector with its charge point and location loaded.
    Raises NoTariff, NoVatRate, CurrencyMismatch; BadInput naming every value no session can have.
    """
    _check(kwh, minutes, parked_minutes)
    terms = terms_for(connector=connector, contract=contract, channel=channel, at=at)
    version: TariffVersion = terms["tariff_version"]
    tariff = compile_document(version.document, connector.charge_point.location.time_zone)
    frozen = FrozenInputs.from_json(terms["rating_inputs"])
    vat_percent: Decimal = terms["vat_percent"]
    energy_wh, charging_minutes = _session_asked_for(kwh, minutes, connector.max_power_w)
    example: RatedSession | None = None
    if energy_wh is not None and charging_minutes is not None:
        periods = assumed_periods(
            start_at=at,
            energy_wh=energy_wh,
            charging_seconds=charging_minutes * _SECONDS_PER_MINUTE,
            parked_seconds=parked_minutes * _SECONDS_PER_MINUTE,
        )
        example = rate(tariff, periods, **frozen.for_rating(), default_vat_percent=vat_percent)
    longest = (charging_minutes or USUAL_MINUTES) + parked_minutes
    return Quote(
        connector=connector,
        driver=contract.driver if contract is not None else None,
        at=at,
        tariff=tariff,
        tariff_version=version,
        trace=terms["tariff_trace"],
        frozen=frozen,
        vat_percent=vat_percent,
        card=card_at(tariff, vat_percent, connector=connector, at=at, frozen=frozen, tariff_version_id=version.pk),
        energy_wh=energy_wh,
        minutes=charging_minutes,
        example=example,
        worst_case=_worst_case(tariff, frozen, vat_percent, connector, at, longest, energy_wh),
    )


def connector_named(name: str) -> Connector:
    """The connector an operator means, with charge point and location loaded: the code on its label, else the charge
    point's identity, a slash and the connector's number, else the row's own number, as in the portal's addresses.

    Raises UnknownConnector.
    """
    connectors: QuerySet[Connector] = Connector.objects.select_related("charge_point__location")
    if not name.isprintable():
        raise UnknownConnector
    found = connectors.filter(code=name.strip().upper()).first()
    identity, slash, number = (part.strip() for part in name.rpartition("/"))
    if found is None and number.isascii() and number.isdigit() and len(number) < 10:
        wanted = {"charge_point__identity__iexact": identity, "number": int(number)} if slash else {"pk": number}
        found = connectors.filter(**wanted).first()
    if found is None:
        raise UnknownConnector
    return found


def contract_of(email: str, at: datetime) -> Contract:
    """The contract in force of the driver with this e-mail address. Raises UnknownDriver, NoContract."""
    driver = Driver.objects.filter(email__iexact=email.strip()).exclude(email="").order_by("pk").first()
    if driver is None:
        raise UnknownDriver
    return contract_in_force(driver.pk, at)


def _check(kwh: Decimal | None, minutes: int | None, parked_minutes: int) -> None:
    details = []
    if kwh is not None and not (kwh.is_finite() and 0 < kwh <= 10_000):
        details.append(_("kwh: must be above 0 and at most 10000"))
    if minutes is not None and not 0 < minutes <= 31 * 24 * _MINUTES_PER_HOUR:
        details.append(_("minutes: must be from 1 to 44640, which is 31 days"))
    if not 0 <= parked_minutes <= 31 * 24 * _MINUTES_PER_HOUR:
        details.append(_("parked_minutes: must be from 0 to 44640, which is 31 days"))
    if details:
        raise BadInput(_("No session can be like this."), details)


def _session_asked_for(kwh: Decimal | None, minutes: int | None, power_w: int) -> tuple[Decimal | None, int | None]:
    """Energy and minutes of charging, one from the other at the rated power where only one is given."""
    if kwh is None and minutes is None:
        return None, None
    if kwh is None:
        return energy_at(power_w, (minutes or 0) * _SECONDS_PER_MINUTE), minutes
    energy_wh = kwh_to_wh(kwh)
    if minutes is None:
        minutes = int((energy_wh * _MINUTES_PER_HOUR / power_w).to_integral_value(ROUND_CEILING))
    return energy_wh, minutes


def _worst_case(
    tariff: CompiledTariff,
    frozen: FrozenInputs,
    vat_percent: Decimal,
    connector: Connector,
    at: datetime,
    minutes: int,
    energy_wh: Decimal | None,
) -> WorstCase:
    power_w, asked_wh = connector.max_power_w, energy_wh or Decimal(0)
    length = timedelta(seconds=minutes * _SECONDS_PER_MINUTE)
    opening = most_gross(tariff, frozen, vat_percent, at=at, length=LOOK_AHEAD, power_w=power_w)
    return WorstCase(
        minutes=minutes,
        energy_wh=max(energy_at(power_w, minutes * _SECONDS_PER_MINUTE), asked_wh),
        gross=most_gross(tariff, frozen, vat_percent, at=at, length=length, power_w=power_w, least_wh=asked_wh),
        to_start=opening + quantum(tariff.spec.currency),
    )
