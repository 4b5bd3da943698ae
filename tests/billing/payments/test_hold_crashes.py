"""A worker killed before any of its writes around a hold on a card: one charge, nothing left held.

Capturing is killed in a process of its own: tests.billing.test_crash.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from billing.models import ChargingSession, Hold
from billing.services.card_holds import place_card_hold, release_card_hold
from billing.services.settlement import settle_session
from tests.billing.payments.held import (
    CAPTURED,
    SIX_TWENTY_WH,
    Outcome,
    catch_up,
    outcome,
    preauth_stand,
    started,
)
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.world import work_off_queue
from tests.billing.sessions.conftest import NOON, Stand

pytestmark = pytest.mark.django_db(transaction=True)


def place(session: ChargingSession) -> None:
    place_card_hold(hold_id=Hold.objects.get(charging_session=session).pk)


def let_go(session: ChargingSession) -> None:
    release_card_hold(hold_id=Hold.objects.get(charging_session=session).pk)


def start(card: str) -> tuple[Stand, ChargingSession]:
    stand = preauth_stand(card)
    return stand, started(stand)


def settled(stand: Stand, session: ChargingSession, wh: str) -> None:
    """The session ends and is settled; what settlement queued for the card is what the test kills."""
    stand.stop(session.pk, 90, wh)
    settle_session(session_id=session.pk)


REFUSED = Outcome(
    [("refused", CAPTURED.charged * 0)],
    [("card", CAPTURED.charged, "retrying")],
    charged=CAPTURED.charged * 0,
    posted=CAPTURED.charged * 0,
    owed=CAPTURED.charged,
)


@pytest.mark.parametrize(
    ("card", "step", "wh", "expected", "fewest_writes"),
    [
        ("visa", place, SIX_TWENTY_WH, CAPTURED, 4),
        ("answer_lost", place, SIX_TWENTY_WH, CAPTURED, 3),
        ("insufficient_funds", place, SIX_TWENTY_WH, REFUSED, 4),
        ("visa", let_go, "0", None, 3),
    ],
)
def test_a_hold_survives_a_kill_before_every_write(
    card: str, step: Callable[[ChargingSession], None], wh: str, expected: Outcome | None, fewest_writes: int
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number += 1
        with time_machine.travel(NOON, tick=False) as now:
            stand, session = start(card)
            if step is place:
                was_killed = kill_before(number, lambda session=session: step(session))  # type: ignore[misc]
                now.move_to(NOON + timedelta(seconds=90))
                catch_up()
            else:
                work_off_queue()
            now.move_to(NOON + timedelta(minutes=95))
            settled(stand, session, wh)
            if step is not place:
                was_killed = kill_before(number, lambda session=session: step(session))  # type: ignore[misc]
            for _ in range(3):
                now.shift(timedelta(minutes=6))
                catch_up()
            found = outcome(session)
            if expected is None:
                assert (number, found.holds, found.charged) == (number, [("released", 0)], 0)
            else:
                assert (number, found) == (number, expected)
    assert number > fewest_writes
