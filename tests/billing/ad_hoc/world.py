"""Somebody nobody knows stands at Ada's connector: 0.40 €/kWh net plus 19 % VAT, 25.00 to be held."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.models import AdHocSession, ChargingSession, FundingLeg, Hold, LedgerEntry
from billing.providers.fake import bank
from billing.providers.fake.cards import OnSave, card_named
from billing.providers.registry import get_provider
from billing.services.ad_hoc import agree, card_page, offer_at, take_card
from billing.services.books import assert_books
from billing.services.payment_sweep import sweep_payments
from billing.tasks import sweep
from common import clock
from locations.models import Connector
from tests.billing.payments.held import look
from tests.billing.payments.world import GOOD_UNTIL, charged_at_bank, work_off_queue
from tests.billing.sessions.conftest import Stand

RETURN_URL = "http://testserver/pay/ad-hoc/x/card/"


def agreed(connector: Connector, **values: Any) -> AdHocSession:
    """The visitor takes the offer the page shows now."""
    connector = Connector.objects.select_related("charge_point__location").get(pk=connector.pk)
    digest = offer_at(connector=connector, at=clock.now()).digest
    return agree(connector_id=connector.pk, **{"digest": digest, **values})


def card_left(order: AdHocSession, card: str = "visa") -> str:
    """The visitor leaves a card on the provider's page; the setup's reference."""
    reference = card_page(order=order, return_url=RETURN_URL).rstrip("/").rpartition("/")[2]
    if bank.enter_card(setup_reference=reference, card=card_named(card), expires_on=GOOD_UNTIL) is OnSave.CONFIRM:
        bank.confirm_setup(setup_reference=reference, is_confirmed=True)
    return reference


def come_back(reference: str) -> AdHocSession | None:
    provider = get_provider()
    return take_card(provider=provider, setup=provider.fetch_setup(reference))


def paid(connector: Connector, card: str = "visa", **values: Any) -> AdHocSession:
    """Agreed, card left, come back; nobody has asked the bank yet."""
    order = agreed(connector, **values)
    come_back(card_left(order, card))
    order.refresh_from_db()
    return order


def session_of(order: AdHocSession) -> ChargingSession:
    order.refresh_from_db()
    assert order.charging_session is not None
    return order.charging_session


def charging(stand: Stand, card: str = "visa", **values: Any) -> AdHocSession:
    """The bank has agreed and the charge point has started, at noon."""
    order = paid(stand.connector, card, **values)
    work_off_queue()
    stand.start(id_tag=session_of(order).id_tag, request_id=session_of(order).pk)
    return order


def catch_up() -> None:
    """What workers and gateways do within a minute or two."""
    work_off_queue()
    look()
    sweep()
    sweep_payments(clock.now())
    sweep()
    work_off_queue()


@dataclass(frozen=True)
class Outcome:
    status: str
    holds: list[tuple[str, Decimal]]
    legs: list[tuple[str, Decimal, str]]
    charged: Decimal
    owed: Decimal
    card: str


def outcome(order: AdHocSession) -> Outcome:
    """How it stands. Proves the books on the way, and that the bank holds nothing we call finished."""
    session = session_of(order)
    session.refresh_from_db()
    holds = Hold.objects.filter(charging_session=session).order_by("pk")
    for hold in holds:
        found = bank.find_payment(key=hold.idempotency_key, reference="")
        assert (found is not None and found.state == "held") == (hold.status == Hold.Status.ACTIVE)
    assert_books()
    return Outcome(
        session.status,
        [(hold.status, hold.captured_amount) for hold in holds],
        [(leg.source, leg.amount, leg.state) for leg in FundingLeg.objects.filter(cdr__charging_session=session)],
        charged_at_bank(str(session.public_id)),
        owed(),
        order.method.status,
    )


def owed() -> Decimal:
    entries = LedgerEntry.objects.filter(account__code="receivable_ad_hoc")
    return sum((entry.amount if entry.side == "debit" else -entry.amount for entry in entries), Decimal(0))
