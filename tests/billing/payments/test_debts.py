"""A new card pays what is open, oldest first; “Pay now” tries again at once."""

from decimal import Decimal

import pytest
import time_machine

from accounts.models import Driver
from billing.models import FundingLeg, Payment
from billing.providers.fake import bank
from billing.selectors.payments import open_debt
from billing.services.debts import retry_open_debt
from billing.services.payments import collect_leg
from tests.billing.payments.world import NOON, last_payment, owe, owed_by, queued, save_card, standing
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_card_pays_everything_open_oldest_first(ada: Driver) -> None:
    waiting = save_card(ada, "insufficient_funds")
    oldest, middle = owe(ada, "1.00"), owe(ada, "2.00")
    for leg in (oldest, middle):
        collect_leg(leg_id=leg.pk)
    newest = owe(ada, "3.00", source=FundingLeg.Source.DEBT)
    somebody_elses = owe(DriverFactory(), "4.00")
    assert [item.amount.amount for item in open_debt(ada.pk)] == [Decimal("1"), Decimal("2"), Decimal("3")]

    new = save_card(ada, "mastercard")
    made = retry_open_debt(driver_id=ada.pk, method_id=new.pk)

    assert [payment.funding_leg_id for payment in made] == [oldest.pk, middle.pk, newest.pk]
    assert {payment.method_id for payment in made} == {new.pk}
    assert [standing(leg).leg for leg in (oldest, middle, newest)] == ["paid", "paid", "paid"]
    assert owed_by(ada.pk) == 0
    assert open_debt(ada.pk) == []
    assert standing(somebody_elses).leg == "due"
    waiting.refresh_from_db()
    assert waiting.is_default


def test_the_new_card_is_queued_to_do_so(ada: Driver) -> None:
    save_card(ada)

    assert queued().count("retry_open_debt") == 1


def test_a_repeated_task_tries_nothing_twice(ada: Driver) -> None:
    leg = owe(ada)
    new = save_card(ada, "insufficient_funds")

    assert len(retry_open_debt(driver_id=ada.pk, method_id=new.pk)) == 1
    assert retry_open_debt(driver_id=ada.pk, method_id=new.pk) == []
    assert len(standing(leg).payments) == 1


def test_what_was_given_up_is_paid_by_a_new_card(ada: Driver) -> None:
    save_card(ada, "stolen_card")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    assert standing(leg).leg == "uncollectible"

    new = save_card(ada)
    retry_open_debt(driver_id=ada.pk, method_id=new.pk)

    assert new.is_default
    assert standing(leg).leg == "paid"


@time_machine.travel(NOON, tick=False)
def test_a_new_card_has_its_own_schedule(ada: Driver) -> None:
    save_card(ada, "insufficient_funds")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    collect_leg(leg_id=leg.pk, is_early=True)
    assert last_payment(leg).next_attempt_at == NOON.replace(day=21)
    new = save_card(ada, "generic_decline")

    retry_open_debt(driver_id=ada.pk, method_id=new.pk)

    assert last_payment(leg).next_attempt_at == NOON.replace(hour=13)
    assert Payment.objects.filter(next_attempt_at__isnull=False).count() == 1


def test_a_payment_waiting_on_another_card_is_called_off_first(ada: Driver) -> None:
    save_card(ada, "confirm_each")
    leg = owe(ada)
    waiting = collect_leg(leg_id=leg.pk)
    assert waiting is not None
    new = save_card(ada)

    retry_open_debt(driver_id=ada.pk, method_id=new.pk)

    assert standing(leg).payments == [("cancelled", "", ""), ("succeeded", "", "")]
    # The old link confirms nothing any more.
    bank.answer_bank(payment_reference=waiting.provider_reference, is_confirmed=True)
    now = standing(leg)
    assert (now.charged, now.posted, now.owed) == (leg.amount, leg.amount, 0)


def test_a_confirmation_that_was_quicker_is_kept(ada: Driver) -> None:
    save_card(ada, "confirm_each")
    leg = owe(ada)
    waiting = collect_leg(leg_id=leg.pk)
    assert waiting is not None
    bank.answer_bank(payment_reference=waiting.provider_reference, is_confirmed=True)
    new = save_card(ada)

    assert retry_open_debt(driver_id=ada.pk, method_id=new.pk) == []

    assert standing(leg).payments == [("succeeded", "", "")]
    assert standing(leg).charged == leg.amount


def test_nothing_is_called_off_while_the_provider_is_down(ada: Driver) -> None:
    save_card(ada, "confirm_each")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    new = save_card(ada)
    bank.set_outage(True)

    assert retry_open_debt(driver_id=ada.pk, method_id=new.pk) == []

    assert standing(leg).payments == [("requires_action", "", "")]
