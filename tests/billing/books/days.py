"""A day's work and what it leaves behind, and a hand that changes rows behind every guard's back."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection

from billing.domain.postings import credit, debit, receivable, system
from billing.models import (
    Cdr,
    ChargingSession,
    FundingLeg,
    Payment,
)
from billing.services.books import verify
from billing.services.holds import place_hold
from billing.services.ledger import post
from billing.services.legs import mark_leg
from billing.services.lots import expire_lots
from billing.services.settlement import settle_session
from billing.services.wallets import adjust_wallet
from common import clock
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet
from tests.factories import DriverFactory


@dataclass
class Day:
    """What a day leaves behind."""

    billed: list[ChargingSession] = field(default_factory=list)

    @property
    def cdr(self) -> Cdr:
        """Ada's session with 4.00 in the wallet: 4.00 from it and 6.20 by card, paid."""
        return self.billed[0].cdr


def work_a_day() -> Day:
    """Top-ups, an adjustment, an expiry, holds, and sessions of every kind, settled."""
    day = Day()
    credit_session = EndedSessionFactory(contract_type__credit=True)
    fill_wallet(credit_session.driver, "4.00")
    wallet_session = EndedSessionFactory(contract_type__wallet=True)
    fill_wallet(wallet_session.driver, "30.00")
    fill_wallet(wallet_session.driver, "2.00", kind="promo")
    place_hold(
        driver_id=wallet_session.driver_id,
        session_id=wallet_session.pk,
        amount=eur("25.00"),
        expires_at=clock.now() + timedelta(days=2),
        idempotency_key="hold:1",
    )
    card_session = EndedSessionFactory()
    open_session = EndedSessionFactory(contract_type__open_access=True)
    for session in (credit_session, wallet_session, card_session, open_session):
        settle_session(session_id=session.pk)
        day.billed.append(session)
    settle_session(session_id=EndedSessionFactory(used_wh=0).pk)
    settle_session(session_id=EndedSessionFactory(tariff_version=None, tariff_digest="").pk)
    pay_by_card(day.cdr.legs.get(source="card"))
    idle = DriverFactory()
    fill_wallet(idle, "10.00")
    fill_wallet(idle, "5.00", kind="promo", expires_at=NOON)
    adjust_wallet(driver_id=idle.pk, amount=eur("3.00"), reason="entered twice", idempotency_key="adjust:1")
    expire_lots(now=NOON + timedelta(days=1))
    running = EndedSessionFactory(status="active", stopped_at=None, ended_at=None)
    fill_wallet(running.driver, "20.00")
    place_hold(
        driver_id=running.driver_id,
        session_id=running.pk,
        amount=eur("15.00"),
        expires_at=clock.now() + timedelta(days=2),
        idempotency_key="hold:2",
    )
    return day


def pay_by_card(leg: FundingLeg) -> Payment:
    driver = leg.cdr.charging_session.driver
    mark_leg(leg_id=leg.pk, state="attempting")
    mark_leg(leg_id=leg.pk, state="paid")
    posted = post(
        idempotency_key=f"test:leg:{leg.pk}:paid",
        event="card_payment",
        occurred_at=clock.now(),
        currency="EUR",
        postings=[debit(system("psp_clearing", "EUR"), leg.amount), credit(receivable(driver.pk, "EUR"), leg.amount)],
    )
    return Payment.objects.create(
        idempotency_key=f"test:leg:{leg.pk}",
        driver=driver,
        purpose="session",
        funding_leg=leg,
        provider="fake",
        amount=leg.amount,
        currency="EUR",
        status="succeeded",
        finished_at=clock.now(),
        ledger_transaction=posted,
    )


def card_leg(day: Day) -> FundingLeg:
    return day.cdr.legs.get(source="card")


def tamper(sql: str, *parameters) -> None:
    """Change a row behind every guard's back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Pending deferred checks would refuse the ALTER below; they are of honest rows.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            try:
                cursor.execute(sql, parameters)
            finally:
                cursor.execute("SET session_replication_role = DEFAULT")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        try:
            cursor.execute(sql, parameters)
        finally:
            for _, statement in triggers:
                cursor.execute(statement)


def found() -> set[tuple[str, str]]:
    return {(finding.check, finding.row) for finding in verify().errors}
