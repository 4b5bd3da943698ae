"""What each mail about payments says, to the cent and the minute."""

from datetime import timedelta

import pytest
import time_machine

from accounts.models import Driver
from accounts.services.profile import change_profile
from billing.models import DriverMail, FundingLeg
from billing.providers.fake import bank
from billing.services.payment_sweep import reread_payment
from billing.services.payments import collect_leg
from tests.billing.mails.world import html_of, only_mail, outbox, states
from tests.billing.payments.held import catch_up, preauth_stand, requested, started
from tests.billing.payments.world import NOON, last_payment, owe, save_card, work_off_queue
from tests.factories import ContractFactory, DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    driver: Driver = DriverFactory()
    ContractFactory(driver=driver)
    return driver


def collected(driver: Driver, amount: str = "6.20") -> FundingLeg:
    """A session of 21 October that costs `amount` is charged at noon on 20 November; its mails are sent."""
    leg: FundingLeg = owe(driver, amount)
    session = leg.cdr.charging_session
    session.started_at = NOON - timedelta(days=30)
    session.save(update_fields=["started_at"])
    collect_leg(leg_id=leg.pk)
    work_off_queue()
    return leg


class TestPaymentFailed:
    @time_machine.travel(NOON, tick=False)
    def test_it_says_what_why_which_attempt_and_what_next(self, ada: Driver) -> None:
        save_card(ada, "insufficient_funds")
        leg = collected(ada)

        message = only_mail()
        assert (message.to, message.subject) == ([ada.email], "Your payment of 6.20 € was not made")
        assert message.body == (
            "Hello Ada,\n\n"
            "your charging session at Harbour, 21 Oct 2026, 14:00, could not be paid. Amount: 6.20 €. "
            "Card: Visa •9995. Attempt: 1.\n\n"
            "There was not enough money on the card. This may be different another time.\n\n"
            "We try again on 20 Nov 2026, 14:00. You can also pay now, or add another card: it is charged at once.\n\n"
            "Pay now or change the card:\nhttp://127.0.0.1:8000/cards/\n\n"
            "Voltledger\n"
        )
        html = html_of(message)
        assert "Amount: 6.20 €. Card: Visa •9995. Attempt: 1." in html
        assert 'href="http://127.0.0.1:8000/cards/"' in html

        collect_leg(leg_id=leg.pk, is_early=True)
        work_off_queue()
        assert "Attempt: 2." in outbox()[1].body
        assert "We try again on 21 Nov 2026, 13:00." in outbox()[1].body
        assert states() == [("payment_failed", "sent")] * 2

    def test_a_card_refused_for_good_is_told_when_there_is_no_other(self, ada: Driver) -> None:
        save_card(ada, "stolen_card")
        collected(ada)
        body = only_mail().body
        assert "The card is reported stolen. This card is not used again." in body
        assert "We do not try this card again by ourselves. Please pay now, or add another card" in body

    def test_with_another_card_that_pays_there_is_nothing_to_tell(self, ada: Driver) -> None:
        save_card(ada, "stolen_card")
        save_card(ada)
        collected(ada)
        assert outbox() == []

    def test_it_is_in_the_drivers_language_of_amounts(self, ada: Driver) -> None:
        change_profile(driver_id=ada.pk, values={"language": "de"})
        save_card(ada, "insufficient_funds")
        collected(ada, "1006.20")
        assert "1.006,20 €" in only_mail().body

    def test_paid_before_it_is_sent_it_is_dropped(self, ada: Driver) -> None:
        save_card(ada, "insufficient_funds")
        leg = owe(ada)
        collect_leg(leg_id=leg.pk)
        bank.change_card(card_reference=ada.payment_methods.get().provider_reference, test_card="visa")
        collect_leg(leg_id=leg.pk, is_early=True)
        work_off_queue()
        assert (outbox(), states()) == ([], [("payment_failed", "dropped")])


class TestActionRequired:
    def test_the_banks_page_is_mailed_once(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        leg = collected(ada)
        payment = last_payment(leg)
        reread_payment(payment_id=payment.pk)
        work_off_queue()

        message = only_mail()
        assert message.subject == "Please confirm your payment of 6.20 €"
        assert (
            "your bank wants you to confirm a payment of 6.20 € for your charging session at Harbour, "
            "21 Oct 2026, 14:00." in message.body
        )
        assert f"Confirm at your bank:\n{payment.action_url}\n" in message.body

    def test_confirmed_before_it_is_sent_it_is_dropped(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        leg = owe(ada)
        collect_leg(leg_id=leg.pk)
        payment = last_payment(leg)
        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)
        reread_payment(payment_id=payment.pk)
        work_off_queue()
        assert (outbox(), states()) == ([], [("action_required", "dropped")])

    def test_a_hold_to_confirm_is_mailed_too(self) -> None:
        with time_machine.travel(NOON, tick=False):
            stand = preauth_stand("confirm_each")
            session = started(stand)
            work_off_queue()
            hold = session.holds.get()
        message = only_mail()
        assert message.subject == "Please confirm that 25.00 € may be held"
        assert hold.action_url in message.body


class TestHoldReleased:
    def released(self, driver_values: dict[str, bool]) -> None:
        """Requested at noon, never plugged in: what was held goes back within minutes."""
        with time_machine.travel(NOON, tick=False) as clockwork:
            stand = preauth_stand("visa")
            change_profile(driver_id=stand.contract.driver_id, values=driver_values)
            requested(stand)
            work_off_queue()
            clockwork.shift(timedelta(minutes=3))
            catch_up()
            catch_up()

    def test_the_driver_hears_that_it_is_free_again(self) -> None:
        self.released({})
        message = only_mail()
        assert message.subject == "25.00 € on your card are free again"
        assert "25.00 € had been held on Visa •4242 for your charging session at" in message.body
        assert "Nothing of it was needed, and it is released." in message.body

    def test_who_does_not_want_such_mails_gets_none(self) -> None:
        self.released({"wants_notices_by_mail": False})
        assert (outbox(), states()) == ([], [("hold_released", "dropped")])
        assert DriverMail.objects.get().note == "The customer does not want mails of this kind."
