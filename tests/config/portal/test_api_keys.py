"""API keys in the portal: made by who may, shown once, revoked with a reason."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, AuditEvent
from tests.config.portal.conftest import LogIn

pytestmark = pytest.mark.django_db
NEW = "/admin/accounts/apikey/new/"


def _make(client: Client, **changes: Any) -> Any:
    form = {
        "key": str(uuid4()),
        "name": "Route planner",
        "scopes": ["locations:read", "quotes:read"],
        "reason": "partner agreement",
        "confirmed": "1",
        **changes,
    }
    return client.post(NEW, form)


def test_a_key_is_shown_once_and_works(otto: Client) -> None:
    page = _make(otto)

    text = re.search(r"vl_[0-9A-Z]{10}_[0-9a-f]{64}", page.content.decode())
    assert text is not None
    assert "no-store" in page["Cache-Control"]
    api_key = ApiKey.objects.get()
    assert (api_key.name, api_key.scopes) == ("Route planner", ["locations:read", "quotes:read"])
    assert Client(headers={"Authorization": f"Bearer {text[0]}"}).get("/api/v1/locations/").status_code == 200
    for address in ("", f"{api_key.pk}/change/"):
        again = otto.get(f"/admin/accounts/apikey/{address}").content.decode()
        assert api_key.prefix in again
        assert text[0] not in again


def test_the_page_says_what_the_key_may_do_before_it_is_made(otto: Client) -> None:
    page = _make(otto, confirmed=[]).content.decode()
    assert "Ask for quotes" in page
    assert "Send commands to charge points" not in page
    assert not ApiKey.objects.exists()


def test_the_same_form_twice_makes_one_key(otto: Client) -> None:
    form_key = str(uuid4())
    _make(otto, key=form_key)
    second = _make(otto, key=form_key)

    assert "a key is shown only once" in second.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_key_without_scopes_is_not_made(otto: Client) -> None:
    assert "This field is required" in _make(otto, scopes=[]).content.decode()
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_with_a_reason(otto: Client) -> None:
    _make(otto)
    api_key = ApiKey.objects.get()
    address = reverse("admin:accounts_apikey_revoke", args=[api_key.pk])
    assert address in otto.get(f"/admin/accounts/apikey/{api_key.pk}/change/").content.decode()

    otto.post(address, {"key": str(uuid4()), "reason": "laptop lost", "confirmed": "1"})

    api_key.refresh_from_db()
    assert api_key.revoked_at is not None
    assert AuditEvent.objects.get(action="api_key_revoked").reason == "laptop lost"
    assert address not in otto.get(f"/admin/accounts/apikey/{api_key.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("role", "sees", "makes"),
    [
        ("Owner", 200, 200),
        ("Operations", 200, 200),
        ("Read-only", 200, 403),
        ("Support", 403, 403),
        ("Finance", 403, 403),
    ],
)
def test_owners_and_operations_make_keys_and_nobody_else(log_in: LogIn, role: str, sees: int, makes: int) -> None:
    client = log_in(role)
    assert client.get("/admin/accounts/apikey/").status_code == sees
    assert _make(client).status_code == makes
    assert ApiKey.objects.exists() is (makes == 200)
