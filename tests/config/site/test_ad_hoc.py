"""Paying at the connector without an account: what a stranger reads, presses and gets, and what others do not."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from billing.models import AdHocSession, ChargingSession, FakeProviderObject
from billing.providers.fake import bank
from billing.selectors.ad_hoc import link_of
from billing.services.refunds import refund_session
from config.views.ad_hoc import MOST_WRONG_LINKS
from locations.models import Connector
from ocpp_gateway.models import Command
from tariffs.models import TariffAssignment
from tests.billing.ad_hoc.world import agreed, catch_up, charging, paid, session_of
from tests.billing.payments.held import look
from tests.billing.payments.world import work_off_queue
from tests.billing.sessions.conftest import NOON, Stand, stand_with
from tests.config.site.reading import text, words
from tests.config.site.socket import BrowserSocket

pytestmark = pytest.mark.django_db

FORGED = "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PAGES = ("ad_hoc", "ad_hoc_live", "ad_hoc_receipt", "ad_hoc_pdf")


@pytest.fixture
def now() -> Iterator[time_machine.Traveller]:
    cache.clear()
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller
    cache.clear()


@pytest.fixture
def stand(db: None, now: time_machine.Traveller) -> Stand:
    return stand_with()


def connector_page(stand: Stand, browser: Client | None = None):
    return (browser or Client()).get(reverse("connector_qr", args=[stand.connector.code]))


def press_pay(stand: Stand, browser: Client | None = None, **values: str):
    browser = browser or Client()
    form = {"price": connector_page(stand, browser).context["offer"].digest, "email": "", **values}
    return browser.post(reverse("ad_hoc_pay", args=[stand.connector.code]), form)


def page_of(order: AdHocSession, name: str = "ad_hoc"):
    return Client().get(reverse(name, args=[link_of(order)]))


def charged(stand: Stand, now: time_machine.Traveller, **values: str) -> AdHocSession:
    """13,025 Wh for 6.20."""
    order = charging(stand, **values)
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session_of(order).pk, 90, "13025")
    catch_up()
    return AdHocSession.objects.get(pk=order.pk)


def test_the_page_behind_the_code_shows_the_price_and_what_would_be_held(stand: Stand) -> None:
    page = words(connector_page(stand))
    assert "0.476 €/kWh" in page
    assert "Price without an account" in page
    assert "Agree to the price and reserve 25.00 €" in page


def test_from_the_code_to_the_charge_point(stand: Stand) -> None:
    browser = Client()
    answer = press_pay(stand, browser, email="someone@example.org")
    setup = answer.headers["Location"]
    assert "25.00 € will be reserved." in words(browser.get(setup))
    order = AdHocSession.objects.get()
    assert "Your card is still to come" in words(page_of(order))

    back = browser.post(setup, {"number": "4242 4242 4242 4242", "expires_on": "12/40", "cvc": "123"})
    own_page = browser.get(back.headers["Location"]).headers["Location"]
    assert own_page == reverse("ad_hoc", args=[link_of(order)])
    assert "Your bank is being asked to reserve the amount." in words(browser.get(own_page))
    work_off_queue()
    look()
    page = words(browser.get(own_page))
    assert "The charge point has been asked to start." in page
    assert "25.00 € reserved" in page
    assert Command.objects.get().action == "RemoteStartTransaction"
    assert Command.objects.get().payload["idTag"] == session_of(order).id_tag


def test_back_without_a_card_nothing_is_reserved_and_one_may_try_again(stand: Stand) -> None:
    browser = Client()
    setup = press_pay(stand, browser).headers["Location"]
    order = AdHocSession.objects.get()
    reference = setup.rstrip("/").rpartition("/")[2]
    browser.get(reverse("ad_hoc_card_return", args=[link_of(order)]), {"setup": reference})
    assert not ChargingSession.objects.exists()
    again = browser.post(reverse("ad_hoc_card", args=[link_of(order)]))
    assert again.headers["Location"].startswith("http://testserver/pay/fake/setup/")


def test_another_s_card_is_not_taken_for_one_s_own(stand: Stand) -> None:
    """Somebody puts the reference of a stranger's setup into their own return address."""
    stranger, own = agreed(stand.connector), agreed(stand.connector)
    page = press_pay(stand).headers["Location"].rstrip("/").rpartition("/")[2]
    bank.enter_card(setup_reference=page, card=bank.card_named("visa"), expires_on=NOON.date() + timedelta(days=99))
    Client().get(reverse("ad_hoc_card_return", args=[link_of(own)]), {"setup": page})
    assert not AdHocSession.objects.filter(pk__in=[own.pk, stranger.pk], charging_session__isnull=False).exists()
    answer = Client().get(reverse("ad_hoc_card_return", args=[link_of(own)]), {"setup": "nonsense"})
    assert answer.status_code == 404


def test_a_new_price_is_shown_before_anything_is_paid(stand: Stand) -> None:
    answer = press_pay(stand, price="0" * 64)
    assert answer.status_code == 409
    assert "The price has changed since this page was shown." in words(answer)
    assert f'value="{answer.context["offer"].digest}"' in text(answer)
    assert not AdHocSession.objects.exists()


