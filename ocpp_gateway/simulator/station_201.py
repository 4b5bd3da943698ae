"""A simulated station that speaks OCPP 2.0.1; its cars and their stays are those of every simulated station."""

import uuid
from typing import Any, Final

from ocpp_gateway.domain.values import write_moment
from ocpp_gateway.simulator.socket import Answer
from ocpp_gateway.simulator.station import PLUG_IN_SECONDS, UNPLUG_SECONDS, Plug, SimulatedStation
from ocpp_gateway.simulator.vehicles import Vehicle, arriving_vehicle

# Our pages' words for a connector as a 2.0.1 station says them; anything else is Occupied.
_CONNECTOR_STATUS: Final = frozenset({"Available", "Faulted", "Reserved", "Unavailable"})
_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "ChangeAvailability": {"status": "Accepted"},
    "ClearCache": {"status": "Accepted"},
    "CostUpdated": {},
    "DataTransfer": {"status": "UnknownVendorId"},
    "GetBaseReport": {"status": "NotSupported"},
    "GetLocalListVersion": {"versionNumber": 0},
    "Reset": {"status": "Rejected"},
    "TriggerMessage": {"status": "NotImplemented"},
    "UnlockConnector": {"status": "UnlockFailed"},
}


class SimulatedStation201(SimulatedStation):
    """One station. A transaction begins when a token was accepted and ends when the vehicle has left or was stopped."""

    subprotocol = "ocpp2.0.1"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seq_no: dict[int, int] = {}
        self._remote_start_ids: dict[int, int] = {}

    def _introduction(self) -> dict[str, Any]:
        return {
            "reason": "PowerUp",
            "chargingStation": {
                "vendorName": "Voltledger",
                "model": "Simulated",
                "serialNumber": self.plan.identity[:25],
                "firmwareVersion": "2.0",
            },
        }

    async def _report(self, plug: Plug, status: str) -> None:
        """Within a transaction its events tell what goes on; the connector stays occupied."""
        plug.status = status
        if plug.transaction_id is not None:
            if status == "SuspendedEV":
                await self._tell(plug, "Updated", "ChargingStateChanged", chargingState=status)
            return
        await self._socket.call(
            "StatusNotification",
            {
                "timestamp": write_moment(self._clock.now()),
                "connectorStatus": status if status in _CONNECTOR_STATUS else "Occupied",
                "evseId": plug.plan.evse_number,
                "connectorId": plug.plan.position,
            },
        )

    async def _session(self, plug: Plug, id_tag: str, *, authorize: bool) -> bool:
        token = {"idToken": id_tag, "type": "ISO14443" if authorize else "Central"}
        await self._report(plug, "Preparing")
        await self._clock.sleep(PLUG_IN_SECONDS)
        if authorize and not _is_welcome(await self._socket.call("Authorize", {"idToken": token})):
            await self._report(plug, "Available")
            return False
        plug.stopped.clear()
        plug.stop_reason = ""
        plug.transaction_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        self._seq_no[plug.plan.number] = 0
        remote = self._remote_start_ids.pop(plug.plan.number, None)
        started = await self._tell(
            plug,
            "Started",
            "Authorized" if remote is None else "RemoteStart",
            samples=[_register(plug, "Transaction.Begin")],
            token=token,
            chargingState="Charging",
            **({} if remote is None else {"remoteStartId": remote}),
        )
        plug.status = "Charging"
        is_accepted = _is_welcome(started)
        if is_accepted:
            await self._fill(plug, arriving_vehicle(self._chance))
        reason = (plug.stop_reason or "Local") if is_accepted else "DeAuthorized"
        await self._tell(
            plug,
            "Ended",
            {"Remote": "RemoteStop", "DeAuthorized": "Deauthorized"}.get(reason, "StopAuthorized"),
            samples=[_register(plug, "Transaction.End")],
            chargingState="EVConnected",
            stoppedReason=reason,
        )
        plug.transaction_id = None
        await self._report(plug, "Finishing")
        await self._clock.sleep(UNPLUG_SECONDS)
        await self._report(plug, "Available")
        self.sessions += int(is_accepted)
        return is_accepted

    async def _measure(self, plug: Plug, vehicle: Vehicle, power_w: int) -> None:
        samples = [
            _register(plug, "Sample.Periodic"),
            {"value": power_w, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W"}},
        ]
        if plug.plan.is_dc:
            samples.append(
                {"value": float(vehicle.soc_percent), "measurand": "SoC", "unitOfMeasure": {"unit": "Percent"}}
            )
        await self._tell(plug, "Updated", "MeterValuePeriodic", samples=samples)

    async def _tell(
        self,
        plug: Plug,
        kind: str,
        trigger: str,
        *,
        samples: list[dict[str, Any]] | None = None,
        token: dict[str, str] | None = None,
        **about: Any,
    ) -> dict[str, Any]:
        """One TransactionEvent."""
        at = write_moment(self._clock.now())
        event: dict[str, Any] = {
            "eventType": kind,
            "timestamp": at,
            "triggerReason": trigger,
            "seqNo": self._seq_no[plug.plan.number],
            "transactionInfo": {"transactionId": plug.transaction_id} | about,
            "evse": {"id": plug.plan.evse_number, "connectorId": plug.plan.position},
        }
        self._seq_no[plug.plan.number] += 1
        if samples:
            event["meterValue"] = [{"timestamp": at, "sampledValue": samples}]
        if token is not None:
            event["idToken"] = token
        return await self._socket.call("TransactionEvent", event)

    async def _asked(self, action: str, payload: dict[str, Any]) -> Answer:
        if action == "RequestStartTransaction":
            return "", {"status": "Accepted" if self._begin(payload) else "Rejected"}
        if action == "RequestStopTransaction":
            return "", {"status": "Accepted" if self._stop_remotely(payload["transactionId"]) else "Rejected"}
        if action == "GetVariables":
            results = [entry | {"attributeStatus": "UnknownVariable"} for entry in payload["getVariableData"]]
            return "", {"getVariableResult": results}
        return ("", dict(_ANSWERS[action])) if action in _ANSWERS else ("NotImplemented", {})

    def _begin(self, payload: dict[str, Any]) -> bool:
        evse_number = payload.get("evseId")
        for plug in self._plugs.values():
            if evse_number in (None, plug.plan.evse_number) and self._start_remotely(
                {"connectorId": plug.plan.number, "idTag": payload["idToken"]["idToken"]}
            ):
                self._remote_start_ids[plug.plan.number] = payload["remoteStartId"]
                return True
        return False


def _register(plug: Plug, context: str) -> dict[str, Any]:
    return {"value": int(plug.register_wh), "context": context, "unitOfMeasure": {"unit": "Wh"}}


def _is_welcome(answer: dict[str, Any]) -> bool:
    return bool(answer.get("idTokenInfo", {}).get("status") == "Accepted")
