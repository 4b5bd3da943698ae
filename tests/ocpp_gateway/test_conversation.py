"""A station's conversation over a real socket, from boot to stop."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import AuditEvent, Token
from billing.models import ChargingSession, MeterValue
from locations.models import ChargePoint, Connector
from locations.services.credentials import issue_key
from ocpp_gateway.models import Command, OcppMessage, ParkedReport
from tests.factories import ConnectorFactory
from tests.ocpp_gateway.station import ScriptedStation

Plug = Callable[..., ScriptedStation]


def moment(seconds_ago: int = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds").replace("+00:00", "Z")


def start(**changes: Any) -> dict[str, Any]:
    return {"connectorId": 1, "idTag": "04ADA0001", "meterStart": 1_000, "timestamp": moment(3_600)} | changes


def energy(value: str, *, session_id: int | None, at: str, unit: str = "Wh") -> dict[str, Any]:
    sample = {"value": value, "measurand": "Energy.Active.Import.Register", "unit": unit}
    payload: dict[str, Any] = {"connectorId": 1, "meterValue": [{"timestamp": at, "sampledValue": [sample]}]}
    return payload if session_id is None else payload | {"transactionId": session_id}


def test_from_boot_to_stop(plug_in: Plug, charge_point: ChargePoint, connector: Connector, ada: Token) -> None:
    with plug_in() as station:
        boot = station.call(
            "BootNotification",
            {"chargePointVendor": "Wallbe", "chargePointModel": "Eco 2", "chargePointSerialNumber": "W-1"},
        )
        assert boot["status"] == "Accepted"
        assert boot["interval"] == 60
        assert datetime.fromisoformat(boot["currentTime"]).tzinfo is not None
        assert station.call("StatusNotification", status("Preparing", seconds_ago=3_630)) == {}
        assert station.call("Authorize", {"idTag": "04ada0001"}) == {"idTagInfo": {"status": "Accepted"}}

        started = station.call("StartTransaction", start())
        session_id = started["transactionId"]
        assert started["idTagInfo"] == {"status": "Accepted"}
        assert station.call("StatusNotification", status("Charging", seconds_ago=3_600)) == {}
        assert station.call("MeterValues", energy("1.5005", session_id=session_id, at=moment(300), unit="kWh")) == {}
        assert (
            station.call(
                "StopTransaction",
                {
                    "transactionId": session_id,
                    "meterStop": 6_000,
                    "timestamp": moment(5),
                    "reason": "EVDisconnected",
                    "idTag": "04ADA0001",
                },
            )
            == {}
        )
        assert station.call("StatusNotification", status("Available")) == {}

    charge_point.refresh_from_db()
    connector.refresh_from_db()
    assert str(charge_point.model) == "Wallbe Eco 2"
    assert charge_point.serial_number == "W-1"
    assert connector.status == "Available"
    session = ChargingSession.objects.get()
    assert session.pk == session_id
    assert session.driver == ada.driver
    assert session.status == "ended"
    assert session.meter_start_wh == Decimal(1_000)
    assert session.meter_stop_wh == Decimal(6_000)
    assert session.energy_wh == Decimal(5_000)
    assert session.stop_reason == "EVDisconnected"
    stored = MeterValue.objects.get(charging_session=session, measurand="energy_wh")
    assert stored.value == Decimal("1500.5")
    assert not ParkedReport.objects.exists()
    assert not Command.objects.exists()


def status(value: str, *, seconds_ago: int = 0, error: str = "NoError") -> dict[str, Any]:
    return {"connectorId": 1, "status": value, "errorCode": error, "timestamp": moment(seconds_ago)}


@pytest.mark.parametrize("second_id", ["first", "second"])
def test_a_repeated_start_returns_the_same_transaction(plug_in: Plug, ada: Token, second_id: str) -> None:
    payload = start()
    with plug_in() as station:
        first = station.call("StartTransaction", payload, "first")
        assert station.call("StartTransaction", payload, second_id) == first
    with plug_in() as station:
        assert station.call("StartTransaction", payload, second_id) == first
    assert ChargingSession.objects.count() == 1


def test_a_stop_for_an_unknown_transaction_is_answered_and_parked_once(
    plug_in: Plug, charge_point: ChargePoint
) -> None:
    report = {"transactionId": 4711, "meterStop": 900, "timestamp": moment(5)}
    with plug_in() as station:
        assert station.call("StopTransaction", report) == {}
        assert station.call("StopTransaction", report) == {}
    parked = ParkedReport.objects.get()
    assert parked.charge_point == charge_point
    assert parked.reason == "unknown_transaction"
    assert parked.payload == report
    assert parked.resolved_at is None


@pytest.mark.parametrize("placeholder", [-1, 0, 2**63 - 1])
def test_a_stop_with_a_placeholder_id_is_answered(plug_in: Plug, placeholder: int, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        stop = {"transactionId": placeholder, "meterStop": 900, "timestamp": moment(5)}
        assert station.call("StopTransaction", stop) == {}
    assert ParkedReport.objects.get().reason == "unknown_transaction"


def test_a_stop_with_a_placeholder_id_ends_the_only_session_that_fits(plug_in: Plug, ada: Token) -> None:
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
        stop = {"transactionId": -1, "meterStop": 6_000, "timestamp": moment(5), "idTag": "04ADA0001"}
        assert station.call("StopTransaction", stop) == {}
    assert ChargingSession.objects.get(pk=session_id).meter_stop_wh == Decimal(6_000)
    assert not ParkedReport.objects.exists()


def test_another_points_transaction_has_no_effect_and_leaves_a_trace(
    plug_in: Plug, connector: Connector, ada: Token
) -> None:
    other = ConnectorFactory(evse__charge_point__identity="BERLIN-02").charge_point
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
    stop = {"transactionId": session_id, "meterStop": 6_000, "timestamp": moment(5), "idTag": "04ADA0001"}
    with plug_in(identity="BERLIN-02", key=issue_key(charge_point_id=other.pk)) as stranger:
        assert stranger.call("MeterValues", energy("9000", session_id=session_id, at=moment(100))) == {}
        assert stranger.call("MeterValues", energy("9001", session_id=session_id, at=moment(90))) == {}
        assert stranger.call("StopTransaction", stop) == {}
        assert stranger.call("MeterValues", energy("9002", session_id=session_id + 77, at=moment(80))) == {}
    session = ChargingSession.objects.get()
    assert (session.status, session.energy_wh) == ("active", Decimal(0))
    parked = ParkedReport.objects.get()
    assert (parked.charge_point, parked.reason, parked.suggested_session) == (other, "foreign_transaction_id", None)
    event = AuditEvent.objects.get(action="foreign_transaction_id")
    assert (event.actor, event.subject_type, event.subject_id) == (None, "locations.chargepoint", str(other.pk))
    assert event.data == {"message": "MeterValues", "transaction_id": session_id}


def test_a_transaction_nobody_has_is_not_another_points(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        assert station.call("StopTransaction", {"transactionId": 4711, "meterStop": 1, "timestamp": moment(5)}) == {}
    assert ParkedReport.objects.get().reason == "unknown_transaction"
    assert not AuditEvent.objects.filter(action="foreign_transaction_id").exists()


def test_an_unknown_tag_is_refused_and_its_start_is_kept_and_stopped(plug_in: Plug, connector: Connector) -> None:
    with plug_in() as station:
        assert station.call("Authorize", {"idTag": "STRANGER"}) == {"idTagInfo": {"status": "Invalid"}}
        started = station.call("StartTransaction", start(idTag="STRANGER", timestamp=moment(2)))
        assert started["idTagInfo"] == {"status": "Invalid"}
        stop = station.request("RemoteStopTransaction")
        assert stop[3] == {"transactionId": started["transactionId"]}
    session = ChargingSession.objects.get()
    assert session.review_reason == "unknown_token"


def test_a_start_that_cannot_be_read_is_refused_and_parked(plug_in: Plug, charge_point: ChargePoint) -> None:
    report = {"connectorId": "plug A", "idTag": "04ADA0001", "meterStart": 0, "timestamp": moment(5)}
    with plug_in() as station:
        answer = station.ask("StartTransaction", report)
        assert answer[0] == 4
        assert answer[2] == "TypeConstraintViolation"
        assert station.call("Heartbeat", {})
    assert ParkedReport.objects.get().reason == "not_readable"


def test_meter_values_without_a_transaction_go_to_the_running_session(plug_in: Plug, ada: Token) -> None:
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
        assert station.call("MeterValues", energy("2000", session_id=None, at=moment(300))) == {}
        assert station.call("MeterValues", energy("2000", session_id=-1, at=moment(200))) == {}
        assert station.call("MeterValues", energy("9999", session_id=session_id + 77, at=moment(100))) == {}
    assert ChargingSession.objects.get().energy_wh == Decimal(1_000)
    assert MeterValue.objects.filter(measurand="energy_wh").count() == 2


def test_the_log_keeps_both_sides_and_masks_the_tag(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        station.call("Authorize", {"idTag": "04ADA000123"}, "auth-1")
        station.call("Heartbeat", {}, "beat-1")
        # What was sent before is stored when the next request is answered.
        station.call("Heartbeat", {}, "beat-2")
    rows = list(
        OcppMessage.objects.filter(charge_point=charge_point)
        .order_by("pk")
        .values_list("direction", "kind", "action", "unique_id")[:4]
    )
    assert rows == [
        ("in", "call", "Authorize", "auth-1"),
        ("out", "result", "Authorize", "auth-1"),
        ("in", "call", "Heartbeat", "beat-1"),
        ("out", "result", "Heartbeat", "beat-1"),
    ]
    assert OcppMessage.objects.earliest("pk").frame == '[2, "auth-1", "Authorize", {"idTag": "04***23"}]'


def test_other_messages_are_answered(plug_in: Plug) -> None:
    with plug_in() as station:
        assert station.call("DataTransfer", {"vendorId": "org.example"}) == {"status": "UnknownVendorId"}
        assert station.call("FirmwareStatusNotification", {"status": "Installed"}) == {}
        assert station.call("DiagnosticsStatusNotification", {"status": "Idle"}) == {}
        assert station.call("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": moment()}) == {}
        assert station.call("LogStatusNotification", {"status": "Idle", "requestId": 1}) == {}
        assert station.call("SignCertificate", {"csr": "pem"}) == {"status": "Rejected"}
        assert station.ask("MakeCoffee", {})[2] == "NotImplemented"
