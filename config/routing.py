"""WebSocket addresses: stations under /ocpp/, drivers' live pages under /live/."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from config.live import LiveSessionConsumer
from ocpp_gateway.routing import websocket_urlpatterns as station_patterns

# A browser's socket carries the login's cookie, so its origin must be ours. Stations send no origin and no cookie.
live_session = AllowedHostsOriginValidator(AuthMiddlewareStack(LiveSessionConsumer.as_asgi()))

application_for_websockets = URLRouter(
    [
        path("live/sessions/<uuid:public_id>/", live_session, name="live_session"),
        *station_patterns,
    ]
)