@pytest.mark.parametrize(
    "status", [Connector.Status.CHARGING, Connector.Status.RESERVED, Connector.Status.FAULTED, "offline"]
)
def test_where_nothing_can_start_nothing_can_be_paid(stand: Stand, status: str) -> None:
    digest = connector_page(stand).context["offer"].digest
    if status == "offline":
        stand.connector.charge_point.is_connected = False
        stand.connector.charge_point.save()
    else:
        Connector.objects.update(status=status)
    page = connector_page(stand)
    assert "Find another connector" in words(page)
    assert "/pay/" not in text(page)
    assert "Agree to the price" not in words(page)
    refused = Client().post(reverse("ad_hoc_pay", args=[stand.connector.code]), {"price": digest})
    assert refused.status_code == 409
    assert "Charging did not start. Nothing was charged." in words(refused)


def test_without_a_price_nothing_is_offered_and_nothing_is_free(stand: Stand) -> None:
    TariffAssignment.objects.update(channel=TariffAssignment.Channel.APP)
    page = words(connector_page(stand))
    assert "There is no price for this connector yet" in page
    assert "Agree to the price" not in page
    refused = Client().post(reverse("ad_hoc_pay", args=[stand.connector.code]), {"price": "0" * 64})
    assert refused.status_code == 409


def test_a_mistyped_address_is_said_beside_its_field(stand: Stand) -> None:
    answer = press_pay(stand, email="nobody")
    assert answer.status_code == 400
    assert "Enter a valid email address." in words(answer)


def test_live_figures_and_stop(stand: Stand) -> None:
    order = charging(stand)
    stand.meter(session_of(order).pk, 30, "5500")
    page = words(page_of(order))
    assert "5.5 kWh" in page
    assert "2.62 €" in page
    part = page_of(order, "ad_hoc_live")
    assert "5.5 kWh" in words(part)
    assert part.headers["X-Live-State"] == page_of(order).context["live"].state
    Client().post(reverse("ad_hoc_stop", args=[link_of(order)]))
    assert session_of(order).stop_request_reason == "driver"
    assert Command.objects.filter(action="RemoteStopTransaction").count() == 1


def test_at_the_end_the_price_the_released_rest_and_the_receipt(stand: Stand, now: time_machine.Traveller) -> None:
    order = charged(stand, now, email="someone@example.org")
    page = words(page_of(order))
    assert "6.20 €" in page
    assert "25.00 € reserved, 6.20 € taken, the rest released" in page
    receipt = page_of(order, "ad_hoc_receipt")
    assert "Customer without an account" in words(receipt)
    assert reverse("ad_hoc_pdf", args=[link_of(order)]) in text(receipt)
    work_off_queue()
    (message,) = mail.outbox
    assert message.to == ["someone@example.org"]
    assert reverse("ad_hoc_receipt", args=[link_of(order)]) in str(message.body)
    assert page_of(order, "ad_hoc_pdf").content.startswith(b"%PDF-")


def test_a_refund_is_shown(stand: Stand, now: time_machine.Traveller) -> None:
    order = charged(stand, now)
    refund_session(
        session_id=session_of(order).pk, amount=Decimal("2.00"), reason="cable too short", idempotency_key="again"
    )
    catch_up()
    assert "Refunded: 2.00 €" in words(page_of(order))


def test_while_the_provider_is_out_of_reach_nothing_starts_and_the_page_says_so(stand: Stand) -> None:
    digest = connector_page(stand).context["offer"].digest
    bank.set_outage(True)
    refused = Client().post(reverse("ad_hoc_pay", args=[stand.connector.code]), {"price": digest})
    assert (refused.status_code, ChargingSession.objects.count()) == (409, 0)
    assert "Charging did not start. Nothing was charged." in words(refused)


def test_a_card_left_just_before_the_provider_goes_down_is_taken_from_its_webhook(stand: Stand) -> None:
    setup = press_pay(stand).headers["Location"].rstrip("/").rpartition("/")[2]
    order = AdHocSession.objects.get()
    bank.enter_card(setup_reference=setup, card=bank.card_named("visa"), expires_on=NOON.date() + timedelta(days=99))
    bank.set_outage(True)
    back = Client().get(reverse("ad_hoc_card_return", args=[link_of(order)]), {"setup": setup}, follow=True)
    assert "If you have just entered your card, this page follows by itself in a moment." in words(back)
    bank.set_outage(False)
    work_off_queue()
    assert session_of(order).status == "requested"


def test_without_an_address_no_mail_is_sent(stand: Stand, now: time_machine.Traveller) -> None:
    assert page_of(charged(stand, now), "ad_hoc_receipt").status_code == 200
    work_off_queue()
    assert mail.outbox == []


def test_nothing_started_says_that_the_hold_is_let_go(stand: Stand, now: time_machine.Traveller) -> None:
    order = paid(stand.connector)
    work_off_queue()
    now.shift(timedelta(seconds=121))
    assert "Nothing started within two minutes." in words(page_of(order))
    catch_up()
    page = words(page_of(order))
    assert "Nothing started within two minutes." in page
    assert "25.00 € released, nothing taken" in page


