"""TransactionEvent on real sockets: what a session becomes, whatever its station leaves out."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Token
from billing.models import Cdr, ChargingSession, MeterValue
from locations.models import ChargePoint, Connector
from ocpp_gateway.models import ParkedReport
from tests.ocpp_gateway.v201.conftest import TAG, Plug, energy, event, whole_session

pytestmark = pytest.mark.usefixtures("ada")


def told(station: Any, *events: dict[str, Any]) -> list[dict[str, Any]]:
    return [station.call("TransactionEvent", payload) for payload in events]


def test_a_session_from_start_to_end_is_billed_and_its_price_told(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        answers = told(station, *whole_session())
    session = ChargingSession.objects.get()
    assert (session.status, session.outcome, session.station_transaction_id) == ("ended", "billed", "TX-1")
    assert Cdr.objects.get().gross == Decimal("2.38")
    assert answers[0]["idTokenInfo"]["status"] == "Accepted"
    assert answers[1:4] == [{}, {}, {}]
    assert answers[4]["totalCost"] == 2.38
    assert session.energy_wh == Decimal(5000)
    assert session.stop_reason == "EVDisconnected"
    assert Connector.objects.get().status == "Available"


def test_the_token_may_come_after_the_plug(plug_in_201: Plug) -> None:
    """Nobody pays for the time before somebody has shown a token."""
    evse = {"id": 1, "connectorId": 1}
    with plug_in_201() as station:
        told(
            station,
            event(
                "Started", 0, 0, trigger="CablePluggedIn", evse=evse, state="EVConnected", meterValue=energy(0, 1000)
            ),
        )
        assert not ChargingSession.objects.exists()
        answer = station.call("TransactionEvent", event("Updated", 1, 10, trigger="Authorized", tag=TAG))
        assert answer["idTokenInfo"]["status"] == "Accepted"
        told(
            station,
            event("Updated", 2, 11, state="Charging"),
            event("Ended", 3, 30, state="Idle", meterValue=energy(30, 5000)),
        )
    session = ChargingSession.objects.get()
    assert session.started_at is not None
    assert session.ended_at is not None
    assert (session.ended_at - session.started_at).total_seconds() == 20 * 60
    assert (session.meter_start_wh, session.energy_wh, session.outcome) == (Decimal(1000), Decimal(4000), "billed")


def test_a_plug_without_a_token_and_without_energy_is_no_session(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        told(
            station,
            event("Started", 0, 0, evse={"id": 1}, state="EVConnected", meterValue=energy(0, 1000)),
            event("Ended", 1, 5, state="Idle", meterValue=energy(5, 1000)),
        )
    assert not ChargingSession.objects.exists()
    assert not ParkedReport.objects.exists()


def test_energy_without_a_token_waits_for_a_decision(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        told(
            station,
            event("Started", 0, 0, evse={"id": 1}, state="Charging", meterValue=energy(0, 1000)),
            event("Ended", 1, 30, state="Idle", meterValue=energy(30, 3000)),
        )
    session = ChargingSession.objects.get()
    assert (session.outcome, session.review_reason, session.energy_wh) == ("in_review", "unknown_token", Decimal(2000))


def test_an_evse_without_a_connector_is_its_only_connector(plug_in_201: Plug, connector: Connector) -> None:
    with plug_in_201() as station:
        told(station, event("Started", 0, 0, tag=TAG, evse={"id": 1}, meterValue=energy(0, 0)))
    assert ChargingSession.objects.get().connector == connector


def test_an_evse_nobody_knows_is_a_session_in_review(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        told(station, event("Started", 0, 0, tag=TAG, evse={"id": 9}, meterValue=energy(0, 0)))
    session = ChargingSession.objects.get()
    assert (session.connector, session.review_reason) == (None, "unknown_connector")


@pytest.mark.parametrize(
    ("sample", "wh"),
    [
        ({"value": 6, "unitOfMeasure": {"unit": "kWh"}}, "6000"),
        ({"value": 6, "unitOfMeasure": {"multiplier": 3}}, "6000"),
        ({"value": 60000, "unitOfMeasure": {"unit": "Wh", "multiplier": -1}}, "6000"),
        ({"value": 6000.12345, "measurand": "Energy.Active.Import.Register"}, "6000.1234"),
        ({"value": "6000"}, "6000"),
    ],
)
def test_units_and_powers_of_ten(plug_in_201: Plug, sample: dict[str, Any], wh: str) -> None:
    events = whole_session()
    events[4]["meterValue"][0]["sampledValue"] = [sample]
    with plug_in_201() as station:
        told(station, *events)
    assert ChargingSession.objects.get().meter_stop_wh == Decimal(wh)


@pytest.mark.parametrize(
    "sample",
    [
        {"value": 99999, "location": "Inlet"},
        {"value": 99999, "phase": "L1"},
        {"value": 99999, "measurand": "Energy.Active.Export.Register"},
        {"value": 99999, "unitOfMeasure": {"unit": "kvarh"}},
        {"value": 99999, "unitOfMeasure": {"multiplier": 30}},
        {"value": "much"},
    ],
)
def test_samples_that_are_not_the_register_are_not_read_as_one(plug_in_201: Plug, sample: dict[str, Any]) -> None:
    events = whole_session()
    events[4]["meterValue"][0]["sampledValue"].append(sample)
    with plug_in_201() as station:
        told(station, *events)
    assert ChargingSession.objects.get().meter_stop_wh == Decimal(6000)


def test_charging_states_are_charging_and_parking(plug_in_201: Plug) -> None:
    """The vehicle that asks for nothing parks; one the station holds back does not; connected before charging is not
    parking, after it is."""
    evse = {"id": 1}
    with plug_in_201() as station:
        told(
            station,
            event("Started", 0, 0, tag=TAG, evse=evse, state="EVConnected", meterValue=energy(0, 0)),
            event("Updated", 1, 1, state="Charging"),
            event("Updated", 2, 5, state="SuspendedEVSE"),
            event("Updated", 3, 9, state="SuspendedEV"),
        )
        assert Connector.objects.get().status == "SuspendedEV"
        told(station, event("Updated", 4, 12, state="Charging"), event("Updated", 5, 20, state="EVConnected"))
    states = MeterValue.objects.filter(measurand="charging").order_by("occurred_at").values_list("value", flat=True)
    assert list(states) == [Decimal(1), Decimal(1), Decimal(0), Decimal(1), Decimal(0)]


def test_meter_values_beside_the_events_count_for_the_session(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        told(station, whole_session()[0])
        assert station.call("MeterValues", {"evseId": 1, "meterValue": energy(5, 2000)}) == {}
        assert station.call("MeterValues", {"evseId": 0, "meterValue": energy(6, 9000)}) == {}
        assert station.call("MeterValues", {"evseId": 7, "meterValue": energy(7, 9000)}) == {}
    assert ChargingSession.objects.get().energy_wh == Decimal(1000)


def test_a_vehicle_that_stays_keeps_the_place_until_it_leaves(plug_in_201: Plug) -> None:
    events = whole_session()
    events[4]["transactionInfo"] = {"transactionId": "TX-1", "chargingState": "EVConnected", "stoppedReason": "Local"}
    events[4]["triggerReason"] = "StopAuthorized"
    with plug_in_201() as station:
        told(station, *events)
        assert Connector.objects.get().status == "Finishing"


def test_an_end_without_a_register_waits_for_a_decision(plug_in_201: Plug) -> None:
    events = whole_session()
    del events[4]["meterValue"]
    with plug_in_201() as station:
        answer = told(station, *events)[-1]
    assert "totalCost" not in answer
    assert ChargingSession.objects.get().review_reason == "meter_stop_missing"


def test_a_session_too_short_to_bill_costs_nothing_and_the_station_is_told(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        answers = told(
            station,
            event("Started", 0, 0, tag=TAG, evse={"id": 1}, meterValue=energy(0, 0)),
            event("Ended", 1, 1, state="Idle", meterValue=energy(1, 90)),
        )
    assert answers[1]["totalCost"] == 0
    assert ChargingSession.objects.get().free_rule == "below_least_duration"


def test_a_refused_token_is_told_so_and_the_station_asked_to_stop(plug_in_201: Plug, ada: Token) -> None:
    ada.status = Token.Status.BLOCKED
    ada.save()
    start = event("Started", 0, 0, tag=TAG, evse={"id": 1}, meterValue=energy(0, 0))
    start["timestamp"] = datetime.now(UTC).isoformat()
    with plug_in_201() as station:
        assert station.call("TransactionEvent", start)["idTokenInfo"] == {"status": "Blocked"}
        request = station.request("RequestStopTransaction")
        assert request[3] == {"transactionId": "TX-1"}
        station.reply(request, {"status": "Accepted"})
    assert ChargingSession.objects.get().review_reason == "token_blocked"


def test_a_point_that_waits_for_approval_starts_nothing(plug_in_201: Plug, charge_point: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(admission="pending")
    with plug_in_201() as station:
        assert told(station, whole_session()[0]) == [{"idTokenInfo": {"status": "Invalid"}}]
    assert ParkedReport.objects.get().reason == "charge_point_pending"
    assert not ChargingSession.objects.exists()
