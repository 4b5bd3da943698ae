"""WebSocket addresses: stations under /ocpp/, live pages under /live/."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from config.live import AdHocLiveConsumer, LiveSessionConsumer
from ocpp_gateway.routing import websocket_urlpatterns as station_patterns

# A browser's socket carries the login's cookie, so its origin must be ours. Stations send no origin and no cookie.
live_session = AllowedHostsOriginValidator(AuthMiddlewareStack(LiveSessionConsumer.as_asgi()))
# Without an account there is no cookie to protect; the link is what counts.
ad_hoc_live = AllowedHostsOriginValidator(AdHocLiveConsumer.as_asgi())

application_for_websockets = URLRouter(
    [
        path("live/sessions/<uuid:public_id>/", live_session, name="live_session"),
        path("live/ad-hoc/<str:link>/", ad_hoc_live, name="ad_hoc_socket"),
        *station_patterns,
    ]
)
