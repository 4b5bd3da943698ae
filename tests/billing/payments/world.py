"""What these tests are about: Ada, her cards at the fake bank, and sessions she owes money for."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module

from django.db import transaction
from django_q.models import OrmQ

from accounts.models import Driver
from billing.domain.postings import credit, debit, receivable, system
from billing.models import (
    Cdr,
    ChargingSession,
    FakeProviderObject,
    FundingLeg,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    PaymentMethod,
)
from billing.providers.fake import bank
from billing.providers.fake.cards import OnSave, card_named
from billing.providers.registry import get_provider
from billing.services import ledger, methods
from tests.factories import ConnectorFactory

RETURN_URL = "http://testserver/pay/methods/added/"
GOOD_UNTIL = date(2040, 12, 31)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

_starts = itertools.count()


def save_card(driver: Driver, card: str = "visa", *, expires_on: date = GOOD_UNTIL) -> PaymentMethod:
    """The driver saves a test card on the hosted page and comes back."""
    page = methods.start_setup(driver_id=driver.pk, return_url=RETURN_URL)
    reference = page.rstrip("/").rpartition("/")[2]
    if bank.enter_card(setup_reference=reference, card=card_named(card), expires_on=expires_on) is OnSave.CONFIRM:
        bank.confirm_setup(setup_reference=reference, is_confirmed=True)
    method = methods.adopt_setup(provider=get_provider(), reference=reference, driver_id=driver.pk)
    assert method is not None
    return method


@transaction.atomic
def owe(driver: Driver, amount: str = "6.20", *, source: str = FundingLeg.Source.CARD) -> FundingLeg:
    """A session that ended, was rated and posted, with one leg that is still to be paid."""
    owed = Decimal(amount)
    connector = ConnectorFactory()
    started_at = NOON - timedelta(days=30) + timedelta(minutes=next(_starts))
    session = ChargingSession.objects.create(
        charge_point=connector.charge_point,
        connector=connector,
        driver=driver,
        currency="EUR",
        status=ChargingSession.Status.ENDED,
        outcome=ChargingSession.Outcome.BILLED,
        payment_status=ChargingSession.PaymentStatus.DUE,
        started_at=started_at,
        stopped_at=started_at + timedelta(hours=1),
        ended_at=started_at + timedelta(hours=1),
        meter_start_wh=0,
        meter_stop_wh=15_000,
    )
    posted = ledger.post(
        idempotency_key=f"session:{session.public_id}:settled",
        event="session_settled",
        occurred_at=session.ended_at,
        currency="EUR",
        postings=[debit(receivable(driver.pk, "EUR"), owed), credit(system("revenue_energy", "EUR"), owed)],
    )
    cdr = Cdr.objects.create(
        charging_session=session,
        ledger_transaction=posted,
        currency="EUR",
        net=owed,
        vat=0,
        gross=owed,
        energy_wh=15_000,
        duration_seconds=3_600,
    )
    return FundingLeg.objects.create(cdr=cdr, seq=1, source=source, amount=owed, state=FundingLeg.State.DUE)


@dataclass(frozen=True)
class Standing:
    """How a leg stands, in every place that knows something of it."""

    leg: str
    session: str
    payments: Sequence[tuple[str, str, str]]
    charged: Decimal
    posted: Decimal
    owed: Decimal


def standing(leg: FundingLeg) -> Standing:
    """`charged` is what the bank took for the leg's session, `posted` what our clearing account says it took."""
    leg = FundingLeg.objects.select_related("cdr__charging_session").get(pk=leg.pk)
    session = leg.cdr.charging_session
    return Standing(
        leg=leg.state,
        session=session.payment_status,
        payments=[
            (payment.status, payment.decline_class, payment.decline_code)
            for payment in leg.payments.order_by("attempt")
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


def charged_at_bank(session_public_id: str) -> Decimal:
    """What the fake bank took for a session, whatever our own books say."""
    return sum(
        (
            Decimal(payment.data["captured"])
            for payment in FakeProviderObject.objects.filter(
                kind="payment", idempotency_key__startswith=f"session:{session_public_id}:"
            )
        ),
        Decimal(0),
    )


def owed_by(driver_id: int | None) -> Decimal:
    """The balance of a driver's receivable."""
    return sum(
        (
            entry.amount if entry.side == "debit" else -entry.amount
            for entry in LedgerEntry.objects.filter(account__code="receivable", account__driver_id=driver_id)
        ),
        Decimal(0),
    )


def paid_postings() -> int:
    return LedgerTransaction.objects.filter(event="card_payment").count()


def last_payment(leg: FundingLeg) -> Payment:
    payment = leg.payments.order_by("-attempt").first()
    assert payment is not None
    return payment


def work_off_queue() -> list[str]:
    """Do what a worker would, oldest task first, until nothing is queued; the names of the functions it ran."""
    ran = []
    while (queued := OrmQ.objects.order_by("pk").first()) is not None:
        task = queued.task
        queued.delete()
        module, _dot, name = task["func"].rpartition(".")
        getattr(import_module(module), name)(*task["args"], **task["kwargs"])
        ran.append(name)
    return ran


def queued() -> list[str]:
    return [task.task["func"].rpartition(".")[2] for task in OrmQ.objects.order_by("pk")]
