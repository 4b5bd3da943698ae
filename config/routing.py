"""WebSocket addresses."""

from channels.routing import URLRouter

application_for_websockets = URLRouter([])
