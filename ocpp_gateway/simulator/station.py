"""A simulated station: boots, keeps in touch, charges cars, and does what it is asked."""

import asyncio
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from ocpp_gateway.domain.values import write_moment
from ocpp_gateway.simulator.clock import StationClock
from ocpp_gateway.simulator.network import ConnectorPlan, StationPlan
from ocpp_gateway.simulator.socket import Answer, CallFailed, StationSocket
from ocpp_gateway.simulator.vehicles import Vehicle, arriving_vehicle

logger = logging.getLogger(__name__)

# Seconds on the station's clock between two meter values: often for somebody who watches, seldom in the past.
SAMPLE_WATCHED: Final = 10
SAMPLE_PAST: Final = 60
# How long charging goes on, how long a full car stays, how long a place stays empty: seconds, from and to.
STAY_WATCHED: Final = (180, 480)
STAY_PAST: Final = (900, 4_500)
LINGER_WATCHED: Final = (20, 60)
LINGER_PAST: Final = (120, 1_200)
EMPTY: Final = (120, 900)
_FIRST_CAR: Final = (2, 45)
PLUG_IN_SECONDS: Final = 3
UNPLUG_SECONDS: Final = 8
# A stay that began in the past ends this soon once the clock shows our time.
_WATCHED_REST_SECONDS: Final = 60


@dataclass
class Plug:
    """A connector and what happens at it."""

    plan: ConnectorPlan
    register_wh: Decimal
    status: str = "Available"
    transaction_id: int | str | None = None
    stop_reason: str = ""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    taken: asyncio.Lock = field(default_factory=asyncio.Lock)


