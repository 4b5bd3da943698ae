"""A charge point that speaks OCPP 2.0.1, and short words for what it says."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from locations.models import ChargePoint
from tests.ocpp_gateway.station import ScriptedStation

Plug = Callable[..., ScriptedStation]
TAG = "04ADA0001"
# A session of half an hour that ended a minute ago.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=31)


@pytest.fixture
def plug_in_201(gateway_url: str, charge_point: ChargePoint, key: str) -> Iterator[Plug]:
    """Open a 2.0.1 socket of the charge point; every socket is closed at the end."""
    stations: list[ScriptedStation] = []

    def open_socket(**options: Any) -> ScriptedStation:
        identity = options.pop("identity", charge_point.identity)
        options.setdefault("subprotocols", ["ocpp2.0.1"])
        station = ScriptedStation(gateway_url, identity, options.pop("key", key), **options)
        stations.append(station)
        return station

    yield open_socket
    for station in stations:
        station.socket.close()


def moment(minutes: float = 0) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def energy(minutes: float, value: float, **sample: Any) -> list[dict[str, Any]]:
    """A meterValue list with one energy register, in Wh unless the sample says otherwise."""
    return [{"timestamp": moment(minutes), "sampledValue": [{"value": value} | sample]}]


def event(kind: str, seq_no: int, minutes: float, *, transaction_id: str = "TX-1", **fields: Any) -> dict[str, Any]:
    """A TransactionEvent. `state`, `reason`, `remote` go into transactionInfo, `tag` becomes an idToken."""
    info: dict[str, Any] = {"transactionId": transaction_id}
    for name, key in (("state", "chargingState"), ("reason", "stoppedReason"), ("remote", "remoteStartId")):
        if name in fields:
            info[key] = fields.pop(name)
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": moment(minutes),
        "triggerReason": fields.pop("trigger", "Trigger"),
        "seqNo": seq_no,
        "transactionInfo": info,
    }
    if "tag" in fields:
        payload["idToken"] = {"idToken": fields.pop("tag"), "type": "ISO14443"}
    return payload | fields


def whole_session(transaction_id: str = "TX-1") -> list[dict[str, Any]]:
    """Half an hour, 5 kWh, every event carrying what well-behaved stations send: 2.38 € gross."""
    evse = {"id": 1, "connectorId": 1}
    return [
        event(
            "Started", 0, 0, transaction_id=transaction_id, tag=TAG, evse=evse, trigger="Authorized",
            state="EVConnected", meterValue=energy(0, 1000, context="Transaction.Begin"),
        ),
        event("Updated", 1, 1, transaction_id=transaction_id, trigger="ChargingStateChanged", state="Charging"),
        event("Updated", 2, 10, transaction_id=transaction_id, meterValue=energy(10, 2500)),
        event("Updated", 3, 20, transaction_id=transaction_id, meterValue=energy(20, 4250)),
        event(
            "Ended", 4, 30, transaction_id=transaction_id, tag=TAG, trigger="EVDeparted", reason="EVDisconnected",
            state="Idle", meterValue=energy(30, 6000, context="Transaction.End"),
        ),
    ]  # fmt: skip
