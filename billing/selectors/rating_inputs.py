"""What a session's price depends on besides the session and its tariff, as it stands when the session is authorised."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Sum

from billing.models import ChargingSession
from locations.models import ChargePoint
from tariffs.domain.compiled import CompiledTariff
from tariffs.domain.extensions import TierPeriod
from tariffs.domain.frozen import NOTHING_FROZEN, FrozenInputs
from tariffs.selectors.price_series import spot_prices

# Reaches the step before, in case the charge point's clock puts the start a little earlier.
BEFORE = timedelta(minutes=75)
# Day-ahead prices are known for at most a day and a half; a session that stays longer pays the fallback.
AHEAD = timedelta(hours=48)


def resolve_inputs(
    *, tariff: CompiledTariff, driver_id: int | None, charge_point: ChargePoint | None, at: datetime
) -> FrozenInputs:
    """For a session that begins at `at`. No query for a tariff without a price series and without tiers per month.

    `charge_point` decides which series of a code applies (None: the one for no place in particular); give it with its
    location loaded. A driver nobody knows has used nothing this month.
    """
    extensions = tariff.spec.extensions
    if extensions is None:
        return NOTHING_FROZEN
    prices, used_wh = NOTHING_FROZEN.spot_prices, None
    if extensions.spot is not None:
        prices = spot_prices(
            code=extensions.spot.series,
            currency=tariff.spec.currency,
            charge_point=charge_point,
            start_at=at - BEFORE,
            end_at=at + AHEAD,
        )
    if extensions.energy_tiers is not None and extensions.energy_tiers.per is TierPeriod.MONTH:
        used_wh = month_to_date_wh(driver_id=driver_id, at=at, time_zone=tariff.time_zone)
    return FrozenInputs(prices, used_wh)


def month_to_date_wh(*, driver_id: int | None, at: datetime, time_zone: str) -> Decimal:
    """The driver's energy of the calendar month in which `at` lies on the clock of `time_zone`, in Wh.

    All sessions of the driver count that began in that month before `at`, under whatever tariff and contract: what they
    used, or of one that still runs what it has used so far. A session an operator discarded does not count.
    """
    if driver_id is None:
        return Decimal(0)
    sessions = ChargingSession.objects.filter(
        driver_id=driver_id, started_at__gte=month_of(at, time_zone), started_at__lt=at
    ).exclude(outcome=ChargingSession.Outcome.DISCARDED)
    used: Decimal | None = sessions.aggregate(used=Sum("energy_wh"))["used"]
    return used or Decimal(0)


def month_of(at: datetime, time_zone: str) -> datetime:
    """The start of the calendar month in which `at` lies on the clock of `time_zone`, in UTC."""
    month = at.astimezone(ZoneInfo(time_zone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    return month.astimezone(UTC)