class SimulatedStation:
    """One station, speaking OCPP 1.6. `sessions` counts the sessions it has finished."""

    subprotocol = "ocpp1.6"

    def __init__(
        self, plan: StationPlan, *, url: str, id_tags: Sequence[str], clock: StationClock, chance: random.Random
    ) -> None:
        self.plan = plan
        self.sessions = 0
        self._id_tags = id_tags
        self._clock = clock
        self._chance = chance
        self._plugs = {item.number: Plug(item, item.register_wh) for item in plan.connectors}
        self._socket = StationSocket(
            url=url, identity=plan.identity, key=plan.key, subprotocol=self.subprotocol, on_request=self._asked
        )
        self._remote_sessions: set[asyncio.Task[bool]] = set()
        self._greeted = asyncio.Event()

    async def run(self, *, once: bool) -> None:
        """Charge cars at every connector for ever; with `once` until one session is finished. Raises socket.Refused."""
        connected = asyncio.create_task(self._socket.run(self._greet))
        busy = asyncio.create_task(self._welcome_all(once=once))
        try:
            await asyncio.wait({connected, busy}, return_when=asyncio.FIRST_COMPLETED)
            for ended in (connected, busy):
                if ended.done():
                    ended.result()
        finally:
            for task in (connected, busy, *self._remote_sessions):
                task.cancel()
            await asyncio.gather(connected, busy, return_exceptions=True)

    # Keeping in touch -----------------------------------------------------------------------------------------

    async def _greet(self) -> None:
        """After each connection: boot, every connector's status, then a heartbeat as often as asked."""
        boot = await self._socket.call("BootNotification", self._introduction())
        for plug in self._plugs.values():
            await self._report(plug, plug.status)
        self._greeted.set()
        while True:
            await asyncio.sleep(max(int(boot.get("interval", 0)), 10))
            await self._socket.call("Heartbeat", {})

    def _introduction(self) -> dict[str, Any]:
        return {
            "chargePointVendor": "Voltledger",
            "chargePointModel": "Simulated",
            "chargePointSerialNumber": self.plan.identity[:25],
            "firmwareVersion": "1.0",
        }

    async def _report(self, plug: Plug, status: str) -> None:
        plug.status = status
        await self._socket.call(
            "StatusNotification",
            {
                "connectorId": plug.plan.number,
                "errorCode": "NoError",
                "status": status,
                "timestamp": write_moment(self._clock.now()),
            },
        )

    # Charging -------------------------------------------------------------------------------------------------

    async def _welcome_all(self, *, once: bool) -> None:
        plugs = list(self._plugs.values())
        await asyncio.gather(*(self._welcome_cars(plug, once=once) for plug in (plugs[:1] if once else plugs)))

    async def _welcome_cars(self, plug: Plug, *, once: bool) -> None:
        await self._greeted.wait()
        if not once:
            # Something happens soon, but places stay free for whoever wants to try one.
            is_first = plug.plan.number == min(self._plugs)
            await self._clock.sleep(self._chance.randint(*(_FIRST_CAR if is_first else EMPTY)))
        for id_tag in self._cards(once=once):
            async with plug.taken:
                finished = await self._charge(plug, id_tag, authorize=True)
            if once and finished:
                return
            if not once:
                await self._clock.sleep(self._chance.randint(*EMPTY))

    def _cards(self, *, once: bool) -> Iterator[str]:
        """For one session every card is tried in turn; otherwise some card, again and again."""
        if once:
            yield from self._chance.sample(self._id_tags, len(self._id_tags))
        while not once:
            yield self._chance.choice(self._id_tags)

    async def _charge(self, plug: Plug, id_tag: str, *, authorize: bool) -> bool:
        """One car from plug to plug. False when its card was refused."""
        try:
            return await self._session(plug, id_tag, authorize=authorize)
        except CallFailed as error:
            logger.warning("%s: %s", self.plan.identity, error)
            return False

    async def _session(self, plug: Plug, id_tag: str, *, authorize: bool) -> bool:
        await self._report(plug, "Preparing")
        await self._clock.sleep(PLUG_IN_SECONDS)
        if authorize and not _is_accepted(await self._socket.call("Authorize", {"idTag": id_tag})):
            await self._report(plug, "Available")
            return False
        started = await self._socket.call(
            "StartTransaction",
            {
                "connectorId": plug.plan.number,
                "idTag": id_tag,
                "meterStart": int(plug.register_wh),
                "timestamp": write_moment(self._clock.now()),
            },
        )
        plug.stopped.clear()
        plug.stop_reason = ""
        plug.transaction_id = int(started["transactionId"])
        is_accepted = _is_accepted(started)
        if is_accepted:
            await self._report(plug, "Charging")
            await self._fill(plug, arriving_vehicle(self._chance))
        await self._socket.call(
            "StopTransaction",
            {
                "transactionId": plug.transaction_id,
                "idTag": id_tag,
                "meterStop": int(plug.register_wh),
                "timestamp": write_moment(self._clock.now()),
                "reason": (plug.stop_reason or "Local") if is_accepted else "DeAuthorized",
            },
        )
        plug.transaction_id = None
        await self._report(plug, "Finishing")
        await self._clock.sleep(UNPLUG_SECONDS)
        await self._report(plug, "Available")
        self.sessions += int(is_accepted)
        return is_accepted

    async def _fill(self, plug: Plug, vehicle: Vehicle) -> None:
        """Meter values until the stay is over, somebody stops it, or the car is full and has lingered."""
        is_watched = self._clock.has_caught_up
        stay, linger = (STAY_WATCHED, LINGER_WATCHED) if is_watched else (STAY_PAST, LINGER_PAST)
        measured_at = self._clock.now()
        leaves_at = measured_at + timedelta(seconds=self._chance.randint(*stay))
        while measured_at < leaves_at:
            power_w = vehicle.power_w(is_dc=plug.plan.is_dc, rated_w=plug.plan.rated_w)
            if power_w == 0 and plug.status == "Charging":
                await self._report(plug, "SuspendedEV")
                leaves_at = min(leaves_at, measured_at + timedelta(seconds=self._chance.randint(*linger)))
            await self._wait_for_sample(plug)
            elapsed = self._clock.now() - measured_at
            measured_at += elapsed
            plug.register_wh += vehicle.charge(power_w=power_w, seconds=Decimal(str(elapsed.total_seconds())))
            if plug.stopped.is_set():
                return
            await self._measure(plug, vehicle, power_w)
            if self._clock.has_caught_up and not is_watched:
                is_watched = True
                leaves_at = min(leaves_at, measured_at + timedelta(seconds=_WATCHED_REST_SECONDS))

    async def _wait_for_sample(self, plug: Plug) -> None:
        interval = SAMPLE_WATCHED if self._clock.has_caught_up else SAMPLE_PAST
        sample = asyncio.ensure_future(self._clock.sleep(interval))
        stop = asyncio.ensure_future(plug.stopped.wait())
        try:
            await asyncio.wait({sample, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sample.cancel()
            stop.cancel()

    async def _measure(self, plug: Plug, vehicle: Vehicle, power_w: int) -> None:
        samples = [
            {"value": str(int(plug.register_wh)), "unit": "Wh"},
            {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"},
        ]
        if plug.plan.is_dc:
            samples.append({"value": str(vehicle.soc_percent), "measurand": "SoC", "unit": "Percent"})
        await self._socket.call(
            "MeterValues",
            {
                "connectorId": plug.plan.number,
                "transactionId": plug.transaction_id,
                "meterValue": [{"timestamp": write_moment(self._clock.now()), "sampledValue": samples}],
            },
        )

    # What the central system asks -----------------------------------------------------------------------------

    async def _asked(self, action: str, payload: dict[str, Any]) -> Answer:
        if action == "RemoteStartTransaction":
            return "", {"status": "Accepted" if self._start_remotely(payload) else "Rejected"}
        if action == "RemoteStopTransaction":
            return "", {"status": "Accepted" if self._stop_remotely(payload["transactionId"]) else "Rejected"}
        if action == "GetConfiguration":
            return "", {"configurationKey": [], "unknownKey": payload.get("key", [])}
        answers = {
            "ChangeAvailability": "Accepted",
            "ChangeConfiguration": "NotSupported",
            "ClearCache": "Accepted",
            "DataTransfer": "UnknownVendorId",
            "Reset": "Rejected",
            "TriggerMessage": "NotImplemented",
            "UnlockConnector": "NotSupported",
        }
        return ("", {"status": answers[action]}) if action in answers else ("NotImplemented", {})

    def _start_remotely(self, payload: dict[str, Any]) -> bool:
        """Somebody stands at the station: its clock shows our time from now on, and the car plugs in at once."""
        wanted = payload.get("connectorId")
        free = [
            plug
            for plug in self._plugs.values()
            if wanted in (None, plug.plan.number) and not plug.taken.locked() and plug.status == "Available"
        ]
        if not free:
            return False
        self._clock.catch_up()
        task = asyncio.create_task(self._charge_remotely(free[0], payload["idTag"]))
        self._remote_sessions.add(task)
        task.add_done_callback(self._remote_sessions.discard)
        return True

    async def _charge_remotely(self, plug: Plug, id_tag: str) -> bool:
        async with plug.taken:
            return await self._charge(plug, id_tag, authorize=False)

    def _stop_remotely(self, transaction_id: int | str) -> bool:
        for plug in self._plugs.values():
            if plug.transaction_id == transaction_id:
                plug.stop_reason = "Remote"
                plug.stopped.set()
                return True
        return False


def _is_accepted(answer: dict[str, Any]) -> bool:
    return bool(answer.get("idTagInfo", {}).get("status") == "Accepted")
