"""When a declined charge is tried again. Pure."""

from datetime import datetime, timedelta

# From the first decline on the same card: one hour, then day 1, 3, 5, 7 and 14. After that it is given up.
RETRY_AFTER = (
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=5),
    timedelta(days=7),
    timedelta(days=14),
)
# However late we are, two attempts are never closer than this: banks count them.
CLOSEST = RETRY_AFTER[0]


def next_attempt(first_declined_at: datetime, declines: int, at: datetime) -> datetime | None:
    """The moment of the next attempt after the `declines`-th decline (>= 1), which came at `at`; None: no more."""
    if declines > len(RETRY_AFTER):
        return None
    return max(first_declined_at + RETRY_AFTER[declines - 1], at + CLOSEST)


# How long an unanswered payment is left alone before the provider is asked about it, and how far that may stretch.
REREAD_SOONEST = timedelta(minutes=1)
REREAD_LATEST = timedelta(hours=1)


def next_reread(created_at: datetime, at: datetime) -> datetime:
    """When to ask about an open payment next: as long again as it has been open, within a minute and an hour."""
    return at + min(max(at - created_at, REREAD_SOONEST), REREAD_LATEST)


# A refund the provider could not make is tried again this long after each failure; after that a person decides.
REFUND_RETRY_AFTER = (timedelta(days=1), timedelta(days=3), timedelta(days=7))


def next_refund_attempt(attempt: int, at: datetime) -> datetime | None:
    """The moment of the next attempt after the `attempt`-th (>= 1) failed at `at`; None: no more by itself."""
    return at + REFUND_RETRY_AFTER[attempt - 1] if attempt <= len(REFUND_RETRY_AFTER) else None
