"""Telling gateways that a command is waiting. A wake-up may be lost: every gateway looks each second anyway."""

import asyncio
import logging
import threading
from collections.abc import Callable

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

REDIS_CHANNEL = "voltledger.gateway.commands"

_listeners: dict[Callable[[], None], asyncio.AbstractEventLoop] = {}
_lock = threading.Lock()


def listen(wake: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
    """Have `wake` called in `loop` whenever a command is queued in this process."""
    with _lock:
        _listeners[wake] = loop


def stop_listening(wake: Callable[[], None]) -> None:
    with _lock:
        _listeners.pop(wake, None)


def wake_gateways() -> None:
    """Wake the gateways of this process and, with Redis, of every process. Never raises for a Redis out of reach."""
    with _lock:
        listeners = list(_listeners.items())
    for wake, loop in listeners:
        if not loop.is_closed():
            loop.call_soon_threadsafe(wake)
    if settings.REDIS_URL:
        try:
            with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
                client.publish(REDIS_CHANNEL, b"")
        except redis.RedisError as error:
            logger.warning("Gateways could not be woken through Redis: %s", error)
