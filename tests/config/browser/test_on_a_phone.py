"""What people do on their phones, in a real browser against the running product, with a charge point on its socket."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Driver
from billing.models import ChargingSession, PaymentMethod
from billing.services.settlement import settle_session
from tests.billing.factories import EndedSessionFactory
from tests.billing.payments.world import save_card, work_off_queue
from tests.config.browser.conftest import Phone, Station
from tests.config.site.world import driver_with

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql",
        reason="is about the browser, and runs once, on SQLite",
    ),
]

NewPhone = Callable[..., Phone]
PASSWORD = "a long enough password"
GOOD, WITHOUT_FUNDS = "4242 4242 4242 4242", "4000 0000 0000 9995"


def with_password(driver: Driver) -> Driver:
    assert driver.user is not None
    driver.user.set_password(PASSWORD)
    driver.user.save()
    return driver


def logged_in(phone: Phone, driver: Driver) -> Phone:
    """By the cookie of a log-in elsewhere; one test types in the password."""
    assert driver.user is not None
    browser = Client()
    browser.force_login(driver.user, backend="django.contrib.auth.backends.ModelBackend")
    phone.page.context.add_cookies(
        [{"name": "sessionid", "value": browser.cookies["sessionid"].value, "url": phone.site}]
    )
    return phone


def test_save_a_card_be_declined_and_pay_the_debt(phone: NewPhone) -> None:
    ada = with_password(driver_with())
    session = EndedSessionFactory(contract=ada.contracts.get())
    hers = phone()
    hers.open("/cards/")
    hers.page.fill("input[name=login]", "ada@example.org")
    hers.page.fill("input[name=password]", PASSWORD)
    hers.press("Log in")

    hers.reads("No card is saved.")
    hers.press("Add a card")
    hers.use_card(WITHOUT_FUNDS, press="Save card")
    hers.reads("Visa •9995 is saved.")

    settle_session(session_id=session.pk)
    work_off_queue()
    hers.open("/cards/")
    hers.reads("There was not enough money on the card.")
    hers.reads("10.20 €")

    hers.press("Add a card")
    hers.use_card(GOOD, press="Save card")
    hers.reads("Visa •4242 is saved.")
    work_off_queue()
    hers.open(f"/sessions/{session.public_id}/")
    hers.reads("Paid")
    session.refresh_from_db()
    assert session.payment_status == ChargingSession.PaymentStatus.PAID
    hers.open("/cards/")
    assert "Not paid yet" not in hers.page.inner_text("main")


def test_top_up_the_wallet(phone: NewPhone) -> None:
    ben = driver_with("wallet", email="ben@example.org", name="Ben")
    save_card(ben)
    his = logged_in(phone(), ben)
    his.open("/wallet/")
    his.page.get_by_label("Amount in EUR").fill("20")
    his.press("Top up")
    his.reads("20.00 €", reload=True)
    his.reads("Top-up by card", reload=True)


def test_a_hold_is_released_when_the_charge_point_refuses(phone: NewPhone, station: Station) -> None:
    emil = driver_with("preauth", email="emil@example.org", name="Emil")
    save_card(emil)
    work_off_queue()
    his = logged_in(phone(), emil)
    his.open(f"/c/{station.connector.code}/")
    his.press("Start charging")
    his.reads("25.00 € reserved", reload=True)
    station.answers("RemoteStartTransaction", "Rejected")
    his.reads("25.00 € released, nothing taken", reload=True)


def test_pay_by_the_code_on_the_connector_without_an_account(phone: NewPhone, station: Station) -> None:
    theirs = phone()
    theirs.open(f"/c/{station.connector.code.lower()}/")
    theirs.reads("0.476 €/kWh")
    theirs.press("Agree to the price and reserve")
    theirs.reads("25.00 € will be reserved.")
    theirs.use_card(GOOD, press="Use this card")
    theirs.reads("The charge point has been asked to start.")

    command = station.answers("RemoteStartTransaction", "Accepted")
    transaction_id = station.begins(command["idTag"])
    station.says("Charging")
    # From here on the page follows by itself, over its socket.
    theirs.reads("Stop charging")
    station.measures(transaction_id, 5_500)
    theirs.reads("5.5 kWh")
    theirs.reads("2.62 €")

    without_scripts = phone(java_script_enabled=False)
    without_scripts.page.goto(theirs.page.url)
    without_scripts.reads("2.62 €")
    without_scripts.reads("This page reloads by itself every 10 seconds.")

    theirs.press("Stop charging")
    station.answers("RemoteStopTransaction", "Accepted")
    station.ends(transaction_id, 13_025)
    theirs.reads("25.00 € reserved, 6.20 € taken, the rest released")
    own_page = theirs.page.url

    theirs.press("Receipt")
    theirs.reads("Customer without an account")
    pdf = theirs.page.request.get(f"{own_page}receipt.pdf")
    assert (pdf.status, pdf.body()[:5]) == (200, b"%PDF-")

    stranger = phone()
    assert stranger.page.request.get(f"{own_page[:-2]}/").status == 404
    stranger.open(f"/c/{station.connector.code}/")
    assert PaymentMethod.objects.get().ad_hoc is not None
