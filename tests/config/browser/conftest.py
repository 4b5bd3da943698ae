"""The whole product on a port of its own, a phone to look at it with, and a charge point that does as it is told."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from config.routing import application_for_websockets
from locations.models import Connector
from locations.services.credentials import issue_key
from ocpp_gateway.domain.values import write_moment
from tests.billing.payments.world import work_off_queue
from tests.config.site.world import priced_network
from tests.factories import ConnectorFactory
from tests.ocpp_gateway.conftest import serve
from tests.ocpp_gateway.station import ScriptedStation

# The screen of a common phone.
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WITHIN_MILLISECONDS = 20_000
# When the session is said to have begun, so that what it used is possible.
BEGAN_AGO = timedelta(minutes=90)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's browser. Playwright keeps a loop in this thread, which Django would take for asynchronous code; so it is
    gone again before the tests of another module."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        # Without its sandbox, which a container's root cannot have; it sees our own pages only.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def site(transactional_db: None, settings: Any) -> Iterator[str]:
    """Everything a person or a charge point can reach, as in service; its http:// address."""
    cache.clear()
    settings.WHITENOISE_USE_FINDERS = True
    settings.WHITENOISE_AUTOREFRESH = True
    settings.SESSION_FREE_BELOW_SECONDS = settings.SESSION_FREE_BELOW_WH = 0
    application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": application_for_websockets})
    for address in serve(application):
        settings.SITE_URL = address.replace("ws:", "http:")
        yield settings.SITE_URL


class Phone:
    """A browser as a person uses it. While it waits, the workers work."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.page: Page = context.new_page()
        self.site = site
        self.mistakes: list[str] = []
        self.page.set_default_timeout(WITHIN_MILLISECONDS)
        self.page.on("pageerror", lambda error: self.mistakes.append(str(error)))

    def open(self, path: str) -> None:
        self.page.goto(f"{self.site}{path}")
        assert self.page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"], path

    def press(self, words: str) -> None:
        main = self.page.locator("main")
        main.get_by_role("button", name=words).or_(main.get_by_role("link", name=words)).first.click()

    def use_card(self, number: str, *, press: str) -> None:
        """On the provider's page."""
        self.page.get_by_role("link", name=f"Use {number}").click()
        self.press(press)

    def reads(self, words: str, *, reload: bool = False) -> None:
        """Wait until the page says so, whether by itself or (`reload`) when it is loaded again."""
        for _turn in range(WITHIN_MILLISECONDS // 100):
            work_off_queue()
            if words in self.page.inner_text("main").replace("\N{NO-BREAK SPACE}", " "):
                return
            self.page.wait_for_timeout(100)
            if reload:
                # The page may be loading itself again at this moment.
                with suppress(BrowserError):
                    self.page.reload()
        raise AssertionError(f"{words!r} is not in {self.page.inner_text('main')!r}")


@pytest.fixture
def phone(chromium: Browser, site: str) -> Iterator[Callable[..., Phone]]:
    """New phones, each somebody else's; none of them may meet a script error."""
    phones: list[tuple[BrowserContext, Phone]] = []

    def new_phone(**options: Any) -> Phone:
        context = chromium.new_context(**PHONE, **options)
        phones.append((context, Phone(context, site)))
        return phones[-1][1]

    yield new_phone
    for context, used in phones:
        context.close()
        assert used.mistakes == []


class Station:
    """A charge point with one connector; what it reports is what a test says."""

    def __init__(self, site: str, connector: Connector) -> None:
        self.connector = connector
        identity = connector.charge_point.identity
        key = issue_key(charge_point_id=connector.charge_point_id)
        self.socket = ScriptedStation(site.replace("http:", "ws:"), identity, key)
        self.socket.call("BootNotification", {"chargePointVendor": "Test", "chargePointModel": "Desk"})
        self.says("Available")

    def says(self, status: str) -> None:
        report = {"connectorId": self.connector.number, "status": status, "errorCode": "NoError"}
        self.socket.call("StatusNotification", report)

    def answers(self, action: str, status: str) -> dict[str, Any]:
        """Take the next command, which must be `action`, and answer; its content."""
        work_off_queue()
        request = self.socket.request(action)
        self.socket.reply(request, {"status": status})
        return dict(request[3])

    def begins(self, id_tag: str) -> int:
        """The transaction's id."""
        began_at = write_moment(datetime.now(UTC) - BEGAN_AGO)
        report = {"connectorId": self.connector.number, "idTag": id_tag, "meterStart": 0, "timestamp": began_at}
        answer = self.socket.call("StartTransaction", report)
        assert answer["idTagInfo"]["status"] == "Accepted"
        return int(answer["transactionId"])

    def measures(self, transaction_id: int, register_wh: int) -> None:
        sample = {"timestamp": _now(), "sampledValue": [{"value": str(register_wh), "unit": "Wh"}]}
        report = {"connectorId": self.connector.number, "transactionId": transaction_id, "meterValue": [sample]}
        self.socket.call("MeterValues", report)

    def ends(self, transaction_id: int, register_wh: int) -> None:
        report = {"transactionId": transaction_id, "meterStop": register_wh, "timestamp": _now(), "reason": "Remote"}
        self.socket.call("StopTransaction", report)


def _now() -> str:
    return write_moment(datetime.now(UTC))


@pytest.fixture
def station(site: str) -> Iterator[Station]:
    """At 0.40 €/kWh net plus 19 % VAT; 25.00 are held."""
    priced_network()
    made = Station(site, ConnectorFactory())
    yield made
    made.socket.socket.close()
