"""What a wallet may need after a session was settled. Called by the task of the settlement, never inside it."""

from billing.models import ChargingSession
from billing.services.auto_top_up_asking import ask_for_auto_top_up
from billing.services.low_balance import mail_low_balance
from common import clock


def look_after_wallet(*, session_id: int) -> None:
    """Have the wallet of a settled session's driver topped up where that was agreed, or tell that it runs low."""
    session = ChargingSession.objects.filter(
        pk=session_id, driver__isnull=False, contract__contract_type__wallet_use="only"
    ).first()
    if session is not None and session.driver_id is not None:
        ask_for_auto_top_up(session.driver_id, clock.now())
        mail_low_balance(driver_id=session.driver_id)
