"""ASGI application: pages over HTTP, stations and live pages over WebSocket."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

# Django must be set up before anything that touches models is imported.
http_application = get_asgi_application()

from config.routing import application_for_websockets  # noqa: E402

application = ProtocolTypeRouter({"http": http_application, "websocket": application_for_websockets})
