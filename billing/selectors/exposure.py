"""How much a session may come to cost: what admission, holds and quotes are measured by."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from billing.domain.admission import LOOK_AHEAD, Exposure
from billing.models import ChargingSession
from billing.selectors.rating_inputs import AHEAD
from common.units import SECONDS_PER_HOUR
from tariffs.domain.compiled import CompiledTariff, compile_document
from tariffs.domain.frozen import FrozenInputs
from tariffs.domain.worst_case import worst_case

# No stay that anything is set aside for lasts longer; market prices are frozen for as long.
LONGEST_STAY = AHEAD


def exposure_of(session: ChargingSession) -> Exposure | None:
    """What a session that is about to start can cost by its frozen price, at its connector's rated power.

    The session may be unsaved; give it its connector, charge point, tariff version, frozen inputs and VAT. None where
    its price or its connector is not known. No query beside what those relations cost.
    """
    connector, version = session.connector, session.tariff_version
    at = session.started_at or session.requested_at
    if connector is None or version is None or at is None:
        return None
    tariff = compile_document(version.document, session.charge_point.location.time_zone)
    frozen = FrozenInputs.from_json(session.rating_inputs)
    opening, longest = (
        most_gross(tariff, frozen, session.vat_percent, at=at, length=length, power_w=connector.max_power_w)
        for length in (LOOK_AHEAD, LONGEST_STAY)
    )
    return Exposure(opening=opening, longest=longest)


def most_gross(
    tariff: CompiledTariff,
    frozen: FrozenInputs,
    vat_percent: Decimal | None,
    *,
    at: datetime,
    length: timedelta,
    power_w: int,
    least_wh: Decimal = Decimal(0),
) -> Decimal:
    """The most a session of this `length` from `at` on can cost, VAT included, using `power_w` throughout or
    `least_wh` if that is more. Raises VatUnknown.
    """
    seconds = int(length.total_seconds())
    return worst_case(
        tariff,
        start_at=at.astimezone(UTC),
        energy_wh=max(energy_at(power_w, seconds), least_wh),
        seconds=seconds,
        default_vat_percent=vat_percent,
        **frozen.for_rating(),
    )


def energy_at(power_w: int, seconds: int) -> Decimal:
    """Wh, rounded up to a whole one."""
    return (Decimal(power_w) * seconds / SECONDS_PER_HOUR).to_integral_value(ROUND_CEILING)
