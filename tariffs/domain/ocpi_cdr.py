"""OCPI CDR JSON to charging periods.

Source: OCPI 2.2.1 and 2.3.0, CDRs module (CdrDimension, ChargingPeriod). A period ends where the next begins, the last
at the CDR's `end_date_time`. Its length is the clock's; the TIME and PARKING_TIME volumes say what it was used for and
must agree with the clock, which is exact where a volume in hours is rounded. `tariff_id` is not read: the caller chose
the tariff. A CDR of nothing but RESERVATION_TIME is a reservation that expired. What only our named extensions need
stands under the same key as in a tariff.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import BadInput
from common.units import kwh_to_wh
from tariffs.domain.extensions_json import EXTENSION_KEY
from tariffs.domain.reading import Defects, Fields
from tariffs.domain.spec import Period, PeriodState
from tariffs.domain.spot import STEPS, SpotPrice

MOST_PERIODS = 100_000
MOST_SPOT_PRICES = 100_000
LONGEST = timedelta(days=366)
# Volumes in hours are usually rounded to two decimals.
VOLUME_TOLERANCE = timedelta(hours=1) / 100

_OTHER_CDR_FIELDS = (
    "country_code",
    "party_id",
    "id",
    "session_id",
    "booking_id",
    "cdr_token",
    "auth_method",
    "authorization_reference",
    "meter_id",
    "tariffs",
    "signed_data",
    "total_cost",
    "total_fixed_cost",
    "total_energy",
    "total_energy_cost",
    "total_time",
    "total_time_cost",
    "total_parking_time",
    "total_parking_cost",
    "total_reservation_cost",
    "remark",
    "invoice_reference_id",
    "credit",
    "credit_reference_id",
    "home_charging_compensation",
    "last_updated",
)


class CdrDimension(StrEnum):
    """OCPI CdrDimensionType, all of it; what decides no price is read and left."""

    CURRENT = "CURRENT"
    ENERGY = "ENERGY"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    POWER = "POWER"
    RESERVATION_TIME = "RESERVATION_TIME"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TIME = "TIME"


@dataclass(frozen=True, slots=True)
class CdrInput:
    """What rating needs of a CDR. `time_zone` and `currency` are None where the CDR does not say.

    `spot_prices` and `month_to_date_wh` are for tariffs with extensions; see `rating.rate`.
    """

    periods: tuple[Period, ...]
    currency: str | None
    time_zone: str | None
    spot_prices: tuple[SpotPrice, ...] = ()
    month_to_date_wh: Decimal | None = None


def parse_cdr(document: object, *, path: str = "cdr") -> CdrInput:
    """Read the charging periods of an OCPI CDR as `jsontext.loads` returns it.

    Raises BadInput whose `details` name every defect with its path.
    """
    defects = Defects()
    fields = Fields(document, path, defects)
    fields.ignore(_OTHER_CDR_FIELDS)
    currency = fields.text("currency")
    time_zone = None
    location = fields.raw("cdr_location")
    if location is not None:
        zone_fields = Fields(location, fields.at("cdr_location"), defects)
        time_zone = zone_fields.text("time_zone")
        if time_zone is not None:
            check_time_zone(time_zone, zone_fields.at("time_zone"), defects)
    started_at = fields.moment("start_date_time")
    ended_at = fields.moment("end_date_time", required=True)
    items = fields.items("charging_periods", required=True, most=MOST_PERIODS)
    entries = [(Fields(item, f"{path}.charging_periods[{index}]", defects), item) for index, item in enumerate(items)]
    starts = [entry.moment("start_date_time", required=True) for entry, _ in entries]
    if started_at and ended_at and ended_at < started_at:
        fields.wrong("end_date_time", "must not be before start_date_time")
    if starts and starts[0] and ended_at and ended_at - starts[0] > LONGEST:
        fields.wrong("end_date_time", f"is more than {LONGEST.days} days after the first period began")
    periods: list[Period] = []
    for index, (entry, _) in enumerate(entries):
        last = index + 1 == len(entries)
        end = ended_at if last else starts[index + 1]
        start = starts[index]
        if start and end and end < start:
            if last:
                fields.wrong("end_date_time", "must not be before the last period begins")
            else:
                defects.add(
                    f"{path}.charging_periods[{index + 1}].start_date_time", "must not be before the period before it"
                )
            end = None
        periods.extend(_period(entry, start, end))
    if started_at and starts and starts[0] and starts[0] < started_at:
        entries[0][0].wrong("start_date_time", "must not be before the CDR's own")
    spot_prices, month_to_date_wh = _extension_inputs(fields)
    fields.refuse_others()
    defects.raise_if_any("The CDR has mistakes. Nothing was saved.")
    return CdrInput(tuple(_expire(periods)), currency, time_zone, spot_prices, month_to_date_wh)


def _extension_inputs(parent: Fields) -> tuple[tuple[SpotPrice, ...], Decimal | None]:
    raw = parent.raw(EXTENSION_KEY)
    if raw is None:
        return (), None
    fields = Fields(raw, parent.at(EXTENSION_KEY), parent.defects)
    month_to_date_kwh = fields.number("month_to_date_kwh", least=Decimal(0))
    prices: list[SpotPrice] = []
    for index, item in enumerate(fields.items("spot_prices", most=MOST_SPOT_PRICES)):
        entry = Fields(item, f"{fields.at('spot_prices')}[{index}]", fields.defects)
        start_at = entry.moment("start_date_time", required=True)
        end_at = entry.moment("end_date_time", required=True)
        price = entry.number("price", required=True)
        entry.refuse_others()
        if start_at is None or end_at is None or price is None:
            continue
        if end_at - start_at not in STEPS:
            entry.wrong("end_date_time", "must be 15 or 60 minutes after start_date_time")
        if prices and start_at < prices[-1].end_at:
            entry.wrong("start_date_time", "must not be before the step before it ends")
        prices.append(SpotPrice(start_at, end_at, price))
    fields.refuse_others()
    return tuple(prices), None if month_to_date_kwh is None else kwh_to_wh(month_to_date_kwh)


def check_time_zone(name: object, path: str, defects: Defects) -> None:
    """Record a defect unless `name` is an IANA time zone this machine knows."""
    try:
        if not isinstance(name, str):
            raise ValueError
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        defects.add(path, "must be an IANA time zone such as Europe/Berlin")


def _period(fields: Fields, start: datetime | None, end: datetime | None) -> list[Period]:
    """One OCPI period; two where both TIME and PARKING_TIME have a volume: first it charged, then it stood."""
    fields.ignore(("tariff_id", "encoding_method"))
    volumes: dict[CdrDimension, Decimal] = {}
    found_before = len(fields.defects.details)
    for index, item in enumerate(fields.items("dimensions", required=True, most=50)):
        entry = Fields(item, f"{fields.at('dimensions')}[{index}]", fields.defects)
        kind = entry.choice("type", CdrDimension, required=True)
        volume = entry.number("volume", required=True)
        entry.refuse_others()
        if kind is None or volume is None:
            continue
        if kind in volumes:
            entry.wrong("type", f"{kind} is given twice in one period")
        if volume < 0 and kind not in (
            CdrDimension.CURRENT,
            CdrDimension.POWER,
            CdrDimension.MIN_CURRENT,
            CdrDimension.MIN_POWER,
        ):
            entry.wrong("volume", "must be at least 0")
        volumes[kind] = volume
    fields.refuse_others()
    if start is None or end is None or len(fields.defects.details) > found_before:
        return []
    charging = volumes.get(CdrDimension.TIME, Decimal(0))
    parking = volumes.get(CdrDimension.PARKING_TIME, Decimal(0))
    reserved = volumes.get(CdrDimension.RESERVATION_TIME, Decimal(0))
    _check_volumes(fields, charging, parking, reserved, end - start)
    whole = Period(
        start_at=start,
        end_at=end,
        state=PeriodState.CHARGING,
        energy_wh=kwh_to_wh(volumes.get(CdrDimension.ENERGY, Decimal(0))),
        min_power_kw=_load(volumes, CdrDimension.POWER, CdrDimension.MIN_POWER, CdrDimension.MAX_POWER),
        max_power_kw=_load(volumes, CdrDimension.POWER, CdrDimension.MAX_POWER, CdrDimension.MIN_POWER),
        min_current_a=_load(volumes, CdrDimension.CURRENT, CdrDimension.MIN_CURRENT, CdrDimension.MAX_CURRENT),
        max_current_a=_load(volumes, CdrDimension.CURRENT, CdrDimension.MAX_CURRENT, CdrDimension.MIN_CURRENT),
    )
    if reserved:
        if whole.energy_wh:
            fields.wrong("dimensions", "no energy flows while a connector is only reserved")
        return [replace(whole, state=PeriodState.RESERVED)]
    if not parking:
        return [whole]
    if not charging:
        return [replace(whole, state=PeriodState.PARKED)]
    turn = min(end, start + timedelta(microseconds=round(Fraction(charging) * 3_600_000_000)))
    return [replace(whole, end_at=turn), Period(turn, end, PeriodState.PARKED)]


def _check_volumes(fields: Fields, charging: Decimal, parking: Decimal, reserved: Decimal, length: timedelta) -> None:
    if reserved and (charging or parking):
        fields.wrong("dimensions", "a period is either reserved or in use; split it")
        return
    stated = charging + parking + reserved
    if not stated:
        return
    difference = abs(Fraction(stated) * 3_600_000_000 - length // timedelta(microseconds=1))
    if difference > VOLUME_TOLERANCE // timedelta(microseconds=1):
        hours = Decimal(length // timedelta(seconds=1)) / 3600
        fields.wrong("dimensions", f"the time volumes add up to {stated} h, but the period lasts {hours:.4f} h")


def _load(volumes: dict[CdrDimension, Decimal], *preferred: CdrDimension) -> Decimal | None:
    return next((volumes[kind] for kind in preferred if kind in volumes), None)


def _expire(periods: list[Period]) -> list[Period]:
    if any(period.state is not PeriodState.RESERVED for period in periods):
        return periods
    return [replace(period, state=PeriodState.RESERVATION_EXPIRED) for period in periods]


def parse_time_zone(name: object, *, path: str = "time_zone") -> str:
    """An IANA time zone name. Raises BadInput for anything else."""
    defects = Defects()
    check_time_zone(name, path, defects)
    if defects.details:
        raise BadInput("The time zone is not known.", details=defects.details)
    return str(name)
