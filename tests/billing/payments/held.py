"""Ada pays by an amount held on her card: 25.00 at an 11 kW connector, 0.40 €/kWh net plus 19 % VAT."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.models import ChargingSession, FakeProviderObject, FundingLeg, Hold, LedgerEntry
from billing.services.books import assert_books
from billing.services.payment_sweep import sweep_payments
from billing.services.sessions import request_start
from billing.tasks import sweep
from common import clock
from ocpp_gateway.services.decisions import follow_decisions
from tests.billing.payments.world import charged_at_bank, owed_by, save_card, work_off_queue
from tests.billing.sessions.conftest import Stand, stand_with

# 13,025 Wh cost 6.20: 5.21 net, 0.99 VAT.
SIX_TWENTY_WH = "13025"
# 60 kWh cost 28.56, which is 3.56 above the hold.
ABOVE_HOLD_WH = "60000"


def preauth_stand(*cards: str, **contract_type: Any) -> Stand:
    """At noon by the clock of the test."""
    stand = stand_with(preauth=True, **contract_type)
    for card in cards:
        save_card(stand.contract.driver, card)
    work_off_queue()
    return stand


def requested(stand: Stand) -> ChargingSession:
    return request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)


def started(stand: Stand) -> ChargingSession:
    """By RFID, at noon; nobody has asked the bank yet."""
    return stand.session(stand.start().session_id)


def later(moment: datetime, **by: float) -> datetime:
    return moment + timedelta(**by)


def look() -> int:
    """What every gateway does each second: ask stations for what was decided; how many were asked."""
    return follow_decisions(now=clock.now())


def catch_up() -> None:
    """What workers and gateways do within a minute or two."""
    work_off_queue()
    look()
    sweep()
    sweep_payments(clock.now())
    work_off_queue()
    look()


@dataclass(frozen=True)
class Outcome:
    """How a session stands: each hold (status, captured), each leg (source, amount, state), and the money."""

    holds: Sequence[tuple[str, Decimal]]
    legs: Sequence[tuple[str, Decimal, str]]
    charged: Decimal
    posted: Decimal
    owed: Decimal


def outcome(session: ChargingSession) -> Outcome:
    """Proves the books on the way, and that the bank holds nothing we call finished."""
    session.refresh_from_db()
    holds = Hold.objects.filter(charging_session=session, source="card").order_by("pk")
    for hold in holds:
        at_bank = FakeProviderObject.objects.filter(idempotency_key=hold.idempotency_key, state="held")
        assert at_bank.exists() == (hold.status == Hold.Status.ACTIVE), (hold.status, at_bank.exists())
    assert_books()
    return Outcome(
        holds=[(hold.status, hold.captured_amount) for hold in holds],
        legs=[
            (leg.source, leg.amount, leg.state)
            for leg in FundingLeg.objects.filter(cdr__charging_session=session).order_by("seq")
        ],
        charged=charged_at_bank(str(session.public_id)),
        posted=sum(
            LedgerEntry.objects.filter(
                account__code="psp_clearing", transaction__reference=str(session.public_id)
            ).values_list("amount", flat=True),
            Decimal(0),
        ),
        owed=owed_by(session.driver_id),
    )


CAPTURED = Outcome(
    [("captured", Decimal("6.20"))],
    [("card", Decimal("6.20"), "paid")],
    charged=Decimal("6.20"),
    posted=Decimal("6.20"),
    owed=Decimal(0),
)
