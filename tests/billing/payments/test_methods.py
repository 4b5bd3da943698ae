"""Saved cards: added through the hosted page, chosen, removed; by their driver alone."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Driver
from billing.models import ChargingSession, FakeProviderObject, PaymentMethod
from billing.providers.base import CardDetails
from billing.providers.fake import bank
from billing.selectors.payments import saved_methods
from billing.services import methods
from billing.services.payments import collect_leg
from tests.billing.payments.world import GOOD_UNTIL, owe, queued, save_card, standing
from tests.factories import ConnectorFactory, DriverFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

CARDS = "/cards/"


def logged_in(driver: Driver, *, csrf: bool = False) -> Client:
    client = Client(enforce_csrf_checks=csrf)
    assert driver.user is not None
    client.force_login(driver.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class TestServices:
    def test_the_first_card_is_used_first(self, ada: Driver) -> None:
        first, second = save_card(ada), save_card(ada, "mastercard")

        assert (first.brand, first.last4, first.expires_on) == ("visa", "4242", GOOD_UNTIL)
        assert (first.is_default, second.is_default) == (True, False)
        assert first.provider_customer == second.provider_customer
        assert str(second) == "Mastercard •4444"

    def test_the_same_card_told_twice_is_one(self, ada: Driver) -> None:
        card = CardDetails("card_1", "visa", "4242", GOOD_UNTIL)

        first = methods.add_method(driver_id=ada.pk, provider="fake", customer="c", card=card)
        again = methods.add_method(driver_id=ada.pk, provider="fake", customer="c", card=card)

        assert first == again
        assert queued() == ["retry_open_debt"]

    def test_another_card_is_put_first(self, ada: Driver) -> None:
        first, second = save_card(ada), save_card(ada, "mastercard")

        methods.set_default(driver_id=ada.pk, method_id=second.pk)
        methods.set_default(driver_id=ada.pk, method_id=second.pk)

        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.is_default, second.is_default) == (False, True)

    def test_a_refused_card_cannot_be_put_first(self, ada: Driver) -> None:
        stolen = save_card(ada, "stolen_card")
        collect_leg(leg_id=owe(ada).pk)

        with pytest.raises(methods.MethodNotUsable):
            methods.set_default(driver_id=ada.pk, method_id=stolen.pk)

    def test_a_removed_card_is_forgotten_by_the_provider(self, ada: Driver) -> None:
        first, second = save_card(ada), save_card(ada, "mastercard")

        methods.remove_method(driver_id=ada.pk, method_id=first.pk)
        methods.remove_method(driver_id=ada.pk, method_id=first.pk)

        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.status, first.is_default, second.is_default) == ("removed", False, True)
        assert list(saved_methods(ada.pk)) == [second]
        assert queued().count("forget_method") == 1
        methods.forget_method(method_id=first.pk)
        assert FakeProviderObject.objects.get(reference=first.provider_reference).state == "deleted"

    def test_the_only_card_stays_while_something_is_unpaid(self, ada: Driver) -> None:
        only = save_card(ada, "insufficient_funds")
        leg = owe(ada)
        collect_leg(leg_id=leg.pk)

        with pytest.raises(methods.MethodInUse, match="Add another card first"):
            methods.remove_method(driver_id=ada.pk, method_id=only.pk)
        only.refresh_from_db()
        assert (only.status, only.is_default) == ("active", True)

        save_card(ada)
        assert methods.remove_method(driver_id=ada.pk, method_id=only.pk).status == "removed"

    @pytest.mark.parametrize("status", ["requested", "active"])
    def test_the_only_card_stays_while_a_session_is_open(self, ada: Driver, status: str) -> None:
        only = save_card(ada)
        connector = ConnectorFactory()
        ChargingSession.objects.create(
            charge_point=connector.charge_point,
            connector=connector,
            driver=ada,
            status=status,
            started_at=only.created_at if status == "active" else None,
        )

        with pytest.raises(methods.MethodInUse):
            methods.remove_method(driver_id=ada.pk, method_id=only.pk)

    def test_the_only_card_stays_while_a_session_is_in_review(self, ada: Driver) -> None:
        only = save_card(ada)
        connector = ConnectorFactory()
        session = ChargingSession.objects.create(
            charge_point=connector.charge_point,
            connector=connector,
            driver=ada,
            status="ended",
            started_at=only.created_at,
            ended_at=only.created_at,
            outcome="in_review",
            review_reason="meter_missing",
        )

        with pytest.raises(methods.MethodInUse):
            methods.remove_method(driver_id=ada.pk, method_id=only.pk)

        ChargingSession.objects.filter(pk=session.pk).update(outcome="discarded")
        assert methods.remove_method(driver_id=ada.pk, method_id=only.pk).status == "removed"

    def test_the_only_card_goes_when_everything_is_paid(self, ada: Driver) -> None:
        only = save_card(ada)
        collect_leg(leg_id=owe(ada).pk)

        assert methods.remove_method(driver_id=ada.pk, method_id=only.pk).status == "removed"

    def test_another_drivers_card_is_not_there(self, ada: Driver) -> None:
        card = save_card(ada)
        stranger = DriverFactory()

        for step in (methods.set_default, methods.remove_method):
            with pytest.raises(PaymentMethod.DoesNotExist):
                step(driver_id=stranger.pk, method_id=card.pk)


class TestPages:
    def test_from_the_site_to_the_hosted_page_and_back(self, ada: Driver) -> None:
        client = logged_in(ada)

        away = client.post(reverse("payment_method_add"))
        assert away.status_code == 302
        page = away.headers["Location"]
        assert page.startswith("http://testserver/pay/fake/setup/fake_setup_")
        back = client.post(page, {"number": "4242 4242 4242 4242", "expires_on": "12/40", "cvc": "123"})
        assert back.status_code == 302
        done = client.get(back.headers["Location"])

        assert (done.status_code, done.headers["Location"]) == (302, CARDS)
        method = PaymentMethod.objects.get()
        assert (method.driver, method.last4, method.is_default) == (ada, "4242", True)
        again = client.get(back.headers["Location"])
        assert again.status_code == 302
        assert PaymentMethod.objects.count() == 1

    def test_back_without_a_card(self, ada: Driver) -> None:
        client = logged_in(ada)
        page = client.post(reverse("payment_method_add")).headers["Location"]
        reference = page.rstrip("/").rpartition("/")[2]

        done = client.get(reverse("payment_method_return"), {"setup": reference})

        assert (done.status_code, done.headers["Location"]) == (302, CARDS)
        assert PaymentMethod.objects.count() == 0

    def test_nobody_adopts_a_card_another_saved(self, ada: Driver) -> None:
        page = logged_in(ada).post(reverse("payment_method_add")).headers["Location"]
        back = Client().post(page, {"number": "4242424242424242", "expires_on": "12/40", "cvc": "123"})
        stranger = DriverFactory()

        logged_in(stranger).get(back.headers["Location"])

        assert PaymentMethod.objects.filter(driver=stranger).count() == 0

    @pytest.mark.parametrize("reference", ["", "fake_setup_unknown", "' OR 1=1", "x" * 3000])
    def test_an_unknown_setup_is_not_found(self, ada: Driver, reference: str) -> None:
        assert logged_in(ada).get(reverse("payment_method_return"), {"setup": reference}).status_code == 404

    def test_the_provider_is_down(self, ada: Driver) -> None:
        bank.set_outage(True)
        client = logged_in(ada)

        response = client.post(reverse("payment_method_add"))

        assert (response.status_code, response.headers["Location"]) == (302, CARDS)

    def test_choosing_and_removing(self, ada: Driver) -> None:
        first, second = save_card(ada), save_card(ada, "mastercard")
        client = logged_in(ada)

        chosen = client.post(reverse("payment_method_default", args=[second.pk]))
        removed = client.post(reverse("payment_method_remove", args=[first.pk]))

        assert (chosen.headers["Location"], removed.headers["Location"]) == (CARDS, CARDS)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.status, second.is_default) == ("removed", True)

    def test_a_refusal_is_told_and_changes_nothing(self, ada: Driver) -> None:
        only = save_card(ada)
        leg = owe(ada)

        response = logged_in(ada).post(reverse("payment_method_remove", args=[only.pk]))

        assert response.status_code == 302
        only.refresh_from_db()
        assert only.status == "active"
        assert standing(leg).leg == "due"

    @pytest.mark.parametrize("name", ["payment_method_default", "payment_method_remove"])
    def test_a_stranger_finds_nothing(self, ada: Driver, name: str) -> None:
        card = save_card(ada)
        save_card(ada, "mastercard")

        response = logged_in(DriverFactory()).post(reverse(name, args=[card.pk]))

        assert response.status_code == 404
        card.refresh_from_db()
        assert (card.status, card.is_default) == ("active", True)

    def test_a_login_that_is_no_driver_finds_nothing(self, db: None) -> None:
        client = Client()
        client.force_login(UserFactory(), backend="django.contrib.auth.backends.ModelBackend")

        assert client.post(reverse("payment_method_add")).status_code == 404
        assert client.post(reverse("payment_method_remove", args=[1])).status_code == 404

    @pytest.mark.parametrize("name", ["payment_method_add", "payment_method_default", "payment_method_remove"])
    def test_the_anonymous_are_asked_to_log_in(self, ada: Driver, name: str) -> None:
        card = save_card(ada)
        address = reverse(name, args=[] if name.endswith("add") else [card.pk])

        response = Client().post(address)

        assert (response.status_code, response.headers["Location"]) == (302, f"/account/login/?next={address}")
        card.refresh_from_db()
        assert card.status == "active"

    @pytest.mark.parametrize("name", ["payment_method_add", "payment_method_default", "payment_method_remove"])
    def test_only_a_form_of_ours_changes_anything(self, ada: Driver, name: str) -> None:
        card = save_card(ada)
        address = reverse(name, args=[] if name.endswith("add") else [card.pk])

        assert logged_in(ada).get(address).status_code == 405
        assert logged_in(ada, csrf=True).post(address).status_code == 403
        card.refresh_from_db()
        assert card.status == "active"
