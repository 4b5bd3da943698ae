"""What past sessions would have been authorised with under another tariff, where it was not frozen with them."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

from billing.models import ChargingSession
from billing.selectors.rating_inputs import AHEAD, BEFORE, month_of
from tariffs.domain.compiled import CompiledTariff
from tariffs.domain.extensions import TierPeriod
from tariffs.domain.frozen import FrozenInputs
from tariffs.selectors.price_series import spot_prices_of_many


def past_inputs(
    sessions: Sequence[ChargingSession], *, own: Mapping[int, CompiledTariff], other: CompiledTariff
) -> dict[int, FrozenInputs]:
    """The inputs of each session by id, for rating it by the tariff `other`; `own` are the tariffs that priced them.

    What is frozen with a session stays: the month's energy, and the prices of a series its own tariff followed too.
    The rest is read as of its start from what is stored today. Give sessions with their charge point's location. At
    most three queries; none where nothing is missing.
    """
    inputs = {session.pk: FrozenInputs.from_json(session.rating_inputs) for session in sessions}
    extensions = other.spec.extensions
    if extensions is None:
        return inputs
    begun = {session.pk: (session, session.started_at) for session in sessions if session.started_at is not None}
    if extensions.spot is not None:
        found = spot_prices_of_many(
            code=extensions.spot.series,
            currency=other.spec.currency,
            wanted={
                pk: (session.charge_point, at - BEFORE, at + AHEAD)
                for pk, (session, at) in begun.items()
                if _series(own[pk]) != _series(other)
            },
        )
        inputs |= {pk: replace(inputs[pk], spot_prices=prices) for pk, prices in found.items()}
    if extensions.energy_tiers is not None and extensions.energy_tiers.per is TierPeriod.MONTH:
        missing = [begun[pk] for pk, frozen in inputs.items() if frozen.month_to_date_wh is None and pk in begun]
        inputs |= {
            pk: replace(inputs[pk], month_to_date_wh=used_wh) for pk, used_wh in _months_to_date(missing).items()
        }
    return inputs


def _series(tariff: CompiledTariff) -> tuple[str, str] | None:
    """What decides, at one place, which series a tariff follows."""
    extensions = tariff.spec.extensions
    if extensions is None or extensions.spot is None:
        return None
    return extensions.spot.series, tariff.spec.currency


def _months_to_date(begun: Sequence[tuple[ChargingSession, datetime]]) -> dict[int, Decimal]:
    """`rating_inputs.month_to_date_wh` of many sessions. One query: what their drivers used in the months they span."""
    if not begun:
        return {}
    starts = {session.pk: month_of(at, session.charge_point.location.time_zone) for session, at in begun}
    rows = (
        ChargingSession.objects.filter(
            driver_id__in={session.driver_id for session, _at in begun if session.driver_id is not None},
            started_at__gte=min(starts.values()),
            started_at__lt=max(at for _session, at in begun),
        )
        .exclude(outcome=ChargingSession.Outcome.DISCARDED)
        .order_by("started_at")
        .values_list("driver_id", "started_at", "energy_wh")
    )
    moments: dict[int | None, list[datetime]] = {}
    energies: dict[int | None, list[Decimal]] = {}
    for driver_id, started_at, energy_wh in rows:
        if started_at is not None:
            moments.setdefault(driver_id, []).append(started_at)
            energies.setdefault(driver_id, []).append(energy_wh)
    sums = {driver_id: list(accumulate(used, initial=Decimal(0))) for driver_id, used in energies.items()}
    used: dict[int, Decimal] = {}
    for session, at in begun:
        known = moments.get(session.driver_id, [])
        total = sums.get(session.driver_id, [Decimal(0)])
        used[session.pk] = total[bisect_left(known, at)] - total[bisect_left(known, starts[session.pk])]
    return used
