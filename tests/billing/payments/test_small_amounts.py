"""Below 0.50 € no card is charged: such amounts wait, go along with what comes, and block nobody."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django import Settings

from accounts.models import Driver
from billing.errors import LegUnderWay
from billing.models import ChargingSession, FundingLeg, Payment, Refund
from billing.providers.fake import bank
from billing.providers.registry import least_charge
from billing.providers.stripe.provider import StripeProvider
from billing.selectors.debts import is_enough_together
from billing.selectors.payments import collection_of, open_debt
from billing.services.books import assert_books
from billing.services.debts import retry_open_debt
from billing.services.methods import MethodInUse, remove_method
from billing.services.payment_sweep import reread_payment, sweep_payments
from billing.services.payments import collect_leg
from billing.services.refunds import refund_session
from billing.services.settlement import settle_session
from billing.services.write_offs import write_off_leg
from common import clock
from config.selectors.refund_words import refunds_shown
from tests.billing.factories import EndedSessionFactory
from tests.billing.ledger.test_races import race
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.world import NOON, last_payment, owe, owed_by, save_card, work_off_queue
from tests.billing.refunds.world import billed_session
from tests.billing.wallets.world import broken, cleared, taken_at_bank
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Decimal(0)


def states(*legs: FundingLeg) -> list[str]:
    return [FundingLeg.objects.get(pk=leg.pk).state for leg in legs]


def sessions_paid(*legs: FundingLeg) -> list[str]:
    found = ChargingSession.objects.in_bulk([leg.cdr.charging_session_id for leg in legs])
    return [found[leg.cdr.charging_session_id].payment_status for leg in legs]


def money() -> tuple[Decimal, Decimal]:
    """What the bank took, and what our books say it took."""
    return taken_at_bank(), cleared()


def everything_holds() -> None:
    # The sessions of these tests are written straight to the tables, without their VAT.
    assert set(broken()) <= {"postings_are_the_cdr", "cdr_totals_agree"}


def test_one_waits_says_so_and_is_not_asked_of_the_bank(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada, "0.30")

    assert collect_leg(leg_id=leg.pk) is None
    assert collect_leg(leg_id=leg.pk, is_early=True) is None
    assert sweep_payments(clock.now() + timedelta(minutes=5)) == 0

    told = collection_of(leg.pk)
    assert (told.waits_for_more, told.attempts, told.next_attempt_at) == (True, 0, None)
    assert told.reason == "A card is not charged less than 0.50\xa0€. This is charged together with what comes next."
    assert (states(leg), money(), Payment.objects.count()) == (["due"], (NOTHING, NOTHING), 0)


def test_it_ties_nobody_to_a_card(ada: Driver) -> None:
    card = save_card(ada)
    owe(ada, "0.30")
    second = owe(ada, "0.30")
    with pytest.raises(MethodInUse):
        remove_method(driver_id=ada.pk, method_id=card.pk)
    write_off_leg(leg_id=second.pk, actor_id=None, reason="goodwill")
    assert remove_method(driver_id=ada.pk, method_id=card.pk).status == "removed"


def test_the_minimum_is_the_providers_or_the_installations_where_that_is_more(settings: Settings) -> None:
    assert [least_charge(currency) for currency in ("EUR", "SEK", "XXX")] == [Decimal("0.50"), Decimal(3), NOTHING]
    settings.PAYMENT_MINIMUMS = {"EUR": Decimal("1.00"), "SEK": Decimal(1)}
    assert [least_charge(currency) for currency in ("EUR", "SEK")] == [Decimal("1.00"), Decimal(3)]
    settings.PAYMENT_MINIMUMS = {}
    assert StripeProvider.least_charge(StripeProvider.__new__(StripeProvider), "GBP") == Decimal("0.30")


def test_two_that_reach_the_minimum_together_are_one_charge(ada: Driver) -> None:
    save_card(ada)
    first, second = owe(ada, "0.30"), owe(ada, "0.20")
    assert not is_enough_together([first])
    assert is_enough_together([first, second])

    payment = collect_leg(leg_id=second.pk)

    assert payment is not None
    assert (payment.amount, payment.funding_leg, payment.status) == (Decimal("0.50"), second, "succeeded")
    assert (states(first, second), sessions_paid(first, second)) == (["paid", "paid"], ["paid", "paid"])
    assert (money(), owed_by(ada.pk), open_debt(ada.pk)) == ((Decimal("0.50"), Decimal("0.50")), NOTHING, [])
    everything_holds()


def test_a_larger_one_takes_them_along(ada: Driver) -> None:
    save_card(ada)
    small, somebody_elses = owe(ada, "0.30"), owe(DriverFactory(), "0.30")
    collect_leg(leg_id=small.pk)
    large = owe(ada, "6.20")

    collect_leg(leg_id=large.pk)

    assert states(small, large, somebody_elses) == ["paid", "paid", "due"]
    assert money() == (Decimal("6.50"), Decimal("6.50"))
    everything_holds()


def test_the_sweep_takes_up_small_ones_whose_task_was_lost(ada: Driver) -> None:
    save_card(ada)
    legs = [owe(ada, "0.30"), owe(ada, "0.30")]
    alone = DriverFactory()
    save_card(alone)
    owe(alone, "0.30")
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        assert sweep_payments(clock.now()) == 1
        assert sweep_payments(clock.now()) == 0
    assert (states(*legs), money()) == (["paid", "paid"], (Decimal("0.60"), Decimal("0.60")))


@time_machine.travel(NOON, tick=False)
def test_declined_they_wait_again_and_go_along_with_the_retry(ada: Driver) -> None:
    card = save_card(ada, "insufficient_funds")
    small, large = owe(ada, "0.30"), owe(ada, "6.20")
    collect_leg(leg_id=large.pk)
    assert states(small, large) == ["due", "retrying"]
    assert open_debt(ada.pk)[0].waits_for_more
    bank.change_card(card_reference=card.provider_reference, test_card="visa")

    collect_leg(leg_id=large.pk, is_early=True)

    assert states(small, large) == ["paid", "paid"]
    assert [payment.amount for payment in large.payments.order_by("attempt")] == [Decimal("6.50"), Decimal("6.50")]
    assert money() == (Decimal("6.50"), Decimal("6.50"))
    everything_holds()


def test_one_that_is_left_too_small_for_its_retry_waits_again(ada: Driver) -> None:
    """0.30 and 0.30 were declined together; 6.20 then takes the second along, so the first is alone."""
    with time_machine.travel(NOON, tick=False) as clockwork:
        card = save_card(ada, "insufficient_funds")
        other, first = owe(ada, "0.30"), owe(ada, "0.30")
        collect_leg(leg_id=first.pk)
        bank.change_card(card_reference=card.provider_reference, test_card="visa")
        large = owe(ada, "6.20")
        collect_leg(leg_id=large.pk)
        assert states(other, first, large) == ["paid", "retrying", "paid"]
        clockwork.shift(timedelta(hours=1))
        assert sweep_payments(clock.now()) == 1
        assert states(first) == ["due"]
        assert collection_of(first.pk).waits_for_more
        clockwork.shift(timedelta(hours=1))
        assert sweep_payments(clock.now()) == 0
    assert money() == (Decimal("6.50"), Decimal("6.50"))
    everything_holds()


class TestConfirmation:
    def waiting(self, ada: Driver) -> tuple[FundingLeg, FundingLeg]:
        save_card(ada, "confirm_each")
        small, large = owe(ada, "0.30"), owe(ada, "6.20")
        collect_leg(leg_id=large.pk)
        assert states(small, large) == ["requires_action", "requires_action"]
        return small, large

    def test_they_wait_for_it_together(self, ada: Driver) -> None:
        small, large = self.waiting(ada)
        payment = last_payment(large)
        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)
        for _repeat in range(2):
            reread_payment(payment_id=payment.pk)
        assert (states(small, large), money()) == (["paid", "paid"], (Decimal("6.50"), Decimal("6.50")))
        everything_holds()

    def test_a_new_card_pays_both_once(self, ada: Driver) -> None:
        small, large = self.waiting(ada)
        new = save_card(ada)
        work_off_queue()
        assert new.payments.filter(status="succeeded").count() == 1
        assert (states(small, large), money()) == (["paid", "paid"], (Decimal("6.50"), Decimal("6.50")))
        everything_holds()

    def test_the_late_yes_of_a_payment_called_off_goes_back(self, ada: Driver) -> None:
        small, large = self.waiting(ada)
        waiting = last_payment(large)
        save_card(ada)
        # Nothing confirms it any more at this bank, so what a slower one might do is done by hand.
        bank.answer_bank(payment_reference=waiting.provider_reference, is_confirmed=True)
        work_off_queue()
        assert states(small, large) == ["paid", "paid"]
        assert owed_by(ada.pk) == NOTHING
        everything_holds()


class TestRefunds:
    """10.20, of which the wallet pays all but 0.30; then 10.20 by card."""

    def sessions(self, card: str) -> tuple[FundingLeg, FundingLeg]:
        first = billed_session(wallet="9.90", card=card)
        second = EndedSessionFactory(contract=first.contract)
        settle_session(session_id=second.pk)
        small, large = first.cdr.legs.get(source="card"), second.cdr.legs.get(source="card")
        assert collect_leg(leg_id=small.pk) is None
        payment = collect_leg(leg_id=large.pk)
        assert (small.amount, payment.amount) == (Decimal("0.30"), Decimal("10.50"))
        return small, large

    def test_each_goes_back_through_the_payment_that_took_both(self) -> None:
        small, large = self.sessions("visa")
        assert_books()
        for leg in (small, large):
            refund_session(
                session_id=leg.cdr.charging_session_id,
                reason="broken",
                idempotency_key=f"refund:{leg.pk}",
                by_leg={leg.pk: leg.amount},
            )
        work_off_queue()
        assert list(Refund.objects.order_by("pk").values_list("payment__funding_leg", "amount", "status")) == [
            (large.pk, Decimal("0.30"), "succeeded"),
            (large.pk, Decimal("10.20"), "succeeded"),
        ]
        assert (states(small, large), cleared()) == (["refunded", "refunded"], NOTHING)
        assert [refunds_shown(leg.cdr)[0].parts[0].words for leg in (small, large)] == ["to the card Visa •4242"] * 2
        assert_books()

    def test_not_while_they_are_being_charged(self) -> None:
        small, large = self.sessions("answered_later")
        with pytest.raises(LegUnderWay):
            refund_session(session_id=small.cdr.charging_session_id, reason="broken", idempotency_key="refund")
        assert states(small, large) == ["attempting", "attempting"]


def test_what_a_wallet_driver_owes_goes_along_when_they_pay(ada: Driver) -> None:
    save_card(ada)
    small, large = owe(ada, "0.30", source="debt"), owe(ada, "6.20", source="debt")
    assert retry_open_debt(driver_id=ada.pk)[0].amount == Decimal("6.50")
    assert states(small, large) == ["paid", "paid"]


def test_killed_before_any_write_both_are_charged_once() -> None:
    number = 1
    while True:
        driver = DriverFactory()
        save_card(driver)
        small, large = owe(driver, "0.30"), owe(driver, "6.20")
        before = taken_at_bank()
        was_killed = kill_before(number, lambda leg_id=large.pk: collect_leg(leg_id=leg_id))  # type: ignore[misc]
        for _repeat in range(2):
            sweep_payments(clock.now() + timedelta(minutes=5))
        assert (number, states(small, large)) == (number, ["paid", "paid"])
        assert (taken_at_bank() - before, owed_by(driver.pk)) == (Decimal("6.50"), NOTHING)
        if not was_killed:
            break
        number += 1
    assert number > 8
    everything_holds()


@pytest.mark.postgresql
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
class TestManyAtOnce:
    THREADS = 8

    def test_each_leg_is_charged_once(self, ada: Driver) -> None:
        save_card(ada)
        legs = [owe(ada, "0.30") for _leg in range(self.THREADS)]
        outcomes = race(lambda index: collect_leg(leg_id=legs[index].pk), self.THREADS)
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        assert set(states(*legs)) == {"paid"}
        assert money() == (Decimal("2.40"), Decimal("2.40"))
        everything_holds()

    def test_control_without_the_lock_a_small_leg_goes_along_with_each(self, ada: Driver) -> None:
        save_card(ada)
        small = owe(ada, "0.30")
        large = [owe(ada, "6.20") for _leg in range(self.THREADS)]
        have_read = threading.Barrier(self.THREADS)
        asked = []

        def without_lock(index: int) -> None:
            along = FundingLeg.objects.filter(state="due", amount__lt=Decimal("0.50"), pk=small.pk)
            amount = large[index].amount + sum(leg.amount for leg in along)
            have_read.wait(timeout=30)
            along.update(state="attempting")
            asked.append(amount)

        race(without_lock, self.THREADS)
        assert sum(asked) > self.THREADS * Decimal("6.20") + Decimal("0.30")
