"""Other systems that call the API."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.test import Client
from django.urls import URLPattern, path
from rest_framework import serializers

from accounts.models import ApiKey, AuditEvent
from accounts.services import audit
from accounts.services.api_keys import create_api_key
from config.api import urls
from config.api.fields import Strict
from config.api.views import WriteView
from tests.factories import StaffFactory


class Caller(Client):
    """A system that holds a key with these scopes; all of them unless said otherwise."""

    def __init__(self, *scopes: str, **options: Any) -> None:
        self.api_key, self.key_text = create_api_key(
            name="Cora's fleet system", scopes=scopes or ApiKey.Scope.values, actor_id=StaffFactory().pk
        )
        super().__init__(headers={"Authorization": f"Bearer {self.key_text}"}, **options)

    def send(self, address: str, body: Any, key: str = "order-1") -> Any:
        return self.post(address, body, content_type="application/json", headers={"Idempotency-Key": key})


class NoteBody(Strict):
    text = serializers.CharField(max_length=200)


class Note(WriteView):
    """The smallest write: a line in the audit trail."""

    scopes = {"POST": ApiKey.Scope.COMMANDS_WRITE}
    body_class = NoteBody

    def write(self, data: dict[str, Any], **place: Any) -> tuple[int, dict[str, Any]]:
        event = audit.record(actor_id=None, action="noted", subject=self.api_key, reason=data["text"])
        return 201, {"id": event.pk, "text": data["text"]}


def notes() -> list[str]:
    return list(AuditEvent.objects.filter(action="noted").values_list("reason", flat=True))


@contextmanager
def resource_for_notes() -> Iterator[None]:
    """The address /api/v1/notes/ for the time of a test."""
    extra: URLPattern = path("notes/", Note.as_view())
    urls.urlpatterns.insert(0, extra)
    try:
        yield
    finally:
        urls.urlpatterns.remove(extra)


SCOPED: Collection[tuple[str, str]] = (
    ("/api/v1/locations/", ApiKey.Scope.LOCATIONS_READ),
    ("/api/v1/locations/harbour/", ApiKey.Scope.LOCATIONS_READ),
    ("/api/v1/quotes/?connector=X", ApiKey.Scope.QUOTES_READ),
    ("/api/v1/tariffs/", ApiKey.Scope.TARIFFS_READ),
    ("/api/v1/tariffs/none/", ApiKey.Scope.TARIFFS_READ),
    ("/api/v1/sessions/", ApiKey.Scope.SESSIONS_READ),
    ("/api/v1/sessions/00000000-0000-4000-8000-000000000000/", ApiKey.Scope.SESSIONS_READ),
    ("/api/v1/commands/", ApiKey.Scope.COMMANDS_READ),
    ("/api/v1/commands/999999/", ApiKey.Scope.COMMANDS_READ),
    ("/api/v1/cdrs/", ApiKey.Scope.CDRS_READ),
    ("/api/v1/cdrs/00000000-0000-4000-8000-000000000000/", ApiKey.Scope.CDRS_READ),
)
