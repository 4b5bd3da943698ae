"""Who gets in, what is refused, and what one socket can do to the others."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connection
from django.urls import re_path
from pytest_django import Settings
from websockets.exceptions import InvalidStatus

from accounts.models import AuditEvent
from locations.models import ChargePoint
from locations.services.credentials import issue_key
from ocpp_gateway.consumers import Limits, StationConsumer
from ocpp_gateway.models import OcppMessage, ParkedReport, StationConnection
from tests.factories import ConnectorFactory
from tests.ocpp_gateway.conftest import serve
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.test_conversation import moment, status

Plug = Callable[..., ScriptedStation]


def refused_with(open_socket: Callable[[], Any]) -> int:
    with pytest.raises(InvalidStatus) as refusal:
        open_socket()
    return refusal.value.response.status_code


# Credentials --------------------------------------------------------------------------------------------------


def test_raw_bytes_and_hexadecimal_forms_of_a_key_are_let_in(plug_in: Plug, key: str) -> None:
    for form in (key, key.upper(), bytes.fromhex(key)):
        with plug_in(key=form) as station:
            assert station.call("Heartbeat", {})


@pytest.mark.parametrize(
    ("identity", "presented"),
    [("BERLIN-01", "0" * 40), ("BERLIN-01", ""), ("NOWHERE-99", "0" * 40), ("x" * 60, "0" * 40)],
)
def test_wrong_keys_and_unknown_identities_get_the_same_answer(plug_in: Plug, identity: str, presented: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        plug_in(identity=identity, key=presented)
    response = refusal.value.response
    assert (response.status_code, response.headers["WWW-Authenticate"], response.body) == (
        401,
        'Basic realm="OCPP"',
        b"",
    )
    assert not OcppMessage.objects.exists()


def test_a_station_without_credentials_or_as_somebody_else_is_refused(plug_in: Plug, key: str) -> None:
    assert refused_with(lambda: plug_in(headers={"Authorization": "Bearer x"})) == 401
    assert refused_with(lambda: plug_in(identity="OTHER-01", path="/ocpp/BERLIN-01")) == 401


def test_a_retired_station_is_refused(plug_in: Plug, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(admission="retired")
    assert refused_with(plug_in) == 401


def test_a_pending_station_is_let_in_and_told_to_wait(plug_in: Plug, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(admission="pending")
    with plug_in() as station:
        boot = station.call("BootNotification", {"chargePointVendor": "Wallbe", "chargePointModel": "Eco"})
        assert boot["status"] == "Pending"
        assert station.call("Authorize", {"idTag": "04ADA0001"})["idTagInfo"] == {"status": "Invalid"}
        report = {"connectorId": 1, "idTag": "04ADA0001", "meterStart": 0, "timestamp": moment()}
        answer = station.call("StartTransaction", report)
        assert station.call("StartTransaction", report) == answer
    parked = ParkedReport.objects.get()
    assert parked.reason == "charge_point_pending"
    assert answer == {"transactionId": 2_147_483_647 - parked.pk, "idTagInfo": {"status": "Invalid"}}


def test_profile_two_is_refused_without_encryption(plug_in: Plug, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=2)
    assert refused_with(plug_in) == 401


def test_profile_zero_needs_the_operators_consent(plug_in: Plug, charge_point: ChargePoint, settings: Settings) -> None:
    ChargePoint.objects.update(security_profile=0)
    assert refused_with(lambda: plug_in(key="")) == 401
    settings.OCPP_ALLOW_UNAUTHENTICATED = True
    with plug_in(key="") as station:
        assert station.call("Heartbeat", {})


def test_the_old_key_works_until_the_new_one_has_been_shown(plug_in: Plug, charge_point: ChargePoint, key: str) -> None:
    new_key = issue_key(charge_point_id=charge_point.pk)
    plug_in(key=key).socket.close()
    plug_in(key=new_key).socket.close()
    assert refused_with(lambda: plug_in(key=key)) == 401


# Addresses, subprotocols, origins -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ocpp/BERLIN-01/", "/OCPP/berlin-01", "/ocpp/%42ERLIN-01", "/ocpp/berlin/BERLIN-01"])
def test_addresses_as_stations_write_them(plug_in: Plug, path: str) -> None:
    with plug_in(path=path) as station:
        assert station.call("Heartbeat", {})


def test_an_identity_with_a_slash_and_a_blank(plug_in: Plug) -> None:
    other = ConnectorFactory(evse__charge_point__identity="DE/VLT 1").charge_point
    with plug_in(
        identity=other.identity, key=issue_key(charge_point_id=other.pk), path="/ocpp/DE%2FVLT%201"
    ) as station:
        assert station.call("Heartbeat", {})


def test_the_subprotocol_is_agreed_or_the_socket_closed(plug_in: Plug) -> None:
    with plug_in(subprotocols=[]) as station:
        assert station.socket.subprotocol is None
        assert station.call("Heartbeat", {})
    with plug_in(subprotocols=["ocpp1.6", "ocpp2.0.1"]) as station:
        assert station.socket.subprotocol == "ocpp2.0.1"
    # What it spoke last is what it is configured for: without a word about it, it is no 1.6 station any longer.
    assert plug_in(subprotocols=[]).close_code() == 1002
    station = plug_in(subprotocols=["ocpp1.5"])
    assert station.socket.subprotocol is None
    assert station.close_code() == 1002


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1", "User-Agent": "Mozilla/5.0"},
    ],
)
def test_browsers_are_refused_even_with_the_key(plug_in: Plug, headers: dict[str, str]) -> None:
    assert refused_with(lambda: plug_in(headers=headers)) == 403


# Two sockets --------------------------------------------------------------------------------------------------


def test_a_second_socket_is_refused_while_the_first_answers(
    plug_in: Plug, charge_point: ChargePoint, gateway_url: str, key: str
) -> None:
    with plug_in() as first:
        outcome: list[int] = []
        second = threading.Thread(target=lambda: outcome.append(refused_with(plug_in)))
        second.start()
        question = first.request("GetConfiguration")
        first.reply(question, {"configurationKey": []})
        second.join(10)
        assert outcome == [409]
        assert first.call("Heartbeat", {})
    event = AuditEvent.objects.get(action="second_socket_refused")
    assert event.subject_id == str(charge_point.pk)


def test_a_silent_first_socket_is_replaced_and_fenced_off(
    plug_in: Plug, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpp_gateway.gateway.ALIVE_WITHIN_SECONDS", 0.2)
    first = plug_in()
    first.call("Heartbeat", {})
    with plug_in() as second:
        assert second.call("StatusNotification", status("Available")) == {}
        assert first.close_code() == 1000
        # The late end of the first socket does not put the second one offline.
        assert second.call("Heartbeat", {})
        charge_point.refresh_from_db()
        assert charge_point.is_connected
        assert StationConnection.objects.count() == 1


def test_a_socket_that_lost_its_place_to_another_process_is_closed(
    plug_in: Plug, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpp_gateway.services.rounds.HOUSEKEEPING_EVERY", timedelta(0))
    station = plug_in()
    station.call("Heartbeat", {})
    StationConnection.objects.update(connection_id=uuid.uuid4(), process_id=uuid.uuid4())
    assert station.close_code() == 1000
    charge_point.refresh_from_db()
    assert charge_point.is_connected


def test_the_end_of_the_socket_is_the_end_of_the_connection(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        station.call("Heartbeat", {})
        assert StationConnection.objects.get().subprotocol == "ocpp1.6"
        charge_point.refresh_from_db()
        assert charge_point.is_connected
    other = ConnectorFactory(evse__charge_point__identity="BERLIN-02").charge_point
    with plug_in(identity="BERLIN-02", key=issue_key(charge_point_id=other.pk)) as station:
        # The gateway closes sockets in order; by the time it has talked for a while the first one is gone.
        for _ in range(200):
            station.call("Heartbeat", {})
            charge_point.refresh_from_db()
            if not charge_point.is_connected:
                break
    assert not charge_point.is_connected


# Frames -------------------------------------------------------------------------------------------------------


def test_what_is_no_message_is_met_with_silence_and_kept(plug_in: Plug) -> None:
    with plug_in() as station:
        for text in ("hello", "[2]", "{}", '[2,"id","Heartbeat",{"a":NaN}]', "[" * 5_000, "\x00", "[3]"):
            station.send_text(text)
        station.socket.send(b"\xff\xfe")
        station.send_text('[3,"unasked",{}]')
        assert station.call("Heartbeat", {})
    assert OcppMessage.objects.filter(kind="invalid").count() == 8


def test_a_request_that_names_itself_is_refused_by_name(plug_in: Plug) -> None:
    with plug_in() as station:
        station.send_text('[2,"id","Heartbeat",[]]')
        assert station.receive() == [4, "id", "FormationViolation", "payload_not_an_object", {}]


def test_ten_in_a_row_close_the_socket(plug_in: Plug) -> None:
    with plug_in() as station:
        for _ in range(9):
            station.send_text("noise")
        station.call("Heartbeat", {})
        for _ in range(10):
            station.send_text("noise")
        assert station.close_code() == 1002


def test_binary_frames_are_read_as_text(plug_in: Plug) -> None:
    with plug_in() as station:
        station.socket.send(b'[2,"id","Heartbeat",{}]')
        assert station.receive()[:2] == [3, "id"]


def test_a_frame_beyond_the_limit_closes_the_socket(plug_in: Plug) -> None:
    with plug_in() as station:
        station.send_text(json.dumps([2, "id", "DataTransfer", {"vendorId": "x", "data": "x" * 1_100_000}]))
        assert station.close_code() == 1009


@pytest.mark.parametrize("nul", ["\x00", "\\u0000"])
def test_a_nul_costs_its_frame_and_nothing_else(plug_in: Plug, nul: str) -> None:
    with plug_in() as station:
        station.send_text(f'[2,"bad","Heart{nul}beat",{{}}]')
        station.send_text(f'[2,"worse","StopTransaction",{{"transactionId":1,"idTag":"{nul}"}}]')
        assert station.call("Heartbeat", {})
    assert not ParkedReport.objects.exists()
    kept = OcppMessage.objects.filter(direction="in", kind="invalid")
    assert kept.count() == 2
    assert not any("\x00" in row.frame for row in kept)


def test_a_long_request_is_refused_by_name_before_it_is_read(plug_in: Plug) -> None:
    with plug_in() as station:
        answer = station.ask("DataTransfer", {"vendorId": "x", "data": [[]] * 40_000}, "id")
        assert answer == [4, "id", "FormationViolation", "too_large", {}]
        assert station.call("Heartbeat", {})


@pytest.fixture
def narrow_url(transactional_db: None) -> Iterator[str]:
    """A gateway that slows a socket down after a thousand bytes and closes it after a moment of that."""
    limits = Limits(bytes_per_second=5_000, burst_bytes=1_000, throttled_seconds=0)
    route = re_path(r"^ocpp/(?P<identity>.+)$", StationConsumer.as_asgi(limits=limits))
    yield from serve(ProtocolTypeRouter({"websocket": URLRouter([route])}))


def test_few_frames_of_many_bytes_are_a_flood_too(narrow_url: str, charge_point: ChargePoint, key: str) -> None:
    with ScriptedStation(narrow_url, charge_point.identity, key) as station:
        for _ in range(4):
            assert station.call("Heartbeat", {})
        for number in range(4):
            station.send_text(f'[2,"{number}","DataTransfer",{{"vendorId":"x","data":"{"x" * 900}"}}]')
        assert station.close_code() == 1008


@pytest.fixture
def strict_url(transactional_db: None) -> Iterator[str]:
    """A gateway that slows a socket down after three frames and closes it after a moment of that."""
    limits = Limits(frames_per_second=1, burst=3, throttled_seconds=0)
    route = re_path(r"^ocpp/(?P<identity>.+)$", StationConsumer.as_asgi(limits=limits))
    yield from serve(ProtocolTypeRouter({"websocket": URLRouter([route])}))


def test_a_flood_is_slowed_down_and_then_closed(strict_url: str, charge_point: ChargePoint, key: str) -> None:
    with ScriptedStation(strict_url, charge_point.identity, key) as station:
        assert station.call("Heartbeat", {})
        for number in range(10):
            station.send_text(f'[2,"{number}","Heartbeat",{{}}]')
        assert station.close_code() == 1008


# Failures behind the door -------------------------------------------------------------------------------------


def test_a_failing_service_never_reaches_the_socket(plug_in: Plug, charge_point: ChargePoint) -> None:
    """The table of sessions is away: reports of transactions are kept, everything is answered."""
    with plug_in() as station:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE billing_chargingsession RENAME COLUMN start_reported_at TO away")
        try:
            report = {"connectorId": 1, "idTag": "04ADA0001", "meterStart": 0, "timestamp": moment()}
            started = station.call("StartTransaction", report)
            assert started["idTagInfo"] == {"status": "Invalid"}
            assert station.call("StatusNotification", status("Charging")) == {}
            assert station.call("Heartbeat", {})
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE billing_chargingsession RENAME COLUMN away TO start_reported_at")
    parked = ParkedReport.objects.get()
    assert (parked.action, parked.reason, parked.payload) == ("StartTransaction", "internal_error", report)
