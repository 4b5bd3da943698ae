"""What a price was made of: meter values, market prices, the month's energy, and a hash anybody can make again."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.models import Cdr, ChargingSession
from billing.services.rating import rate_session
from common.errors import VoltledgerError
from common.units import wh_to_kwh
from tariffs.domain.frozen import FrozenInputs


@dataclass(frozen=True)
class SpotStep:
    starts_at: datetime
    ends_at: datetime
    price: Decimal


@dataclass(frozen=True)
class PriceBasis:
    """Registers in kWh, market prices per kWh as the series has them, before the tariff's formula.

    `digest` is the Cdr's; `is_reproduced`: rating the stored meter values again gives the same hash.
    """

    register_from_kwh: Decimal | None
    register_to_kwh: Decimal | None
    spot_steps: tuple[SpotStep, ...]
    month_to_date_kwh: Decimal | None
    digest: str
    is_reproduced: bool


def price_basis(session: ChargingSession, cdr: Cdr) -> PriceBasis:
    """One query, for the meter values. Give the session with its tariff version, charge point and location."""
    frozen = FrozenInputs.from_json(session.rating_inputs)
    try:
        is_reproduced = rate_session(session).digest == cdr.rating_digest
    except VoltledgerError:
        is_reproduced = False
    return PriceBasis(
        register_from_kwh=None if session.meter_start_wh is None else wh_to_kwh(session.meter_start_wh),
        register_to_kwh=None if session.meter_stop_wh is None else wh_to_kwh(session.meter_stop_wh),
        spot_steps=tuple(
            SpotStep(*step)
            for step in frozen.spot_prices
            if session.started_at is not None
            and session.ended_at is not None
            and step.end_at > session.started_at
            and step.start_at < session.ended_at
        ),
        month_to_date_kwh=None if frozen.month_to_date_wh is None else wh_to_kwh(frozen.month_to_date_wh),
        digest=cdr.rating_digest,
        is_reproduced=is_reproduced,
    )
