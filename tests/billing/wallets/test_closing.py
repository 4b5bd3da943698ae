"""A wallet is closed: cash goes back to its cards, gifts are forfeited, to the cent and once."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Driver
from billing.errors import InsufficientFunds, NothingToPayOut, ReasonMissing, TopUpUnderWay, WalletInUse
from billing.models import FakeProviderObject, Hold, LedgerTransaction, Refund, WalletLot
from billing.services.holds import place_hold
from billing.services.wallet_closing import close_wallet, preview_closing
from billing.services.wallets import adjust_wallet
from common import clock
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.ledger.test_races import race
from tests.billing.payments.world import owed_by, save_card, work_off_queue
from tests.billing.wallets.world import balance, broken, cleared, lots, top_up_of, wallet_driver
from tests.factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    """25.00 and 30.00 from her card, of which 10.00 are spent; 8.00 paid in at the desk, 5.00 given to her."""
    driver = wallet_driver()
    save_card(driver)
    top_up_of(driver, "25.00")
    top_up_of(driver, "30.00")
    adjust_wallet(driver_id=driver.pk, amount=eur("10.00"), reason="spent", idempotency_key="spent")
    fill_wallet(driver, "8.00")
    fill_wallet(driver, "5.00", kind="promo")
    return driver


def close(driver: Driver, *, key: str = "close", reason: str = "moved away") -> LedgerTransaction:
    return close_wallet(
        driver_id=driver.pk, currency="EUR", reason=reason, idempotency_key=key, actor_id=StaffFactory().pk
    )


def given_back_at_bank() -> list[Decimal]:
    rows = FakeProviderObject.objects.filter(kind="refund").order_by("pk")
    return [Decimal(row.data["amount"]) for row in rows]


def test_each_part_goes_where_it_belongs(ada: Driver) -> None:
    plan = preview_closing(driver_id=ada.pk, currency="EUR")
    assert [part for _payment, part in plan.to_cards] == [Decimal("15.00"), Decimal("30.00")]
    assert (plan.by_hand, plan.forfeited, plan.total) == (Decimal("8.00"), Decimal("5.00"), Decimal("58.00"))
    assert balance(ada) == Decimal("58.00")

    close(ada)
    assert (balance(ada), owed_by(ada.pk), {remaining for _, _, remaining in lots(ada)}) == (0, Decimal("-45.00"), {0})
    work_off_queue()

    assert given_back_at_bank() == [Decimal("15.00"), Decimal("30.00")]
    assert (owed_by(ada.pk), cleared()) == (0, Decimal("10.00"))
    event = AuditEvent.objects.get(action="wallet_closed")
    assert (event.reason, event.data["to_cards"], event.data["forfeited"]) == ("moved away", "45.0000", "5.0000")
    assert broken() == []


def test_a_repeat_gives_nothing_back_twice(ada: Driver) -> None:
    assert close(ada) == close(ada)
    work_off_queue()
    with pytest.raises(NothingToPayOut):
        close(ada, key="another")
    assert sum(given_back_at_bank()) == Decimal("45.00")


def test_a_refusal_changes_nothing(ada: Driver) -> None:
    with pytest.raises(ReasonMissing):
        close(ada, reason=" ")
    session = EndedSessionFactory(contract=ada.contracts.get())
    with pytest.raises(WalletInUse):
        close(ada)
    place_hold(
        driver_id=ada.pk,
        session_id=session.pk,
        amount=eur("1.00"),
        expires_at=clock.now() + timedelta(hours=1),
        idempotency_key="hold",
    )
    with pytest.raises(WalletInUse):
        close(ada)
    assert (balance(ada), Refund.objects.count()) == (Decimal("58.00"), 0)


def test_a_top_up_under_way_is_waited_for(ada: Driver) -> None:
    ada.payment_methods.update(is_default=False)
    card = save_card(ada, "confirm_each")
    ada.payment_methods.exclude(pk=card.pk).update(status="removed")
    assert top_up_of(ada).status == "requires_action"
    with pytest.raises(TopUpUnderWay):
        close(ada)


@pytest.mark.postgresql
def test_many_operators_at_once_give_it_back_once(ada: Driver) -> None:
    actor = StaffFactory().pk
    outcomes = race(
        lambda index: close_wallet(
            driver_id=ada.pk, currency="EUR", reason="race", idempotency_key=f"close:{index}", actor_id=actor
        ),
        threads=8,
    )
    assert sum(isinstance(outcome, LedgerTransaction) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, NothingToPayOut) for outcome in outcomes) == 7
    assert sum(Refund.objects.values_list("amount", flat=True)) == Decimal("45.00")
    assert broken() == []


@pytest.mark.postgresql
def test_control_without_the_lock_everybody_pays_out_what_they_read(ada: Driver) -> None:
    """Reads the lots, then empties them: what closing would do without its lock on the wallet."""
    have_read = threading.Barrier(8)

    def without_lock(_index: int) -> Decimal:
        left = dict(WalletLot.objects.filter(account__driver=ada, remaining__gt=0).values_list("pk", "remaining"))
        have_read.wait(timeout=30)
        WalletLot.objects.filter(pk__in=left).update(remaining=0)
        return sum(left.values(), Decimal(0))

    # 58.00 were there.
    assert race(without_lock, threads=8) == [Decimal("58.00")] * 8


@pytest.mark.postgresql
def test_what_is_closed_is_not_reserved_and_what_is_reserved_is_not_closed(ada: Driver) -> None:
    """One closes the wallet of 58.00 while seven want to reserve 10.00 of it."""
    actor = StaffFactory().pk
    session = EndedSessionFactory(contract=ada.contracts.get(), outcome="free", free_rule="no_energy")

    def work(index: int) -> object:
        if index == 0:
            return close_wallet(
                driver_id=ada.pk, currency="EUR", reason="race", idempotency_key="close", actor_id=actor
            )
        return place_hold(
            driver_id=ada.pk,
            session_id=session.pk,
            amount=eur("10.00"),
            expires_at=clock.now() + timedelta(hours=1),
            idempotency_key=f"hold:{index}",
        )

    closing, *holds = race(work, threads=8)
    held = sum(isinstance(outcome, Hold) for outcome in holds)
    assert held + sum(isinstance(outcome, InsufficientFunds) for outcome in holds) == 7
    if isinstance(closing, LedgerTransaction):
        assert (held, balance(ada)) == (0, 0)
    else:
        assert isinstance(closing, WalletInUse)
        assert (held, balance(ada)) == (5, Decimal("58.00"))


def test_the_page_says_first_what_will_happen(ada: Driver) -> None:
    otto = Client()
    otto.force_login(StaffFactory(), backend="django.contrib.auth.backends.ModelBackend")
    address = reverse("admin:accounts_driver_close_wallet", args=[ada.pk])
    form = {"key": "4b1b2f1e-7c1e-4a63-9df6-0a4f4f1b7a10", "reason": "moved away"}
    page = otto.post(address, form).content.decode()
    for amount in ("15.00", "30.00", "8.00", "5.00"):
        assert amount in page
    assert balance(ada) == Decimal("58.00")
    otto.post(address, {**form, "confirmed": "1"})
    assert balance(ada) == 0
    nobody = Client()
    nobody.force_login(UserFactory(is_staff=True), backend="django.contrib.auth.backends.ModelBackend")
    assert nobody.post(address, {**form, "confirmed": "1"}).status_code == 403