def test_the_bank_s_refusal_says_what_to_do(stand: Stand) -> None:
    order = paid(stand.connector, "insufficient_funds")
    work_off_queue()
    page = words(page_of(order))
    assert "Start again with another card, or ask your bank." in page
    assert "released amount" not in page


def test_who_comes_second_is_told_so(stand: Stand) -> None:
    late = agreed(stand.connector)
    paid(stand.connector)
    setup = Client().post(reverse("ad_hoc_card", args=[link_of(late)])).headers["Location"]
    back = Client().post(setup, {"number": "4242 4242 4242 4242", "expires_on": "12/40", "cvc": "123"})
    page = words(Client().get(back.headers["Location"], follow=True))
    assert "Somebody is charging at this connector." in page
    assert "Nothing was reserved on your card, and it is deleted." in page
    assert FakeProviderObject.objects.filter(kind="payment").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_link_opens_nothing(stand: Stand, now: time_machine.Traveller, name: str) -> None:
    order = charged(stand, now)
    link = link_of(order)
    other = link_of(agreed(stand.connector))
    mixed = f"{link.partition('.')[0]}.{other.partition('.')[2]}"
    for wrong in (FORGED, link[:-1], link[1:], mixed, str(order.public_id), "x", "é"):
        assert Client().get(reverse(name, args=[wrong])).status_code == 404
    assert page_of(order, name).status_code == 200


def test_a_wrong_link_stops_nothing(stand: Stand) -> None:
    order = charging(stand)
    assert Client().post(reverse("ad_hoc_stop", args=[FORGED])).status_code == 404
    assert session_of(order).stop_requested_at is None


def test_a_driver_s_pages_do_not_open_it_either(stand: Stand, browse, now: time_machine.Traveller) -> None:
    order = charged(stand, now)
    browser = browse(stand.contract.driver)
    page_of(order, "ad_hoc_receipt")
    assert browser.get(reverse("session_detail", args=[session_of(order).public_id])).status_code == 404
    document = session_of(order).cdr.receipt
    assert browser.get(reverse("document", args=[document.public_id])).status_code == 404
    assert browser.get(reverse("session_receipt", args=[session_of(order).public_id])).status_code == 404


def test_its_pages_are_kept_nowhere_and_found_by_nobody(stand: Stand, now: time_machine.Traveller) -> None:
    order = charged(stand, now)
    for name in PAGES:
        headers = page_of(order, name).headers
        assert "no-store" in headers["Cache-Control"], name
        assert headers["X-Robots-Tag"] == "noindex, nofollow", name
        assert headers["Referrer-Policy"] == "same-origin", name


def test_many_wrong_links_and_many_starts_are_slowed_down(stand: Stand, settings) -> None:
    wrong = reverse("ad_hoc", args=[FORGED])
    assert {Client().get(wrong).status_code for _number in range(MOST_WRONG_LINKS)} == {404}
    assert Client().get(wrong).status_code == 429
    settings.AD_HOC_STARTS_PER_TEN_MINUTES = 2
    assert [press_pay(stand).status_code for _number in range(3)] == [302, 302, 429]
    assert AdHocSession.objects.count() == 2


def test_forms_of_other_sites_are_refused(stand: Stand) -> None:
    order = charging(stand)
    browser = Client(enforce_csrf_checks=True)
    addresses = [reverse("ad_hoc_pay", args=[stand.connector.code])]
    addresses += [reverse(name, args=[link_of(order)]) for name in ("ad_hoc_stop", "ad_hoc_card")]
    assert [browser.post(address).status_code for address in addresses] == [403, 403, 403]


@pytest.mark.django_db(transaction=True)
async def test_the_socket_opens_for_the_link_alone() -> None:
    def world() -> AdHocSession:
        with time_machine.travel(NOON, tick=False):
            stand = stand_with()
            order = charging(stand)
            stand.meter(session_of(order).pk, 30, "5500")
        return order

    order = await sync_to_async(world)()
    origin = (b"origin", b"http://testserver")
    page = BrowserSocket(f"/live/ad-hoc/{link_of(order)}/?language=en", origin)
    assert (await page.connect())[0]
    assert "5.5 kWh" in (await page.figures())["html"]
    await page.leave()
    assert await BrowserSocket(f"/live/ad-hoc/{FORGED}/", origin).connect() == (False, 4404)
    elsewhere = BrowserSocket(f"/live/ad-hoc/{link_of(order)}/", (b"origin", b"https://elsewhere.example"))
    assert not (await elsewhere.connect())[0]


def test_amounts_on_the_receipt_are_the_cdr_s(stand: Stand, now: time_machine.Traveller) -> None:
    order = charged(stand, now)
    page_of(order, "ad_hoc_receipt")
    document = session_of(order).cdr.receipt
    assert (document.driver, document.gross, document.buyer["name"]) == (None, Decimal("6.20"), "")
