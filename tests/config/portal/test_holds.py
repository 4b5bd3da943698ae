"""Holds on cards as people see them: in words, on the session's pages, and how much is held set in the portal."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import Hold, HoldPolicy
from billing.services.card_holds import place_card_hold
from config.selectors.hold_words import hold_words, not_reserved_words, reserved_on_cards
from tests.billing.payments.held import SIX_TWENTY_WH, preauth_stand, started
from tests.billing.payments.world import work_off_queue
from tests.billing.sessions.conftest import NOON
from tests.config.portal.staff import browser_of, member
from tests.factories import ConnectorFactory, DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("status", "changes", "words"),
    [
        ("asked", {}, "25.00\xa0€: the bank is being asked"),
        ("requires_action", {}, "25.00\xa0€: your bank wants you to confirm"),
        ("active", {}, "25.00\xa0€ reserved"),
        ("active", {"release_asked_at": NOON}, "25.00\xa0€ reserved, being released"),
        ("captured", {"captured_amount": Decimal("6.20")}, "25.00\xa0€ reserved, 6.20\xa0€ taken, the rest released"),
        ("captured", {"captured_amount": Decimal("25.00")}, "25.00\xa0€ reserved and taken"),
        ("released", {"release_asked_at": NOON}, "25.00\xa0€ released, nothing taken"),
        ("expired", {}, "25.00\xa0€ no longer reserved: its time was over"),
        ("refused", {}, "25.00\xa0€ refused by the bank"),
        # Asked to be let go and refused meanwhile: nothing is being released any more.
        ("refused", {"release_asked_at": NOON}, "25.00\xa0€ refused by the bank"),
    ],
)
def test_every_state_of_a_hold_has_its_words(status: str, changes: dict, words: str) -> None:
    hold = Hold(amount=Decimal("25.00"), status=status, **{"captured_amount": Decimal(0), **changes})
    assert hold_words(hold, "EUR") == words


def test_a_session_tells_its_driver_and_the_operator_what_is_held() -> None:
    with time_machine.travel(NOON, tick=False) as now:
        stand = preauth_stand("visa")
        session = started(stand)
        place_card_hold(hold_id=session.holds.get().pk)
        held = reserved_on_cards(session)
        assert [(part.words, part.card, part.until) for part in held] == [
            ("25.00\xa0€ reserved", "Visa •4242", NOON + timedelta(days=7))
        ]
        driver = Client()
        driver.force_login(stand.contract.driver.user)
        site = reverse("session_detail", args=[session.public_id])
        assert "25.00\xa0€ reserved" in driver.get(site).content.decode()
        now.shift(timedelta(hours=6))
        stand.stop(session.pk, 360, SIX_TWENTY_WH)
        work_off_queue()
        taken = "25.00\xa0€ reserved, 6.20\xa0€ taken, the rest released"
        assert taken in driver.get(site).content.decode()
        portal = reverse("admin:billing_chargingsession_change", args=[session.pk])
        assert taken in browser_of("Support").get(portal).content.decode()

    stranger = Client()
    stranger.force_login(DriverFactory(user__email="eve@example.org").user)
    assert stranger.get(site).status_code == 404
    assert stranger.get(portal, follow=True).status_code == 403
    assert Client().get(portal).status_code == 302


def test_a_confirmation_is_offered_only_while_it_helps() -> None:
    with time_machine.travel(NOON, tick=False) as now:
        stand = preauth_stand("confirm_each")
        session = started(stand)
        work_off_queue()
        assert reserved_on_cards(session)[0].action_url
        now.shift(timedelta(minutes=5))
        stand.stop(session.pk, 5, "500")
        session.refresh_from_db()
        assert reserved_on_cards(session)[0].action_url == ""


def test_a_refused_hold_says_what_to_do() -> None:
    stand = preauth_stand("insufficient_funds")
    session = started(stand)
    work_off_queue()
    session.refresh_from_db()
    assert "Your bank did not agree to reserve the amount." in not_reserved_words(session)
    session.stop_request_reason = ""
    assert not_reserved_words(session) == ""


class TestPolicies:
    ADD = reverse("admin:billing_holdpolicy_add")
    LIST = reverse("admin:billing_holdpolicy_changelist")

    def form(self, **values: object) -> dict[str, object]:
        empty = {"connector": "", "location": "", "tariff": "", "power_class": "", "channel": ""}
        return {**empty, "amount": "30", "currency": "EUR", **values}

    def test_finance_says_how_much_is_held_and_the_audit_trail_knows(self) -> None:
        fina = browser_of("Finance")
        location = ConnectorFactory().charge_point.location
        assert "The nearest place wins" in fina.get(self.ADD).content.decode()
        assert fina.post(self.ADD, self.form()).status_code == 302
        assert fina.post(self.ADD, self.form(location=location.pk, channel="app", amount="45")).status_code == 302
        page = fina.get(self.LIST).content.decode()
        for words in ("The whole network", "all ways", location.name, "App or site", "45.00\xa0€"):
            assert words in page
        policy = HoldPolicy.objects.get(location=location)
        fina.post(reverse("admin:billing_holdpolicy_change", args=[policy.pk]), self.form(location=location.pk))
        policy.refresh_from_db()
        assert (policy.amount, policy.channel) == (Decimal(30), "")
        actions = AuditEvent.objects.filter(subject_type="billing.holdpolicy").order_by("pk")
        assert [event.action for event in actions] == ["row_added", "row_added", "row_changed"]
        assert {event.actor for event in actions} == {member(fina)}

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"amount": "0"}, "Hold an amount above zero."),
            ({"amount": "9.999"}, "Use whole cents."),
            ({}, "There is an amount for this already."),
        ],
    )
    def test_what_cannot_be_is_refused_with_words(self, values: dict[str, object], words: str) -> None:
        HoldPolicy.objects.create(amount=25)
        answer = browser_of("Finance").post(self.ADD, self.form(**values))
        assert (answer.status_code, words in answer.content.decode()) == (200, True)
        assert HoldPolicy.objects.count() == 1

    def test_several_places_are_refused(self) -> None:
        connector = ConnectorFactory()
        values = self.form(connector=connector.pk, location=connector.charge_point.location_id)
        answer = browser_of("Finance").post(self.ADD, values).content.decode()
        assert "Choose a connector, a location or a tariff, not several; none for all." in answer

    @pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
    def test_who_may_not_set_it_cannot(self, role: str) -> None:
        client = browser_of(role)
        assert client.post(self.ADD, self.form()).status_code == 403
        assert not HoldPolicy.objects.exists()
