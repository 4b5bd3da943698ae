"""The live session page's socket: when a session changes, its driver is sent the figures as the database has them."""

from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from config.selectors.driver_sessions import live_session_for_user

# Application close code: there is no such session for this login.
NOT_YOURS = 4404


class LiveSessionConsumer(AsyncJsonWebsocketConsumer):
    """Sends {"state", "html"} on connect and after every change. What the browser sends is not read.

    The login's right to the session is looked up again for every message, so that a socket does not outlive it.
    """

    async def connect(self) -> None:
        self.public_id: UUID = self.scope["url_route"]["kwargs"]["public_id"]
        self.group = f"session.{self.public_id.hex}"
        figures = await self.figures()
        if figures is None:
            await self.close(code=NOT_YOURS)
            return
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send_json(figures)

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Nothing a browser could say changes anything here."""

    async def session_changed(self, event: dict[str, Any]) -> None:
        figures = await self.figures()
        if figures is None:
            await self.close(code=NOT_YOURS)
        else:
            await self.send_json(figures)

    @database_sync_to_async
    def figures(self) -> dict[str, str] | None:
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            return None
        live = live_session_for_user(user.pk, self.public_id)
        if live is None:
            return None
        with translation.override(self._language()):
            return {"state": live.state, "html": render_to_string("site/parts/live.html", {"live": live})}

    def _language(self) -> str:
        """The language of the page that opened the socket; the site's where the page names none we have."""
        wanted = parse_qs(self.scope["query_string"].decode("latin-1")).get("language", [""])[0]
        return wanted if wanted in dict(settings.LANGUAGES) else str(settings.LANGUAGE_CODE)
