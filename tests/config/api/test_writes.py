"""A write happens once, however often it is sent; refusals are problem documents."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.errors import IdempotencyKeyReused
from accounts.models import ApiWrite
from accounts.services import audit
from accounts.services.api_writes import REMEMBERED_FOR, answer_once, forget_old_writes
from common import clock
from tests.config.api.callers import Caller, notes

ADDRESS = "/api/v1/notes/"


@pytest.fixture
def caller(db: None, notes_resource: None) -> Caller:
    return Caller()


def test_the_same_write_again_is_answered_alike_and_changes_nothing(caller: Caller) -> None:
    first = caller.send(ADDRESS, {"text": "hello"})
    second = caller.send(ADDRESS, '{ "text":"hello" }')

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert ("Idempotency-Replayed" in first, second["Idempotency-Replayed"]) == (False, "true")
    assert notes() == ["hello"]


def test_the_same_key_with_another_body_is_refused(caller: Caller) -> None:
    caller.send(ADDRESS, {"text": "hello"})
    answer = caller.send(ADDRESS, {"text": "goodbye"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert notes() == ["hello"]


def test_another_key_or_another_caller_is_another_write(caller: Caller) -> None:
    caller.send(ADDRESS, {"text": "one"})
    caller.send(ADDRESS, {"text": "two"}, key="order-2")
    Caller().send(ADDRESS, {"text": "three"})

    assert sorted(notes()) == ["one", "three", "two"]


def test_a_refused_write_leaves_nothing_and_its_key_may_be_tried_again(caller: Caller) -> None:
    refused = caller.send(ADDRESS, {"text": "", "colour": "red"})
    assert refused.status_code == 400
    assert ApiWrite.objects.count() == 0

    assert caller.send(ADDRESS, {"text": "now right"}).status_code == 201
    assert notes() == ["now right"]


@pytest.mark.parametrize("key", ["", " ", "x" * 101, "tab\tkey"])
def test_a_write_needs_a_key(caller: Caller, key: str) -> None:
    answer = caller.send(ADDRESS, {"text": "hello"}, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert notes() == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("[1]", "$"),
        ("{", ""),
        ('{"text": "a", "text": "b"}', "$.text"),
        ('{"text": NaN}', "text"),
        ('{"text": "a\\u0000b"}', "text"),
        ('{"text": "\\ud800"}', "$.text"),
        ("{}", "text"),
        ('{"text": {"a": 1}}', "text"),
    ],
)
def test_a_body_with_mistakes_is_refused_with_their_place(caller: Caller, body: str, path: str) -> None:
    answer = caller.send(ADDRESS, body)

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    problem = answer.json()
    assert problem["code"] == "bad_input"
    assert problem["type"] == "urn:voltledger:problem:bad_input"
    assert path in [error["path"] for error in problem["errors"]]
    assert notes() == []


def test_what_is_no_json_is_refused(caller: Caller) -> None:
    answer = caller.post(ADDRESS, {"text": "a form"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.django_db
def test_an_address_that_is_none_and_a_method_nobody_offers() -> None:
    for ask in (Client().get, Client().post):
        answer = ask("/api/v1/nothing/here")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = Caller().delete("/api/v1/locations/")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_answers_are_forgotten_after_a_month(caller: Caller) -> None:
    caller.send(ADDRESS, {"text": "old"})
    caller.send(ADDRESS, {"text": "new"}, key="order-2")
    ApiWrite.objects.filter(idempotency_key="order-1").update(created_at=clock.now() - REMEMBERED_FOR * 2)

    assert forget_old_writes() == 1
    assert list(ApiWrite.objects.values_list("idempotency_key", flat=True)) == ["order-2"]


# --- Races --------------------------------------------------------------------------------------------------------
WORKERS = 6


def at_once(work: Callable[[], Any]) -> list[Any]:
    """Run `work` in threads that start together; results and errors."""
    together = threading.Barrier(WORKERS)
    results: list[Any] = []

    def run() -> None:
        together.wait(timeout=30)
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - judged by the test
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def _note(caller: Caller) -> tuple[int, str]:
    audit.record(actor_id=None, action="noted", subject=caller.api_key, reason="hello")
    return 201, '{"text": "hello"}'


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_same_write_many_times_at_once_happens_once() -> None:
    caller = Caller()

    answers = at_once(
        lambda: answer_once(
            api_key_id=caller.api_key.pk, idempotency_key="k", request_digest="d", perform=lambda: _note(caller)
        )
    )

    assert notes() == ["hello"]
    assert sorted(answer.is_repeat for answer in answers) == [False] + [True] * (WORKERS - 1)
    assert {(answer.status, answer.body) for answer in answers} == {(201, '{"text": "hello"}')}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_bodies_under_one_key_at_once_only_one_is_carried_out() -> None:
    caller = Caller()
    digests = iter("abcdef")

    answers = at_once(
        lambda: answer_once(
            api_key_id=caller.api_key.pk,
            idempotency_key="k",
            request_digest=next(digests),
            perform=lambda: _note(caller),
        )
    )

    assert notes() == ["hello"]
    assert sum(isinstance(answer, IdempotencyKeyReused) for answer in answers) == WORKERS - 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_control_looking_first_and_noting_afterwards_carries_out_every_one() -> None:
    caller = Caller()
    have_looked = threading.Barrier(WORKERS)

    @transaction.atomic
    def without_claim() -> None:
        known = ApiWrite.objects.filter(api_key=caller.api_key, idempotency_key="k").first()
        have_looked.wait(timeout=30)
        if known is None:
            _note(caller)

    at_once(without_claim)

    assert notes() == ["hello"] * WORKERS
