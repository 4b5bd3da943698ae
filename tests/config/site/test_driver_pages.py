"""What Ada sees once she is logged in."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Driver, PartnerMember
from accounts.services.contracts import change_contract
from billing.models import ChargingSession, Payment
from common import clock
from tests.config.site.reading import text, words
from tests.config.site.world import MORNING, card_of, driver_with, lot_of, meter, running_session, settled_session
from tests.factories import ContractTypeFactory, PartnerFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

PAGES = ("home", "charge", "sessions", "wallet", "payment_methods", "receipts", "profile")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_stands_empty_and_says_what_to_do_next(ada: Driver, browse, name: str) -> None:
    page = browse(ada).get(reverse(name))
    assert page.status_code == 200
    expected = {
        "home": "After your first session you find its price",
        "charge": "There is no public station yet.",
        "sessions": "You have not charged yet.",
        "wallet": "Nothing has moved in your wallet yet.",
        "payment_methods": "No card is saved.",
        "receipts": "There is no receipt yet.",
        "profile": "Set up a second factor",
    }
    assert expected[name] in text(page)


@pytest.mark.parametrize("name", [*PAGES, "sessions_export", "wallet_export"])
def test_nobody_in_particular_is_sent_to_log_in(client: Client, name: str) -> None:
    address = reverse(name)
    assert client.get(address).headers["Location"] == f"{reverse('account_login')}?next={address}"


@pytest.mark.parametrize("name", PAGES)
def test_a_login_that_is_no_driver_gets_a_friendly_page(client: Client, network, name: str) -> None:
    client.force_login(StaffFactory(), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse(name))
    assert page.status_code == 200
    assert "You are logged in, but not as a driver" in text(page)
    assert "Go to the operator portal" in text(page)


def test_a_login_becomes_a_driver_by_a_press(client: Client, network) -> None:
    ContractTypeFactory(name="Basic", is_default_for_sign_up=True)
    user = UserFactory()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    page = client.post(reverse("become_driver"), follow=True)

    assert "Basic" in text(page)
    assert Driver.objects.get(user=user).tokens.count() == 1


def test_home_shows_the_running_session_the_wallet_and_the_contract(ada: Driver, browse) -> None:
    lot_of(ada, "20.00")
    session = running_session(ada)

    page = words(browse(ada).get(reverse("home")))

    for expected in (
        "Hello Ada",
        "5.5 kWh",
        "2.62 €",
        "11 kW",
        "Stop charging",
        "20.00 €",
        "Your operator can add credit. You cannot top up on this contract.",
        "Pay as you go with credit",
        "Money in your wallet is used first.",
        "There is no card to pay with yet.",
    ):
        assert expected in page
    assert reverse("session_detail", args=[session.public_id]) in text(browse(ada).get(reverse("home")))


def test_home_names_what_is_unpaid_why_and_when_it_is_tried_again(ada: Driver, browse) -> None:
    card = card_of(ada)
    leg = settled_session(ada).cdr.legs.get()
    leg.state = "retrying"
    leg.save()
    Payment.objects.create(
        idempotency_key="leg:1:1",
        driver=ada,
        purpose="session",
        funding_leg=leg,
        method=card,
        provider="fake",
        amount=leg.amount,
        currency="EUR",
        status="failed",
        decline_class="soft",
        decline_code="insufficient_funds",
        finished_at=MORNING,
        next_attempt_at=MORNING + timedelta(days=1),
    )

    for name in ("home", "payment_methods"):
        page = words(browse(ada).get(reverse(name)))
        assert "7.14 € · Harbour, 20 Nov 2026, 09:00" in page
        assert "There was not enough money on the card." in page
        assert "We try again on 21 Nov 2026, 09:00." in page


def test_a_blocked_driver_is_told_so(ada: Driver, browse) -> None:
    Driver.objects.filter(pk=ada.pk).update(status="blocked")
    assert "Your account is blocked" in text(browse(ada).get(reverse("home")))


def test_without_a_contract_home_says_whom_to_ask(ada: Driver, browse) -> None:
    ada.contracts.all().delete()
    assert "You have no contract in force" in text(browse(ada).get(reverse("home")))


def test_the_wallet_shows_lots_and_a_running_balance(ada: Driver, browse) -> None:
    lot_of(ada, "4.00")
    lot_of(ada, "5.00", "promo", expires_at=clock.now() + timedelta(days=30))
    settled_session(ada, card=card_of(ada), energy_wh=5_000)

    page = words(browse(ada).get(reverse("wallet")))

    # 5 kWh x 0.476 = 2.38, taken from the promotional lot first.
    for expected in ("6.62 €", "Gift", "2.62 €", "Added by the operator", "4.00 €", "does not expire"):
        assert expected in page
    for expected in ("Charging session", "−2.38 €", "Balance 6.62 €", "+5.00 €", "Balance 9.00 €", "goodwill"):
        assert expected in page


def test_only_a_contract_that_allows_it_speaks_of_topping_up(network, browse) -> None:
    hana = driver_with("wallet", email="hana@example.org", name="Hana")
    page = words(browse(hana).get(reverse("wallet")))
    assert "You cannot top up on this contract." not in page
    assert "To top up, save a card first." in page


def test_a_contract_change_keeps_the_balance_in_sight(ada: Driver, browse) -> None:
    lot_of(ada, "12.50")
    change_contract(driver_id=ada.pk, contract_type_id=ContractTypeFactory(name="Plain").pk)

    page = words(browse(ada).get(reverse("wallet")))

    assert "12.50 €" in page
    assert "Your contract does not use the wallet at present. The balance stays yours." in page


def test_the_statement_downloads_with_its_hash_chain(ada: Driver, browse) -> None:
    lot_of(ada, "4.00")
    file = b"".join(browse(ada).get(reverse("wallet_export")).streaming_content).decode("utf-8-sig").splitlines()
    assert file[0] == "Number,Date,What,Reference,Note,Change,Balance,Currency,Previous hash,Entry hash"
    number, _at, what, _reference, note, change, balance, currency, _before, link = file[1].split(",")
    assert (number, what, note, currency) == ("1", "Credit added", "goodwill", "EUR")
    assert (Decimal(change), Decimal(balance), len(link)) == (4, 4, 64)


def test_cards_can_be_made_first_and_removed(ada: Driver, browse) -> None:
    first, second = card_of(ada), card_of(ada)

    page = text(browse(ada).get(reverse("payment_methods")))

    assert "Visa •4242" in page
    assert reverse("payment_method_add") in page
    assert reverse("payment_method_default", args=[second.pk]) in page
    assert reverse("payment_method_default", args=[first.pk]) not in page
    assert reverse("payment_method_remove", args=[first.pk]) in page


def test_profile_changes_are_kept_and_the_language_follows(ada: Driver, browse) -> None:
    browser = browse(ada)
    values = {"name": "Ada L.", "phone": "", "address": "Ring 1", "postal_code": "10115", "city": "Berlin"}

    saved = browser.post(reverse("profile"), {**values, "country": "DE", "language": "de"})

    assert saved.headers["Location"] == reverse("profile")
    ada.refresh_from_db()
    assert (ada.name, ada.address, ada.language) == ("Ada L.", "Ring 1", "de")
    assert browser.cookies["django_language"].value == "de"
    assert '<html lang="de">' in text(browser.get(reverse("home")))


def test_a_wrong_profile_changes_nothing_and_says_why(ada: Driver, browse) -> None:
    refused = browse(ada).post(reverse("profile"), {"name": "", "country": "Atlantis", "language": "tlh"})
    assert refused.status_code == 400
    assert "This field is required." in text(refused)
    ada.refresh_from_db()
    assert (ada.name, ada.country, ada.language) == ("Ada", "DE", "en")


def test_home_and_the_lists_take_as_many_queries_for_five_sessions_as_for_one(ada: Driver, browse) -> None:
    card = card_of(ada)
    browser = browse(ada)
    counts = []
    for more in (1, 4):
        for _ in range(more):
            number = ChargingSession.objects.count()
            meter(settled_session(ada, card=card, started_at=MORNING - timedelta(days=number)))
            settled_session(ada, started_at=MORNING - timedelta(days=number, hours=4))
            running_session(ada)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            for name in ("home", "charge", "sessions", "wallet", "payment_methods", "receipts"):
                assert browser.get(reverse(name)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_company_s_manager_is_told_what_there_is_and_is_not(client: Client, db: None) -> None:
    cora = StaffFactory(email="cora@example.org", is_staff=False, is_superuser=False)
    PartnerMember.objects.create(partner=PartnerFactory(), user=cora, role=PartnerMember.Role.MANAGER)
    client.force_login(cora)
    page = words(client.get(reverse("home")))
    assert "Cora's Fleet GmbH" in page
    assert "You are logged in as a manager of Cora's Fleet GmbH." in page
    assert "There are no pages for companies here yet." in page
    assert "ask Voltledger." in page
    assert "I want to charge myself, too" in page


@pytest.mark.parametrize(
    "name", ["home", "sessions", "sessions_export", "wallet", "wallet_export", "payment_methods", "receipts", "profile"]
)
def test_what_a_driver_has_and_owes_is_kept_by_no_cache(ada: Driver, browse, name: str) -> None:
    kept = browse(ada).get(reverse(name)).headers["Cache-Control"]
    assert {"private", "no-store"} <= set(kept.split(", "))
