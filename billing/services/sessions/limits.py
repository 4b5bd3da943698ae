"""What a session that the wallet pays for may cost, and how that grows while money comes in."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.domain.admission import should_warn
from billing.models import ChargingSession
from billing.selectors.wallets import available_in_wallet
from billing.services.sessions.starting import reserve_in_wallet
from common import clock
from common.errors import Refused
from common.locking import lock_row


def extend_limit(session: ChargingSession, now: datetime) -> bool:
    """Reserve more of the wallet for a locked session that needs it: as much again, or whatever is left."""
    if session.driver_id is None or session.spend_limit is None or not session.holds.filter(source="wallet").exists():
        return False
    more = min(available_in_wallet(session.driver_id, session.currency), session.spend_limit)
    if more <= Decimal(0):
        return False
    try:
        reserve_in_wallet(session, more, now=now)
    except Refused:
        return False
    session.spend_limit += more
    session.save(update_fields=["spend_limit"])
    return True


def extend_limits(*, driver_id: int) -> int:
    """Money came into a wallet: let the sessions that near their limits use it; their number. A repeat extends none.

    One that was told to stop already stops. Locks, one session at a time: the ChargingSession, the wallet's account.
    """
    running = ChargingSession.objects.filter(
        driver_id=driver_id,
        status=ChargingSession.Status.ACTIVE,
        spend_limit__isnull=False,
        stop_requested_at__isnull=True,
    )
    return sum(_extend_if_near(session_id) for session_id in list(running.order_by("pk").values_list("pk", flat=True)))


@transaction.atomic
def _extend_if_near(session_id: int) -> bool:
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if session.status != ChargingSession.Status.ACTIVE or session.stop_requested_at is not None:
        return False
    if not should_warn(cost_gross=session.live_gross, limit=session.spend_limit):
        return False
    return extend_limit(session, clock.now())
