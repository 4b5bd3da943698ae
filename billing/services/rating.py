"""Pricing a session with its frozen tariff: the same call for the live cost and for the final one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing.domain.metering import CHARGING, ENERGY, RATED_MEASURANDS, Metered, Reading, periods_of
from billing.models import ChargingSession, MeterValue
from common import clock
from common.errors import BadInput
from common.units import SECONDS_PER_HOUR
from tariffs.domain.compiled import CompiledTariff, compile_document
from tariffs.domain.frozen import FrozenInputs
from tariffs.domain.rating import rate
from tariffs.domain.result import RatedSession, VatUnknown
from tariffs.domain.spec import Dimension
from tariffs.errors import NoTariff

_NO_TIME = timedelta(0)


def rate_session(session: ChargingSession, upto: datetime | None = None) -> RatedSession:
    """Price what a session has used until `upto` (default: its end, or now while it runs). Reads only.

    Amounts in the session's currency, unrounded; `payable()` rounds. VAT is the tariff's own, else the one frozen with
    the session. Raises NoTariff, BadInput (meter values that do not fit together).
    """
    return _rate(session, compiled_tariff(session), metered_of(session, upto))


def gross_so_far(session: ChargingSession, ahead: timedelta = _NO_TIME) -> Decimal:
    """What a running session costs by now, rounded; with `ahead`, what it will cost then at its present power.

    Raises NoTariff, BadInput, VatUnknown.
    """
    tariff = compiled_tariff(session)
    metered = metered_of(session, session.live_at)
    if ahead:
        metered = _projected(metered, session, ahead)
    return _rate(session, tariff, metered).payable().gross


def _rate(session: ChargingSession, tariff: CompiledTariff, metered: Metered) -> RatedSession:
    frozen = FrozenInputs.from_json(session.rating_inputs)
    return rate(tariff, periods_of(tariff, metered), **frozen.for_rating(), default_vat_percent=session.vat_percent)


def staying_costs(session: ChargingSession, within: timedelta) -> bool:
    """True when a vehicle that stays for `within` after its charging has stopped pays more than one that leaves.

    The engine says so itself: grace, free hours, caps and hours of the tariff are looked at where they apply. A session
    that cannot be priced is not kept waiting; settlement says what is wrong with it. Raises NoTariff.
    """
    tariff = compiled_tariff(session)
    if not _prices_a_stay(tariff) or session.stopped_at is None:
        return False
    left = metered_of(session, session.stopped_at)
    parked = Reading(left.ended_at, CHARGING, Decimal(0))
    stayed = replace(left, ended_at=left.ended_at + within, readings=[*left.readings, parked])
    try:
        least, most = (_rate(session, tariff, metered).payable().gross for metered in (left, stayed))
    except (BadInput, VatUnknown):
        return False
    return most > least


def _prices_a_stay(tariff: CompiledTariff) -> bool:
    extensions = tariff.spec.extensions
    return (extensions is not None and extensions.connection_fee is not None) or any(
        component.dimension is Dimension.PARKING_TIME and component.price
        for element in tariff.spec.elements
        for component in element.components
    )


def compiled_tariff(session: ChargingSession) -> CompiledTariff:
    """The session's frozen tariff at its location's clock. Raises NoTariff."""
    if session.tariff_version is None:
        raise NoTariff
    return compile_document(session.tariff_version.document, session.charge_point.location.time_zone)


def metered_of(session: ChargingSession, upto: datetime | None = None) -> Metered:
    """What is stored of a session's meter until `upto`. One query. Raises NoTariff for a session that never started."""
    if session.started_at is None:
        raise NoTariff
    started_at = session.started_at.astimezone(UTC)
    ended_at = max(upto or session.ended_at or clock.now(), started_at).astimezone(UTC)
    rows = (
        MeterValue.objects.filter(charging_session=session, measurand__in=RATED_MEASURANDS, phase="")
        .filter(occurred_at__lte=ended_at)
        .order_by("occurred_at", "pk")
        .values_list("occurred_at", "measurand", "value")
    )
    is_over = session.meter_stop_wh is not None and session.stopped_at is not None and session.stopped_at <= ended_at
    return Metered(
        started_at=started_at,
        ended_at=ended_at,
        stopped_at=session.stopped_at if is_over else None,
        meter_start_wh=session.meter_start_wh or Decimal(0),
        meter_stop_wh=session.meter_stop_wh if is_over else None,
        readings=[Reading(*row) for row in rows],
        rated_power_w=session.connector.max_power_w if session.connector else None,
    )


def _projected(metered: Metered, session: ChargingSession, ahead: timedelta) -> Metered:
    """As if the present power went on for `ahead`; where none is reported, the connector's rated power.

    A vehicle that asks for no power goes on standing: grace and free hours count, and so does what follows them.
    """
    states = [reading.value for reading in metered.readings if reading.measurand == CHARGING]
    power_w = session.power_w if session.power_w is not None else Decimal(metered.rated_power_w or 0)
    if states and not states[-1]:
        power_w = Decimal(0)
    ended_at = metered.ended_at + ahead
    hours = Decimal(ahead // timedelta(microseconds=1)) / 1_000_000 / SECONDS_PER_HOUR
    register_wh = metered.meter_start_wh + session.energy_wh + power_w * hours
    return replace(metered, ended_at=ended_at, readings=[*metered.readings, Reading(ended_at, ENERGY, register_wh)])
