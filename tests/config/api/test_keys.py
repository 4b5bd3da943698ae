"""Who gets into the API, and what a key may do."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from accounts.errors import ApiKeyMadeAlready, ApiKeyUnknown
from accounts.models import ApiKey, AuditEvent
from accounts.services.api_keys import check_api_key, create_api_key, revoke_api_key
from common.errors import BadInput
from tests.config.api.callers import SCOPED, Caller
from tests.factories import DriverFactory, StaffFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(("address", "scope"), SCOPED)
def test_every_resource_wants_a_key_with_its_scope(address: str, scope: str) -> None:
    stranger = Client().get(address)
    other_scopes = Caller(*(set(ApiKey.Scope.values) - {scope})).get(address)
    right_scope = Caller(scope).get(address)

    assert (stranger.status_code, stranger.json()["code"]) == (401, "api_key_missing")
    assert stranger["WWW-Authenticate"] == "Bearer"
    assert (other_scopes.status_code, other_scopes.json()["code"]) == (403, "scope_missing")
    assert scope in other_scopes.json()["detail"]
    assert right_scope.status_code in (200, 400, 404)


def test_a_login_opens_no_resource() -> None:
    browser = Client()
    browser.force_login(StaffFactory())
    assert browser.get("/api/v1/locations/").status_code == 401
    browser.force_login(DriverFactory().user)
    assert browser.get("/api/v1/sessions/").status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "Bearer vl_0000000000_" + "0" * 64,
        "Bearer " + "x" * 5000,
        "Bearer vl_\x00_x",
        "Bearer schlüssel",
        "Bearer _",
    ],
)
def test_a_wrong_key_is_refused_whatever_it_looks_like(header: str) -> None:
    answer = Client(headers={"Authorization": header.encode().decode("latin-1")}).get("/api/v1/locations/")
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_unknown")


def test_another_key_s_secret_does_not_fit() -> None:
    one, other = Caller(), Caller()
    mixed = f"{one.api_key.prefix}_{other.key_text.rpartition('_')[2]}"
    with pytest.raises(ApiKeyUnknown):
        check_api_key(mixed, at=NOON)


def test_a_revoked_key_is_refused_at_once_and_says_so() -> None:
    caller = Caller()
    assert caller.get("/api/v1/locations/").status_code == 200

    for _again in range(2):
        revoke_api_key(api_key_id=caller.api_key.pk, actor_id=caller.api_key.created_by_id, reason="lost")

    answer = caller.get("/api/v1/locations/")
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_revoked")
    assert AuditEvent.objects.filter(action="api_key_revoked").count() == 1


def test_a_key_ends_when_it_was_said_to() -> None:
    with time_machine.travel(NOON, tick=False):
        _key, text = create_api_key(
            name="A trial", scopes=["cdrs:read"], actor_id=StaffFactory().pk, expires_at=NOON + timedelta(days=1)
        )
    caller = Client(headers={"Authorization": f"Bearer {text}"})
    with time_machine.travel(NOON + timedelta(hours=23), tick=False):
        assert caller.get("/api/v1/cdrs/").status_code == 200
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        assert caller.get("/api/v1/cdrs/").json()["code"] == "api_key_expired"


def test_only_a_hash_is_kept_and_the_audit_trail_names_the_prefix() -> None:
    otto = StaffFactory()
    api_key, text = create_api_key(name="Map", scopes=["locations:read"], actor_id=otto.pk, reason="public map")

    secret = text.rpartition("_")[2]
    stored = ApiKey.objects.filter(pk=api_key.pk).values().get()
    event = AuditEvent.objects.get(action="api_key_created")
    assert text == f"{api_key.prefix}_{secret}"
    assert len(secret) == 64
    assert secret not in str(stored)
    assert bytes(stored["secret_hash"]) != secret.encode()
    assert (event.actor, event.reason, event.data) == (
        otto,
        "public map",
        {"prefix": api_key.prefix, "scopes": ["locations:read"]},
    )


def test_the_last_use_is_noted_once_a_minute(django_assert_num_queries) -> None:
    caller = Caller()
    with time_machine.travel(NOON, tick=False), django_assert_num_queries(2):
        check_api_key(caller.key_text, at=NOON)
    with django_assert_num_queries(1):
        check_api_key(caller.key_text, at=NOON + timedelta(seconds=59))
    caller.api_key.refresh_from_db()
    assert caller.api_key.last_used_at == NOON


def test_a_key_without_name_or_scope_is_not_made_and_every_defect_is_named() -> None:
    otto = StaffFactory()
    with pytest.raises(BadInput) as refusal:
        create_api_key(name=" ", scopes=["everything"], actor_id=otto.pk, expires_at=NOON - timedelta(days=9000))

    assert [detail.partition(":")[0] for detail in refusal.value.details] == ["name", "scopes", "expires_at"]
    assert not ApiKey.objects.exists()


def test_a_form_sent_twice_makes_one_key() -> None:
    otto, form = StaffFactory(), uuid4()
    create_api_key(name="Map", scopes=["locations:read"], actor_id=otto.pk, request_key=form)
    with pytest.raises(ApiKeyMadeAlready):
        create_api_key(name="Map", scopes=["locations:read"], actor_id=otto.pk, request_key=form)
    assert ApiKey.objects.count() == 1


def test_too_many_requests_are_put_off(settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    caller, other = Caller(), Caller()
    with time_machine.travel(NOON + timedelta(seconds=45), tick=False):
        assert [caller.get("/api/v1/locations/").status_code for _ in range(3)] == [200, 200, 429]
        refused = caller.get("/api/v1/locations/")
        assert other.get("/api/v1/locations/").status_code == 200
    assert (refused.json()["code"], refused["Retry-After"]) == ("too_many_requests", "16")
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        assert caller.get("/api/v1/locations/").status_code == 200
