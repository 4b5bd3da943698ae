"""The gateway of one process: the sockets it holds, the one poll they share, and what goes on around their frames.

There is one per event loop, from its first socket to its last. Sockets have no channel-layer channels and no polls of
their own: an idle one costs its buffers and little else.
"""

import asyncio
import logging
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Final
from weakref import WeakKeyDictionary

import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError

from common import clock
from ocpp_gateway.database_threads import DatabaseThreads
from ocpp_gateway.domain.admission import Credentials
from ocpp_gateway.domain.certificates import ClientCertificate
from ocpp_gateway.domain.command_sets import commands_of
from ocpp_gateway.domain.defects import Refusal
from ocpp_gateway.domain.frames import (
    Call,
    CallError,
    CallResult,
    ErrorCode,
    Frame,
    encode_call,
    encode_error,
    encode_result,
)
from ocpp_gateway.handlers.dialect import Dialect
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.links import Answers, NoAnswer, StationLink, new_answers
from ocpp_gateway.message_log import MessageLog
from ocpp_gateway.models import Command, OcppMessage
from ocpp_gateway.services import commands, connections, wakeups
from ocpp_gateway.services.admission import Station, admit_station, note_second_socket
from ocpp_gateway.services.foreign_transactions import note_foreign_transaction
from ocpp_gateway.services.rounds import Round, do_round
from ocpp_gateway.station_watch import StationWatch

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
# How long the first of two sockets has to show that it is alive.
ALIVE_WITHIN_SECONDS: Final = 5.0
# A station that keeps opening a second socket is put on record this often.
NOTE_AGAIN_SECONDS: Final = 600.0
# A station that keeps naming transactions of others is put on record this often.
NOTE_FOREIGN_AGAIN_SECONDS: Final = 3_600.0

_FROM, _TO = OcppMessage.Direction.FROM_STATION, OcppMessage.Direction.TO_STATION
_gateways: WeakKeyDictionary[asyncio.AbstractEventLoop, "Gateway"] = WeakKeyDictionary()


def gateway_of_this_loop() -> "Gateway":
    loop = asyncio.get_running_loop()
    gateway = _gateways.get(loop)
    if gateway is None or gateway.is_closed:
        gateway = _gateways[loop] = Gateway()
    return gateway


