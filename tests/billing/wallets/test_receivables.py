"""What a customer owes beside their sessions, put right by hand."""

from decimal import Decimal

import pytest

from accounts.models import AuditEvent, Driver, User
from billing.errors import AdjustmentTooLarge, ReasonMissing
from billing.models import LedgerTransaction
from billing.selectors.receivables import owed_by
from billing.services.books import assert_books
from billing.services.receivables import adjust_receivable
from common.errors import BadInput, IdempotencyConflict
from tests.billing.factories import eur
from tests.billing.payments.world import owe
from tests.billing.refunds.world import billed_session
from tests.factories import DriverFactory, StaffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> Driver:
    return DriverFactory()


@pytest.fixture
def fina(db: None) -> User:
    return StaffFactory()


def adjust(driver: Driver, fina: User, amount: str, direction: str, key: str = "1", **terms: str) -> LedgerTransaction:
    return adjust_receivable(
        driver_id=driver.pk,
        amount=eur(amount),
        direction=direction,
        **{"settled": "bank_clearing", "reason": "said on the phone", **terms},
        idempotency_key=f"adjust:{key}",
        actor_id=fina.pk,
    )


def test_what_is_owed_beside_sessions_goes_up_and_down(fina: User) -> None:
    ada = billed_session().driver
    adjust(ada, fina, "10.00", "raise")
    assert owed_by(ada.pk, "EUR").beside == Decimal("10.00")
    adjust(ada, fina, "4.00", "lower", "2", settled="promo_expense")
    owed = owed_by(ada.pk, "EUR")
    assert (owed.balance, owed.by_sessions, owed.beside) == (Decimal("16.20"), Decimal("10.20"), Decimal("6.00"))
    events = AuditEvent.objects.filter(action="receivable_adjusted").order_by("pk")
    assert [(event.actor, event.data["amount"], event.data["against"]) for event in events] == [
        (fina, "10.00", "bank_clearing"),
        (fina, "-4.00", "promo_expense"),
    ]
    assert_books()


def test_what_sessions_cost_is_left_to_their_own_pages(ada: Driver, fina: User) -> None:
    owe(ada, "6.20")
    adjust(ada, fina, "1.00", "raise")
    with pytest.raises(AdjustmentTooLarge, match=r"1\.00"):
        adjust(ada, fina, "1.01", "lower", "2")
    assert owed_by(ada.pk, "EUR").balance == Decimal("7.20")
    assert AuditEvent.objects.filter(action="receivable_adjusted").count() == 1


def test_a_repeat_is_the_first_and_other_terms_are_refused(ada: Driver, fina: User) -> None:
    first = adjust(ada, fina, "1.00", "raise")
    assert adjust(ada, fina, "1.00", "raise") == first
    with pytest.raises(IdempotencyConflict):
        adjust(ada, fina, "2.00", "raise")
    adjust(ada, fina, "1.00", "lower", "2")
    # Its repeat finds nothing left to lower, and is the first all the same.
    adjust(ada, fina, "1.00", "lower", "2")
    assert owed_by(ada.pk, "EUR").balance == 0
    assert AuditEvent.objects.filter(action="receivable_adjusted").count() == 2


def test_a_reason_and_whole_cents_are_wanted(ada: Driver, fina: User) -> None:
    with pytest.raises(ReasonMissing):
        adjust(ada, fina, "1.00", "raise", reason=" ")
    for amount in ("0", "-1", "1.001"):
        with pytest.raises(BadInput):
            adjust(ada, fina, amount, "raise")
    assert not LedgerTransaction.objects.exists()
