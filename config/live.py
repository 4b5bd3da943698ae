"""The live session page's socket: when a session changes, its driver is sent the figures as the database has them."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from billing.models import AdHocSession
from billing.selectors.ad_hoc import ad_hoc_by_link
from common import clock
from config.selectors.ad_hoc import ad_hoc_live
from config.selectors.driver_sessions import LiveSession, live_session_for_user

# Application close code: there is no such session for this login.
NOT_YOURS = 4404
# An ended session is priced and paid in another process, which sends no message here: it is read again instead.
WATCH_SECONDS = 2
WATCH_TURNS = 150


class LiveSessionConsumer(AsyncJsonWebsocketConsumer):
    """Sends {"state", "html"} on connect and after every change. What the browser sends is not read.

    While an ended session is priced and paid it is read every WATCH_SECONDS, at most WATCH_TURNS times, and sent when
    its state has changed. The login's right to the session is looked up again for every message, so that a socket does
    not outlive it.
    """

    async def connect(self) -> None:
        self.sent_state = ""
        self.group = ""
        self.watch: asyncio.Task[None] | None = None
        live = await self.live()
        if live is None:
            await self.close(code=NOT_YOURS)
            return
        self.group = f"session.{live.session.public_id.hex}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self._send(live)

    async def disconnect(self, code: int) -> None:
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)
        if self.watch is not None:
            self.watch.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Nothing a browser could say changes anything here."""

    async def session_changed(self, event: dict[str, Any]) -> None:
        live = await self.live()
        if live is None:
            await self.close(code=NOT_YOURS)
        else:
            await self._send(live)

    async def _send(self, live: LiveSession) -> None:
        self.sent_state = live.state
        await self.send_json({"state": live.state, "html": await self._html(live)})
        if live.is_settling and self.watch is None:
            self.watch = asyncio.create_task(self._watch_settlement())

    async def _watch_settlement(self) -> None:
        for _turn in range(WATCH_TURNS):
            await asyncio.sleep(WATCH_SECONDS)
            live = await self.live()
            if live is None:
                await self.close(code=NOT_YOURS)
                return
            if live.state != self.sent_state:
                await self._send(live)
            if not live.is_settling:
                return

    @database_sync_to_async
    def live(self) -> LiveSession | None:
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            return None
        return live_session_for_user(user.pk, self.scope["url_route"]["kwargs"]["public_id"])

    @database_sync_to_async
    def _html(self, live: LiveSession) -> str:
        with translation.override(self._language()):
            return render_to_string("site/parts/live.html", {"live": live})

    def _language(self) -> str:
        """The language of the page that opened the socket; the site's where the page names none we have."""
        wanted = parse_qs(self.scope["query_string"].decode("latin-1")).get("language", [""])[0]
        return wanted if wanted in dict(settings.LANGUAGES) else str(settings.LANGUAGE_CODE)


class AdHocLiveConsumer(LiveSessionConsumer):
    """The same for somebody without an account: whoever has the page's link has its socket."""

    @database_sync_to_async
    def live(self) -> LiveSession | None:
        try:
            return ad_hoc_live(ad_hoc_by_link(self.scope["url_route"]["kwargs"]["link"]), clock.now())
        except AdHocSession.DoesNotExist:
            return None
