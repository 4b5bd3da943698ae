"""Background work about sessions and wallets. Each may run twice or be lost: the sweep takes up what was."""

import logging
from collections.abc import Callable

from billing.correction_tasks import SCHEDULES as CORRECTION_SCHEDULES
from billing.mail_tasks import SCHEDULES as MAIL_SCHEDULES
from billing.migration_tasks import SCHEDULES as MIGRATION_SCHEDULES
from billing.payment_tasks import SCHEDULES as PAYMENT_SCHEDULES
from billing.payment_tasks import collect_leg as collect_leg
from billing.replay_tasks import SCHEDULES as REPLAY_SCHEDULES
from billing.services import ad_hoc, books, card_holds, holds, lots, sessions, settlement, wallet_care
from common import clock

log = logging.getLogger(__name__)

# (name, function, minutes between two runs)
SCHEDULES = [
    ("Sessions and wallets: end, settle, expire what is overdue", "billing.tasks.sweep", 1),
    ("Prove the books", "billing.tasks.verify_books", 24 * 60),
    *PAYMENT_SCHEDULES,
    *MAIL_SCHEDULES,
    *CORRECTION_SCHEDULES,
    *REPLAY_SCHEDULES,
    *MIGRATION_SCHEDULES,
]


def settle_session(session_id: int) -> None:
    """A session ended: settle it, then see what its wallet needs."""
    settlement.settle_with_others(session_id=session_id)
    wallet_care.look_after_wallet(session_id=session_id)


def sweep() -> int:
    """Take up what is overdue about sessions, holds and lots; returns how many things were taken up. Safe to repeat."""
    now = clock.now()
    steps: list[Callable[[], int]] = [
        lambda: sessions.close_overdue_sessions(now=now),
        lambda: card_holds.stop_without_hold(now=now),
        lambda: sessions.stop_used_up(now=now),
        lambda: settlement.settle_overdue(now=now),
        lambda: holds.expire_holds(now=now),
        lambda: lots.expire_lots(now=now),
        ad_hoc.sweep_ad_hoc,
    ]
    return sum(step() for step in steps)


def verify_books() -> None:
    """Prove the books every night; raises, and so stands among the failed tasks, when they do not hold."""
    books.assert_books()
