"""A driver is one customer at the provider, and the provider knows what they are called now."""

from datetime import timedelta

import pytest
import time_machine

from accounts.models import Driver
from billing.models import FakeProviderObject, ProviderCustomer
from billing.providers.errors import ProviderUnavailable
from billing.providers.fake import bank
from billing.providers.fake.provider import FakeProvider
from billing.providers.registry import get_provider
from billing.services import customers
from billing.services.customers import customer_of, tell_customers
from tests.billing.payments.world import NOON, save_card
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)


def known_as() -> list[tuple[str, str]]:
    return [
        (row.data["name"], row.data["email"])
        for row in FakeProviderObject.objects.filter(kind="customer").order_by("pk")
    ]


def rename(driver: Driver, name: str) -> None:
    Driver.objects.filter(pk=driver.pk).update(name=name)


class TestMaking:
    def test_one_customer_however_many_cards(self, ada: Driver) -> None:
        first, second = save_card(ada), save_card(ada, "mastercard")
        customer = ProviderCustomer.objects.get()
        assert (customer.driver, customer.provider) == (ada, "fake")
        assert customer.reference == first.provider_customer == second.provider_customer
        assert known_as() == [(ada.name, ada.email)]

    def test_an_answer_that_was_lost_makes_no_second_one_though_the_driver_was_renamed(
        self, ada: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        honest = FakeProvider.customer

        def lost(self, request):
            honest(self, request)
            raise ProviderUnavailable

        monkeypatch.setattr(FakeProvider, "customer", lost)
        with pytest.raises(ProviderUnavailable):
            customer_of(provider=get_provider(), driver=ada)
        assert ProviderCustomer.objects.get().reference == ""
        monkeypatch.setattr(FakeProvider, "customer", honest)
        rename(ada, "Ada King")
        ada.refresh_from_db()

        reference = customer_of(provider=get_provider(), driver=ada)

        assert FakeProviderObject.objects.get(kind="customer").reference == reference
        assert tell_customers() == 1
        assert known_as() == [("Ada King", ada.email)]

    def test_a_customer_found_with_a_card_is_taken_over_and_told(self, ada: Driver) -> None:
        made = bank.make_customer(key="before", client_reference=str(ada.public_id))
        customers.adopt_customer(driver_id=ada.pk, provider="fake", reference=made.reference)
        assert customer_of(provider=get_provider(), driver=ada) == made.reference
        assert tell_customers() == 1
        assert known_as() == [(ada.name, ada.email)]


class TestTelling:
    def test_a_new_name_and_address_are_told_once(self, ada: Driver) -> None:
        save_card(ada)
        assert tell_customers() == 0
        Driver.objects.filter(pk=ada.pk).update(name="Ada King", email="king@example.org")
        assert (tell_customers(), tell_customers()) == (1, 0)
        assert known_as() == [("Ada King", "king@example.org")]

    def test_a_name_that_is_changed_back_is_told_again(self, ada: Driver) -> None:
        save_card(ada)
        for name in ("Ada King", "Ada Byron", "Ada King"):
            rename(ada, name)
            tell_customers()
        assert known_as() == [("Ada King", ada.email)]

    def test_a_silent_provider_is_told_later_and_the_newest_last(self, ada: Driver) -> None:
        save_card(ada)
        with time_machine.travel(NOON, tick=False) as now:
            rename(ada, "Ada King")
            bank.set_outage(True)
            assert (tell_customers(), tell_customers()) == (1, 0)
            rename(ada, "Ada Byron")
            bank.set_outage(False)
            now.shift(timedelta(minutes=2))
            assert (tell_customers(), known_as()) == (1, [("Ada King", ada.email)])
            assert (tell_customers(), known_as()) == (1, [("Ada Byron", ada.email)])
            assert tell_customers() == 0

    def test_what_the_provider_refuses_is_not_repeated_and_stops_nobody_else(self, ada: Driver) -> None:
        ben = DriverFactory()
        save_card(ada)
        save_card(ben)
        FakeProviderObject.objects.filter(reference=ProviderCustomer.objects.get(driver=ada).reference).delete()
        rename(ada, "Ada King")
        rename(ben, "Ben Brown")
        assert (tell_customers(), tell_customers()) == (2, 0)
        assert ProviderCustomer.objects.get(driver=ada).failure_code == "provider_request_refused"
        assert ProviderCustomer.objects.get(driver=ben).failure_code == ""
        assert known_as() == [("Ben Brown", ben.email)]
