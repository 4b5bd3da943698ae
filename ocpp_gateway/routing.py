"""WebSocket addresses of stations. The identity is the last path segment, however the station spells the rest."""

from django.urls import re_path

from ocpp_gateway.consumers import StationConsumer

websocket_urlpatterns = [re_path(r"^(?i:ocpp)/(?P<identity>.+?)/?$", StationConsumer.as_asgi())]
