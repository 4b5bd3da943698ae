"""The command queue: as rows, and through a live socket."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from accounts.models import Token
from billing.admission_errors import ChargePointOffline, SessionNotRunning
from billing.models import ChargingSession
from common import clock
from common.errors import IdempotencyConflict
from locations.models import ChargePoint, Connector
from ocpp_gateway.errors import CommandNotValid
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import queue_command, record_answer, record_silence, take_commands
from ocpp_gateway.services.remote import remote_start, remote_stop
from ocpp_gateway.services.rounds import cancel_late_starts
from tests.factories import StaffFactory
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.test_conversation import energy, moment, start, status

Plug = Callable[..., ScriptedStation]
Status = Command.Status


def queue_reset(charge_point: ChargePoint, **options: Any) -> Command:
    return queue_command(charge_point_id=charge_point.pk, action="Reset", payload={"type": "Soft"}, **options)


def take(charge_point: ChargePoint, *, after: timedelta = timedelta(0)) -> list[int]:
    return [command.pk for command in take_commands(held={charge_point.pk}, now=clock.now() + after)]


def test_one_command_is_in_flight_and_the_oldest_goes_first(charge_point: ChargePoint) -> None:
    first, second = queue_reset(charge_point), queue_reset(charge_point)
    assert take(charge_point) == [first.pk]
    assert take(charge_point) == []
    sent = Command.objects.get(pk=first.pk)
    record_answer(command_id=sent.pk, unique_id=sent.unique_id, response={"status": "Accepted"}, at=clock.now())
    assert take(charge_point) == [second.pk]
    first.refresh_from_db()
    assert (first.status, first.attempts, first.response) == (Status.ACCEPTED, 1, {"status": "Accepted"})


def test_a_process_takes_commands_of_its_own_sockets_only(charge_point: ChargePoint) -> None:
    queue_reset(charge_point)
    assert take_commands(held={charge_point.pk + 1}, now=clock.now()) == []


def test_a_command_that_is_not_sent_in_time_expires(charge_point: ChargePoint) -> None:
    command = queue_reset(charge_point, expires_in=timedelta(seconds=30))
    assert take(charge_point, after=timedelta(seconds=31)) == []
    command.refresh_from_db()
    assert (command.status, command.attempts) == (Status.EXPIRED, 0)


def test_a_command_without_an_answer_times_out(charge_point: ChargePoint) -> None:
    command = queue_reset(charge_point)
    assert take(charge_point) == [command.pk]
    assert take(charge_point, after=timedelta(seconds=31)) == []
    command.refresh_from_db()
    assert command.status == Status.TIMED_OUT


def test_a_late_answer_to_an_attempt_given_up_changes_nothing(charge_point: ChargePoint) -> None:
    command = queue_reset(charge_point)
    take(charge_point)
    command.refresh_from_db()
    record_silence(command_id=command.pk, unique_id=command.unique_id, at=clock.now())
    record_answer(command_id=command.pk, unique_id=command.unique_id, response={"status": "Accepted"}, at=clock.now())
    command.refresh_from_db()
    assert (command.status, command.response) == (Status.TIMED_OUT, None)


def test_a_stop_is_asked_three_times(plug_in: Plug, charge_point: ChargePoint, ada: Token) -> None:
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
    command = remote_stop(session_id=session_id, reason="operator")
    for attempt in (1, 2, 3):
        assert take(charge_point) == [command.pk]
        command.refresh_from_db()
        assert command.attempts == attempt
        record_silence(command_id=command.pk, unique_id=command.unique_id, at=clock.now())
    command.refresh_from_db()
    assert command.status == Status.TIMED_OUT
    assert take(charge_point) == []


def test_the_same_key_is_the_same_command(charge_point: ChargePoint) -> None:
    first = queue_reset(charge_point, idempotency_key="maintenance-1")
    assert queue_reset(charge_point, idempotency_key="maintenance-1") == first
    with pytest.raises(IdempotencyConflict):
        queue_command(
            charge_point_id=charge_point.pk,
            action="Reset",
            payload={"type": "Hard"},
            idempotency_key="maintenance-1",
        )
    assert Command.objects.count() == 1


@pytest.mark.parametrize(
    ("action", "payload"),
    [("Reset", {"type": "Gentle"}), ("MakeCoffee", {}), ("RemoteStopTransaction", {"transactionId": "7"})],
)
def test_what_no_station_would_understand_is_not_queued(
    charge_point: ChargePoint, action: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(CommandNotValid):
        queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
    assert not Command.objects.exists()


def test_the_database_refuses_a_second_command_in_flight(charge_point: ChargePoint) -> None:
    now = clock.now()
    sent: dict[str, Any] = {"status": Status.SENT, "sent_at": now, "answer_due_at": now, "expires_at": now}
    Command.objects.create(charge_point=charge_point, action="Reset", **sent)
    with pytest.raises(IntegrityError):
        Command.objects.create(charge_point=charge_point, action="ClearCache", **sent)


def test_a_key_sent_to_a_station_is_not_kept(charge_point: ChargePoint) -> None:
    payload = {"key": "AuthorizationKey", "value": "00112233445566778899aabbccddeeff00112233"}
    command = queue_command(charge_point_id=charge_point.pk, action="ChangeConfiguration", payload=payload)
    take(charge_point)
    command.refresh_from_db()
    record_answer(command_id=command.pk, unique_id=command.unique_id, response={"status": "Accepted"}, at=clock.now())
    command.refresh_from_db()
    assert command.payload == {"key": "AuthorizationKey", "value": "***"}


# Through a live socket ----------------------------------------------------------------------------------------


def settled(command: Command, station: ScriptedStation) -> Command:
    """The command once its answer is recorded. The poll runs while the station talks, so keep talking."""
    for _ in range(200):
        station.call("Heartbeat", {})
        command.refresh_from_db()
        if command.resolved_at is not None:
            return command
    raise AssertionError(f"command is still {command.status}")


@pytest.mark.parametrize(
    ("answer", "expected"), [("Accepted", Status.ACCEPTED), ("Rejected", Status.REJECTED)], ids=["yes", "no"]
)
def test_a_command_goes_out_and_its_answer_comes_back(
    plug_in: Plug, charge_point: ChargePoint, answer: str, expected: str
) -> None:
    otto = StaffFactory()
    with plug_in() as station:
        command = queue_reset(charge_point, actor_id=otto.pk)
        request = station.request("Reset")
        assert request[3] == {"type": "Soft"}
        station.reply(request, {"status": answer})
        command = settled(command, station)
    assert (command.status, command.response, command.actor) == (expected, {"status": answer}, otto)


def test_an_error_answer_rejects_the_command(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        command = queue_reset(charge_point)
        station.reply_error(station.request("Reset"), "NotSupported")
        command = settled(command, station)
    assert (command.status, command.error_code) == (Status.REJECTED, "NotSupported")


def test_remote_start_becomes_a_session(plug_in: Plug, connector: Connector, ada: Token) -> None:
    with plug_in() as station:
        station.call("StatusNotification", status("Preparing"))
        requested = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        assert remote_start(connector_id=connector.pk, driver_id=ada.driver_id) == requested
        request = station.request("RemoteStartTransaction")
        assert request[3] == {"connectorId": 1, "idTag": requested.id_tag}
        station.reply(request, {"status": "Accepted"})
        started = station.call("StartTransaction", start(idTag=requested.id_tag, timestamp=moment()))
        assert started == {"transactionId": requested.pk, "idTagInfo": {"status": "Accepted"}}
    session = ChargingSession.objects.get()
    assert (session.status, session.channel, session.driver) == ("active", "app", ada.driver)
    assert Command.objects.count() == 1


def test_a_rejected_remote_start_cancels_the_session(plug_in: Plug, connector: Connector, ada: Token) -> None:
    with plug_in() as station:
        station.call("StatusNotification", status("Available"))
        requested = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        station.reply(station.request("RemoteStartTransaction"), {"status": "Rejected"})
        settled(Command.objects.get(), station)
    requested.refresh_from_db()
    assert (requested.status, requested.stop_reason) == ("cancelled", "remote_start_rejected")


def test_an_accepted_remote_start_without_a_transaction_is_cancelled_at_its_deadline(
    plug_in: Plug, connector: Connector, ada: Token
) -> None:
    with plug_in() as station:
        station.call("StatusNotification", status("Available"))
        requested = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        station.reply(station.request("RemoteStartTransaction"), {"status": "Accepted"})
        settled(Command.objects.get(), station)
    assert cancel_late_starts(now=clock.now()) == []
    assert cancel_late_starts(now=clock.now() + timedelta(minutes=5)) == [requested.public_id]
    assert cancel_late_starts(now=clock.now() + timedelta(minutes=5)) == []
    requested.refresh_from_db()
    assert (requested.status, requested.stop_reason) == ("cancelled", "start_deadline_passed")


def test_a_remote_start_at_a_station_that_is_away_is_refused(connector: Connector, ada: Token) -> None:
    connector.status = Connector.Status.AVAILABLE
    connector.save()
    with pytest.raises(ChargePointOffline):
        remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
    assert not Command.objects.exists()
    assert not ChargingSession.objects.exists()


def test_remote_stop_ends_the_session(plug_in: Plug, ada: Token) -> None:
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
        remote_stop(session_id=session_id, reason="driver")
        request = station.request("RemoteStopTransaction")
        assert request[3] == {"transactionId": session_id}
        station.reply(request, {"status": "Accepted"})
        settled(Command.objects.get(), station)
        # Under way already: nothing is asked twice.
        assert remote_stop(session_id=session_id, reason="driver") == Command.objects.get()
        stop = {"transactionId": session_id, "meterStop": 6_000, "timestamp": moment(1), "reason": "Remote"}
        station.call("StopTransaction", stop)
        with pytest.raises(SessionNotRunning):
            remote_stop(session_id=session_id, reason="driver")
    assert ChargingSession.objects.get().stop_reason == "Remote"


def test_a_session_that_reaches_its_limit_is_stopped(plug_in: Plug, ada: Token) -> None:
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
        # 10 kWh cost 4.76 with VAT; 4.00 is what there is.
        ChargingSession.objects.filter(pk=session_id).update(spend_limit=Decimal("4.00"))
        station.call("MeterValues", energy("3000", session_id=session_id, at=moment(2_000)))
        assert not Command.objects.exists()
        station.call("MeterValues", energy("11000", session_id=session_id, at=moment(20)))
        request = station.request("RemoteStopTransaction")
        assert request[3] == {"transactionId": session_id}
        # Until it has stopped every further meter value says the same; it is asked once.
        station.call("MeterValues", energy("11050", session_id=session_id, at=moment(10)))
        station.reply(request, {"status": "Accepted"})
        settled(Command.objects.get(), station)
        station.call("MeterValues", energy("11060", session_id=session_id, at=moment(5)))
    assert Command.objects.count() == 1
    assert ChargingSession.objects.get().stop_request_reason == "limit_reached"


def test_the_poll_asks_once_while_nothing_is_open(
    charge_point: ChargePoint, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(1):
        take_commands(held={charge_point.pk}, now=clock.now())
