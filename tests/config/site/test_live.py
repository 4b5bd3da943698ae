"""The live page's socket tells the session's driver, and nobody else, what the database says."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.test import Client

from accounts.models import Driver
from billing.models import ChargingSession
from billing.services.settlement import settle_session
from config import live
from tests.config.site.socket import BrowserSocket, Header
from tests.config.site.world import MORNING, driver_with, priced_network, running_session

pytestmark = pytest.mark.django_db(transaction=True)

OUR_ORIGIN = (b"origin", b"http://testserver")


def _world() -> tuple[Driver, Driver, ChargingSession]:
    priced_network()
    ada = driver_with("credit")
    mallory = driver_with("credit", email="mallory@example.org", name="Mallory")
    return ada, mallory, running_session(ada)


def _cookie(driver: Driver) -> tuple[bytes, bytes]:
    browser = Client()
    browser.force_login(driver.user, backend="django.contrib.auth.backends.ModelBackend")
    return (b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode())


def socket(session: ChargingSession, *headers: Header, language: str = "en") -> BrowserSocket:
    return BrowserSocket(f"/live/sessions/{session.public_id}/?language={language}", *headers)


async def _changed(session: ChargingSession, **values: Any) -> None:
    await sync_to_async(ChargingSession.objects.filter(pk=session.pk).update)(**values)
    await get_channel_layer().group_send(f"session.{session.public_id.hex}", {"type": "session.changed"})


async def test_the_driver_sees_the_figures_at_once_and_after_each_change() -> None:
    ada, _mallory, session = await sync_to_async(_world)()
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))

    assert (await page.connect())[0]
    first = await page.figures()
    assert first["state"] == "active-pending-nothing_due-False"
    assert "5.5 kWh" in first["html"]

    await _changed(session, energy_wh=Decimal(6250), live_gross=Decimal("2.98"))
    second = await page.figures()
    assert "6.25 kWh" in second["html"]
    assert "2.98 €" in second["html"]
    await page.leave()


async def test_the_state_changes_when_the_page_has_to() -> None:
    ada, _mallory, session = await sync_to_async(_world)()
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))
    await page.connect()
    before = (await page.figures())["state"]
    await _changed(session, status="finishing")
    assert (await page.figures())["state"] != before
    await page.leave()


async def test_figures_speak_the_page_s_language_and_no_unknown_one() -> None:
    ada, _mallory, session = await sync_to_async(_world)()
    cookie = await sync_to_async(_cookie)(ada)
    for language, energy in (("de", "5,5"), ("xx", "5.5")):
        page = socket(session, OUR_ORIGIN, cookie, language=language)
        await page.connect()
        assert energy in (await page.figures())["html"]
        await page.leave()


async def test_a_stranger_and_nobody_are_turned_away() -> None:
    _ada, mallory, session = await sync_to_async(_world)()
    for headers in ([await sync_to_async(_cookie)(mallory)], []):
        is_connected, code = await socket(session, OUR_ORIGIN, *headers).connect()
        assert (is_connected, code) == (False, 4404)


async def test_another_site_s_page_is_turned_away_though_the_cookie_is_the_driver_s() -> None:
    ada, _mallory, session = await sync_to_async(_world)()
    foreign = (b"origin", b"https://evil.example")
    is_connected, _code = await socket(session, foreign, await sync_to_async(_cookie)(ada)).connect()
    assert not is_connected


async def test_a_driver_blocked_from_logging_in_hears_no_more() -> None:
    ada, _mallory, session = await sync_to_async(_world)()
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))
    await page.connect()
    await page.figures()
    assert ada.user is not None
    ada.user.is_active = False
    await sync_to_async(ada.user.save)()
    await _changed(session)
    closed = await page.receive_output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 4404)


async def test_what_a_browser_says_is_not_listened_to() -> None:
    ada, _mallory, session = await sync_to_async(_world)()
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))
    await page.connect()
    await page.figures()
    await page.say('{"type": "session.changed"')
    assert await page.receive_nothing()
    await page.leave()


def _ended(session: ChargingSession) -> None:
    ended_at = MORNING + timedelta(minutes=30)
    ChargingSession.objects.filter(pk=session.pk).update(
        status="ended", stopped_at=ended_at, ended_at=ended_at, meter_stop_wh=Decimal(6500)
    )


async def test_the_page_hears_of_its_price_though_settlement_sends_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.02)
    ada, _mallory, session = await sync_to_async(_world)()
    await sync_to_async(_ended)(session)
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))
    await page.connect()
    assert (await page.figures())["state"] == "ended-pending-nothing_due-False"
    assert await page.receive_nothing()

    await sync_to_async(settle_session)(session_id=session.pk)
    assert (await page.figures())["state"] == "ended-billed-due-False"
    await sync_to_async(ChargingSession.objects.filter(pk=session.pk).update)(payment_status="paid")
    assert (await page.figures())["state"] == "ended-billed-paid-False"
    await page.leave()


async def test_nobody_waits_for_ever_for_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WATCH_SECONDS", 0)
    monkeypatch.setattr(live, "WATCH_TURNS", 1)
    ada, _mallory, session = await sync_to_async(_world)()
    await sync_to_async(_ended)(session)
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))
    await page.connect()
    await page.figures()
    assert await page.receive_nothing(timeout=0.3)
    await sync_to_async(settle_session)(session_id=session.pk)
    assert await page.receive_nothing(timeout=0.3)
    await page.leave()


async def test_a_login_blocked_while_its_session_is_priced_hears_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.02)
    ada, _mallory, session = await sync_to_async(_world)()
    await sync_to_async(_ended)(session)
    page = socket(session, OUR_ORIGIN, await sync_to_async(_cookie)(ada))
    await page.connect()
    await page.figures()
    assert ada.user is not None
    ada.user.is_active = False
    await sync_to_async(ada.user.save)()
    closed = await page.receive_output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 4404)
