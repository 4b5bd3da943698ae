"""Commands over the API: queued once, checked, traced, and their answers read."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, AuditEvent
from common import clock
from locations.models import ChargePoint
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import record_answer, take_commands
from tests.config.api.callers import Caller
from tests.factories import ConnectorFactory

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/commands/"
RESET = {"charge_point": "berlin-01", "action": "Reset", "payload": {"type": "Soft"}, "reason": "stuck display"}


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def point() -> ChargePoint:
    charge_point: ChargePoint = ConnectorFactory(evse__charge_point__identity="BERLIN-01").charge_point
    return charge_point


def test_a_command_is_queued_once_and_its_answer_is_read(caller: Caller, point: ChargePoint) -> None:
    first, again = caller.send(ADDRESS, RESET), caller.send(ADDRESS, RESET)
    assert (first.status_code, again["Idempotency-Replayed"], again.content) == (202, "true", first.content)
    command = Command.objects.get()
    told = first.json()
    assert {name: told[name] for name in ("id", "charge_point", "action", "payload", "status", "answer")} == {
        "id": command.pk,
        "charge_point": "BERLIN-01",
        "action": "Reset",
        "payload": {"type": "Soft"},
        "status": "queued",
        "answer": None,
    }
    event = AuditEvent.objects.get(action="station_command")
    assert (event.actor, event.reason, event.subject_id) == (None, "stuck display", str(point.pk))
    assert event.data == {"command": "Reset", "content": {"type": "Soft"}, "system": str(caller.api_key)}

    (sent,) = take_commands(held={point.pk}, now=clock.now())
    record_answer(command_id=sent.pk, unique_id=sent.unique_id, response={"status": "Rejected"}, at=clock.now())
    answered = caller.get(f"{ADDRESS}{command.pk}/").json()
    assert (answered["status"], answered["answer"], answered["answer_words"], answered["attempts"]) == (
        "rejected",
        {"status": "Rejected"},
        "It refuses.",
        1,
    )


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"charge_point": "NOWHERE-1"}, "charge_point"),
        ({"action": "MakeCoffee"}, "MakeCoffee"),
        ({"payload": {"type": "Gentle"}}, "type"),
        ({"payload": {"type": "Soft", "sugar": 1}}, ""),
        ({"payload": [1]}, "payload"),
        ({"reason": ""}, "reason"),
        ({"colour": "red"}, "colour"),
        ({"action": "ChangeConfiguration", "payload": {"key": "AuthorizationKey", "value": "x" * 40}}, "key"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_queued(
    caller: Caller, point: ChargePoint, changes: dict[str, Any], path: str
) -> None:
    answer = caller.send(ADDRESS, RESET | changes)
    assert answer.status_code == 400, answer.content
    assert path in [error["path"] for error in answer.json()["errors"]]
    assert not Command.objects.exists()
    assert not AuditEvent.objects.filter(action="station_command").exists()


def test_a_number_with_a_fraction_arrives_as_it_was_sent(caller: Caller, point: ChargePoint) -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.5}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    body = RESET | {"action": "SetChargingProfile", "payload": {"connectorId": 1, "csChargingProfiles": profile}}
    assert caller.send(ADDRESS, body).json()["payload"]["csChargingProfiles"] == profile
    command = Command.objects.get()
    assert command.payload["csChargingProfiles"] == profile
    take_commands(held={point.pk}, now=clock.now())
    command.refresh_from_db()
    answer = {"status": "Accepted", "chargingSchedule": schedule}
    record_answer(command_id=command.pk, unique_id=command.unique_id, response=answer, at=clock.now())
    assert caller.get(f"{ADDRESS}{command.pk}/").json()["answer"] == answer


def test_sending_and_reading_are_two_scopes(point: ChargePoint) -> None:
    reader, sender = Caller(ApiKey.Scope.COMMANDS_READ), Caller(ApiKey.Scope.COMMANDS_WRITE)
    refused = reader.send(ADDRESS, RESET)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert not Command.objects.exists()
    assert sender.send(ADDRESS, RESET).status_code == 202
    assert sender.get(ADDRESS).status_code == 403
    assert reader.get(ADDRESS).json()["results"][0]["action"] == "Reset"


def test_the_list_is_filtered_and_takes_the_same_number_of_queries(caller: Caller, point: ChargePoint) -> None:
    other = ConnectorFactory(evse__charge_point__identity="BERLIN-02").charge_point
    for number in range(2):
        caller.send(ADDRESS, RESET, key=f"a{number}")
    with CaptureQueriesContext(connection) as few:
        assert len(caller.get(ADDRESS).json()["results"]) == 2
    for number in range(4):
        caller.send(ADDRESS, RESET | {"charge_point": other.identity}, key=f"b{number}")
    with CaptureQueriesContext(connection) as many:
        assert len(caller.get(ADDRESS).json()["results"]) == 6
    assert len(few) == len(many)
    for query, count in [("charge_point=BERLIN-02", 4), ("status=accepted", 0), ("action=Reset&status=queued", 6)]:
        assert len(caller.get(f"{ADDRESS}?{query}").json()["results"]) == count
    assert caller.get(f"{ADDRESS}?status=lost").status_code == 400
