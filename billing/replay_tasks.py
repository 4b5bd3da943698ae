"""Background work about tariff replays. Each may run twice or be lost: the sweep has it go on where it stopped."""

from billing.services import tariff_replays
from common import clock


def run_replay(replay_id: int) -> None:
    """A replay was asked for, or there is more of it: price its sessions."""
    tariff_replays.run_replay(replay_id=replay_id)


def sweep_replays() -> int:
    """Go on with what was queued and lost."""
    return tariff_replays.resume_lost_replays(now=clock.now())


SCHEDULES = [("Tariff replays: go on with what was lost", "billing.replay_tasks.sweep_replays", 1)]