class Gateway:
    def __init__(self) -> None:
        self.process_id = uuid.uuid4()
        self.is_closed = False
        self._threads = DatabaseThreads()
        self._log = MessageLog(self._threads)
        self._links: dict[int, StationLink] = {}
        self._answers: dict[int, Answers] = {}
        self._heard_from: set[int] = set()
        self._noted_at: dict[int, float] = {}
        self._noted_foreign_at: dict[int, float] = {}
        self._watch = StationWatch(self._threads)
        self._users = 0
        self._woken = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()

    # Life -----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """A socket is being opened: the first one starts the poll."""
        self._users += 1
        if self._users == 1 and not self._background:
            loop = asyncio.get_running_loop()
            wakeups.listen(self._woken.set, loop)
            self._background.add(loop.create_task(self._poll()))
            if settings.REDIS_URL:
                self._background.add(loop.create_task(self._listen_to_redis()))

    async def leave(self) -> None:
        """A socket is gone: the last one ends the poll, after everything logged is stored."""
        self._users -= 1
        if self._users:
            return
        await self._log.flush()
        if self._users or self.is_closed:
            return
        self.is_closed = True
        wakeups.stop_listening(self._woken.set)
        for task in (*self._background, *self._deliveries):
            task.cancel()
        self._threads.close()

    # Sockets --------------------------------------------------------------------------------------------------

    async def admit(
        self,
        identity: str,
        credentials: Credentials | None,
        *,
        is_encrypted: bool,
        certificate: ClientCertificate | None = None,
    ) -> Station | None:
        """See services.admission.admit_station. None also while the database is out of reach: stations try again."""
        try:
            return await self._threads.run(
                admit_station,
                identity=identity,
                credentials=credentials,
                is_encrypted=is_encrypted,
                certificate=certificate,
            )
        except DatabaseFailure:
            logger.exception("%s could not be let in: the database failed", identity)
            return None

    async def has_live_socket(self, station: Station, remote_address: str) -> bool:
        """True when another socket of this station answers; a second one is then refused and put on record.

        A socket held by another process cannot be asked from here; the newer one wins and the other is fenced off.
        """
        present = self._links.get(station.charge_point_id)
        if present is None or not await present.is_alive(within_seconds=ALIVE_WITHIN_SECONDS):
            return False
        logger.warning("%s: a second socket from %s was refused", station.identity, remote_address)
        now = asyncio.get_running_loop().time()
        if now - self._noted_at.get(station.charge_point_id, -NOTE_AGAIN_SECONDS) >= NOTE_AGAIN_SECONDS:
            self._noted_at[station.charge_point_id] = now
            await self._threads.run(
                note_second_socket, charge_point_id=station.charge_point_id, remote_address=remote_address
            )
        return True

    def answers_of(self, station: Station) -> Answers:
        """The last answers given to a station; they outlive its socket, for it may ask again after reconnecting."""
        return self._answers.setdefault(station.charge_point_id, new_answers())

    async def opened(self, link: StationLink, *, subprotocol: str) -> None:
        """The socket counts from now on; one it replaces is fenced off and closed."""
        charge_point_id = link.station.charge_point_id
        replaced = self._links.get(charge_point_id)
        self._links[charge_point_id] = link
        if replaced is not None:
            await replaced.replace()
        await self._threads.run(
            connections.claim_connection,
            charge_point_id=charge_point_id,
            connection_id=link.connection_id,
            process_id=self.process_id,
            subprotocol=subprotocol,
            ocpp_version=link.dialect.version,
            remote_address=link.remote_address,
            at=clock.now(),
        )
        await self._notify(network=True)
        self._woken.set()

    async def closed(self, link: StationLink) -> None:
        link.abandon()
        charge_point_id = link.station.charge_point_id
        if self._links.get(charge_point_id) is link:
            del self._links[charge_point_id]
        try:
            released = await self._threads.run(
                connections.release_connection, charge_point_id=charge_point_id, connection_id=link.connection_id
            )
        except DatabaseFailure:
            # The row goes stale and the sweep removes it.
            logger.exception("%s: the end of its connection could not be stored", link.station.identity)
            return
        if released:
            await self._notify(network=True)

    # Frames ---------------------------------------------------------------------------------------------------

    def log_incoming(self, link: StationLink, frame: Frame, text: str) -> asyncio.Future[None]:
        self._heard_from.add(link.station.charge_point_id)
        return self._log.add(link, frame=frame, text=text, direction=_FROM, at=clock.now())

    def log_outgoing(self, link: StationLink, frame: Frame, text: str, action: str = "") -> None:
        self._log.add(link, frame=frame, text=text, direction=_TO, at=clock.now(), action=action)

    async def answer(self, link: StationLink, call: Call, text: str) -> None:
        """Answer a request: always, once what it reports is durable, and with the first answer when it is a repeat."""
        stored = self.log_incoming(link, call, text)
        remembered = link.remembered(call.unique_id, text)
        reply = Reply()
        if remembered is not None:
            answer: CallResult | CallError = CallResult(call.unique_id, {})
            encoded = remembered
        else:
            answer, reply = await self._carry_out(link, call)
            encoded = _encode(answer, link.dialect)
            if call.action in link.dialect.remembered_actions and isinstance(answer, CallResult):
                link.remember(call.unique_id, text, encoded)
        await stored
        self.log_outgoing(link, answer, encoded, call.action)
        await link.send(encoded)
        if reply.clock_reading is not None or reply.is_boot:
            await self._watch.follow_clock(link, reply)
        await self._notify(*reply.changed_sessions, network=reply.network_changed)

    async def refuse(self, link: StationLink, error: CallError) -> None:
        """Answer a request that is no valid message but says which one it is."""
        encoded = _encode(error, link.dialect)
        self.log_outgoing(link, error, encoded)
        await link.send(encoded)

    async def _carry_out(self, link: StationLink, call: Call) -> tuple[CallResult | CallError, Reply]:
        station, dialect = link.station, link.dialect
        if not dialect.knows(call.action):
            error = CallError(call.unique_id, ErrorCode.NOT_IMPLEMENTED, f"{call.action} is not known here.")
            return error, Reply()
        received_at = clock.now()
        checked = dialect.check_payload(call.action, call.payload)
        if isinstance(checked, Refusal):
            logger.warning("%s: %s was refused: %s", station.identity, call.action, checked.description)
            if call.action in dialect.transaction_actions:
                await self._park(link, call, reason="not_readable")
            return CallError(call.unique_id, checked.code, checked.description), Reply()
        if checked.repairs:
            logger.info("%s: %s was repaired: %s", station.identity, call.action, "; ".join(checked.repairs))
        immediate = dialect.immediate_handlers.get(call.action)
        if immediate is not None:
            reply = immediate(station, checked.payload, received_at)
            return CallResult(call.unique_id, reply.payload), reply
        return await self._handle(link, call, checked.payload)

    async def _handle(self, link: StationLink, call: Call, payload: dict) -> tuple[CallResult | CallError, Reply]:
        """Run the handler; a failure of whatever kind is logged, the report kept, and the request answered validly."""
        received_at = clock.now()
        station, dialect = link.station, link.dialect
        handler = dialect.handlers[call.action]
        try:
            try:
                reply = await self._threads.run(handler, station, payload, received_at)
            except (OperationalError, InterfaceError):
                # The connection was lost, or a deadlock was broken: services repeat safely.
                logger.warning("%s: %s is tried once more", station.identity, call.action, exc_info=True)
                reply = await self._threads.run(handler, station, payload, received_at)
        except Exception:  # the one boundary between the services and the sockets
            logger.exception("%s: %s could not be carried out", station.identity, call.action)
            try:
                reply = await self._threads.run(
                    dialect.answer_without_effect, call.action, station, payload, received_at
                )
            except DatabaseFailure:
                # Not even kept: an error answer makes the station keep the report and send it again.
                logger.exception("%s: %s could not be kept either", station.identity, call.action)
                error = CallError(call.unique_id, ErrorCode.INTERNAL_ERROR, "Please send this again later.")
                return error, Reply()
        if reply.foreign_session_id is not None:
            await self._note_foreign(station, call.action, reply.foreign_session_id)
        return CallResult(call.unique_id, reply.payload), reply

    async def _note_foreign(self, station: Station, action: str, session_id: int) -> None:
        logger.warning("%s: %s names transaction %d of another charge point", station.identity, action, session_id)
        now, charge_point_id = asyncio.get_running_loop().time(), station.charge_point_id
        noted_at = self._noted_foreign_at.get(charge_point_id)
        if noted_at is not None and now - noted_at < NOTE_FOREIGN_AGAIN_SECONDS:
            return
        self._noted_foreign_at[charge_point_id] = now
        try:
            await self._threads.run(
                note_foreign_transaction, charge_point_id=charge_point_id, message=action, session_id=session_id
            )
        except DatabaseFailure:
            del self._noted_foreign_at[charge_point_id]
            logger.exception("%s: it could not be put on record", station.identity)

    async def _park(self, link: StationLink, call: Call, *, reason: str) -> None:
        station = link.station
        try:
            await self._threads.run(link.dialect.park, call.action, station, call.payload, clock.now(), reason=reason)
        except DatabaseFailure:
            logger.exception("%s: %s could not be kept", station.identity, call.action)

    # Commands -------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Each second, or when woken: one look at the database for all sockets of this process."""
        state = Round(process_id=self.process_id)
        while True:
            self._woken.clear()
            links = dict(self._links)
            heard_from, self._heard_from = self._heard_from, set()
            try:
                outcome = await self._threads.run(
                    do_round, state, held=set(links), heard_from=heard_from, now=clock.now()
                )
            except Exception:  # the poll outlives whatever one round meets
                logger.exception("The gateway could not look for commands")
                self._heard_from |= heard_from
            else:
                for link in links.values():
                    if outcome.current is not None and link.connection_id not in outcome.current:
                        await link.replace()
                for charge_point_id, station in outcome.stations.items():
                    await self._watch.update(links.get(charge_point_id), station)
                for command in outcome.commands:
                    task = asyncio.get_running_loop().create_task(self._deliver(command))
                    self._deliveries.add(task)
                    task.add_done_callback(self._deliveries.discard)
                await self._notify(*outcome.changed_sessions)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)

    async def _deliver(self, command: Command) -> None:
        """Send one command and record what becomes of it."""
        pk, unique_id = command.pk, command.unique_id
        link = self._links.get(command.charge_point_id)
        try:
            if link is None or link.dialect.version != command.ocpp_version:
                raise NoAnswer
            call = Call(command.unique_id, command.action, command.payload)
            self.log_outgoing(link, call, encode_call(call.unique_id, call.action, call.payload))
            answer = await link.call(
                command.action,
                command.payload,
                unique_id=command.unique_id,
                within_seconds=commands_of(command.ocpp_version).rule_of(command.action).waits.total_seconds(),
            )
            now = clock.now()
            if isinstance(answer, CallError):
                done = await self._threads.run(
                    commands.record_error,
                    command_id=pk,
                    unique_id=unique_id,
                    code=answer.code,
                    description=answer.description,
                    at=now,
                )
            else:
                done = await self._threads.run(
                    commands.record_answer, command_id=pk, unique_id=unique_id, response=answer.payload, at=now
                )
        except NoAnswer:
            done = await self._threads.run(commands.record_silence, command_id=pk, unique_id=unique_id, at=clock.now())
        except DatabaseFailure:
            # The row stays "sent" and times out.
            logger.exception("The answer to command %s could not be stored", command.pk)
            return
        if done.charging_session is not None:
            await self._notify(done.charging_session.public_id)
        self._woken.set()

    async def _listen_to_redis(self) -> None:
        """Wake-ups from other processes. Without them the poll finds every command a moment later."""
        while True:
            try:
                async with (
                    redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None) as client,
                    client.pubsub(ignore_subscribe_messages=True) as subscription,
                ):
                    await subscription.subscribe(wakeups.REDIS_CHANNEL)
                    async for _ in subscription.listen():
                        self._woken.set()
            except redis.RedisError as error:
                logger.warning("Redis is out of reach, commands are found by polling: %s", error)
            await asyncio.sleep(POLL_SECONDS)

    async def _notify(self, *changed_sessions: uuid.UUID, network: bool = False) -> None:
        """Wake live pages. They read the database; a lost wake-up costs nothing but a moment."""
        layer = get_channel_layer()
        if layer is None:
            return
        try:
            for public_id in changed_sessions:
                await layer.group_send(f"session.{public_id.hex}", {"type": "session.changed"})
            if network:
                await layer.group_send("network", {"type": "network.changed"})
        except (redis.RedisError, OSError) as error:
            logger.warning("Live pages could not be woken: %s", error)


def _encode(answer: CallResult | CallError, dialect: Dialect) -> str:
    if isinstance(answer, CallResult):
        return encode_result(answer.unique_id, answer.payload)
    return encode_error(replace(answer, code=dialect.error_names.get(answer.code, answer.code)))
