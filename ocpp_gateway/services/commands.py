"""The command queue: a command is a row; whichever process holds the station's socket sends it."""

import logging
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import IntegrityError, transaction

from billing.services.sessions import cancel_request
from common import clock
from common.errors import IdempotencyConflict
from common.locking import lock_row, lock_rows
from common.states import check_step
from ocpp_gateway.domain.command_rules import CommandRule
from ocpp_gateway.domain.command_sets import commands_of
from ocpp_gateway.domain.masking import mask_payload
from ocpp_gateway.errors import CommandNotValid
from ocpp_gateway.models import Command
from ocpp_gateway.selectors.connections import version_of
from ocpp_gateway.services.command_effects import EFFECTS
from ocpp_gateway.services.wakeups import wake_gateways

logger = logging.getLogger(__name__)

Status = Command.Status
_OPEN = [Status.QUEUED, Status.SENT]


@transaction.atomic
def queue_command(
    *,
    charge_point_id: int,
    action: str,
    payload: dict[str, Any],
    actor_id: int | None = None,
    session_id: int | None = None,
    expires_in: timedelta | None = None,
    idempotency_key: str | None = None,
) -> Command:
    """Queue a request to a station; it is sent within a second of the commit, or given up after `expires_in` (without
    it: what the action's rule says).

    Idempotent: the same `idempotency_key` with the same content returns the first command, other content raises
    IdempotencyConflict; and while a command for a session is open, the same action for it returns that command.
    Raises CommandNotValid, naming every defect, when the action or its content is not of the version the charge point
    speaks.
    """
    command = new_command(
        charge_point_id=charge_point_id,
        version=version_of(charge_point_id),
        action=action,
        payload=payload,
        expires_in=expires_in,
    )
    command.actor_id = actor_id
    command.charging_session_id = session_id
    command.idempotency_key = idempotency_key
    known = _known(command)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            command.save()
    except IntegrityError:
        known = _known(command)
        if known is None:
            raise
        return known
    transaction.on_commit(wake_gateways)
    return command


def new_command(
    *, charge_point_id: int, version: str, action: str, payload: dict[str, Any], expires_in: timedelta | None = None
) -> Command:
    """A checked command that is not stored yet. Raises CommandNotValid, naming every defect."""
    defects = commands_of(version).defects(action, payload)
    if defects:
        raise CommandNotValid(details=defects)
    now = clock.now()
    return Command(
        charge_point_id=charge_point_id,
        ocpp_version=version,
        action=action,
        payload=payload,
        expires_at=now + (commands_of(version).rule_of(action).expires if expires_in is None else expires_in),
        created_at=now,
    )


def take_commands(*, held: Collection[int], now: datetime) -> list[Command]:
    """Advance the queue and return the commands this process is to send now, marked as sent.

    `held` are the charge points whose sockets this process holds. Whatever process asks: commands not sent in time
    expire, sent ones without an answer are queued again or time out, and what hung on them is undone. One command is
    in flight per charge point, oldest first. One query and no transaction while nothing is open.
    Locks: the open commands' rows, then sessions whose remote start failed.
    """
    if not Command.objects.filter(status__in=_OPEN).exists():
        return []
    return _advance_queue(held, now)


@transaction.atomic
def _advance_queue(held: Collection[int], now: datetime) -> list[Command]:
    commands = lock_rows(Command.objects.filter(status__in=_OPEN))
    taken: list[Command] = []
    busy: set[int] = set()
    for command in commands:
        if command.status == Status.SENT and command.answer_due_at is not None and command.answer_due_at <= now:
            _give_up(command, now=now)
        if command.status == Status.QUEUED and command.expires_at <= now:
            _resolve(command, status=Status.EXPIRED, now=now)
        if command.status == Status.SENT:
            busy.add(command.charge_point_id)
    for command in commands:
        if command.status == Status.QUEUED and command.charge_point_id in held and command.charge_point_id not in busy:
            busy.add(command.charge_point_id)
            _mark_sent(command, now=now)
            taken.append(command)
    return taken


@transaction.atomic
def record_answer(*, command_id: int, unique_id: str, response: dict[str, Any], at: datetime) -> Command:
    """The station answered. A late answer to an attempt already given up changes nothing. Locks: the command's row."""
    command = _locked(command_id)
    if command.status == Status.SENT and command.unique_id == unique_id:
        accepted = commands_of(command.ocpp_version).is_accepted(command.action, response)
        command.response = response
        _resolve(command, status=Status.ACCEPTED if accepted else Status.REJECTED, now=at)
    return command


@transaction.atomic
def record_error(*, command_id: int, unique_id: str, code: str, description: str, at: datetime) -> Command:
    """The station answered with a CALLERROR: the command counts as rejected. Locks: the command's row."""
    command = _locked(command_id)
    if command.status == Status.SENT and command.unique_id == unique_id:
        command.error_code = code[:50]
        command.response = {"description": description}
        _resolve(command, status=Status.REJECTED, now=at)
    return command


@transaction.atomic
def record_silence(*, command_id: int, unique_id: str, at: datetime) -> Command:
    """The socket closed or the answer is overdue: ask again where that is harmless, else give up."""
    command = _locked(command_id)
    if command.status == Status.SENT and command.unique_id == unique_id:
        _give_up(command, now=at)
    return command


def _locked(command_id: int) -> Command:
    """The command's row, locked, with its session at hand for callers outside a database thread."""
    return lock_row(Command.objects.filter(pk=command_id).select_related("charging_session"))


def _known(command: Command) -> Command | None:
    """The command this one repeats, if any."""
    if command.idempotency_key is not None:
        first = Command.objects.filter(idempotency_key=command.idempotency_key).first()
        if first is not None:
            if not repeats(command, first):
                raise IdempotencyConflict
            return first
    if command.charging_session_id is None:
        return None
    return Command.objects.filter(
        charging_session_id=command.charging_session_id,
        action=command.action,
        status__in=_OPEN,
    ).first()


def repeats(command: Command, first: Command) -> bool:
    """True when `command` asks what `first`, under the same key, asked already."""
    same = (first.charge_point_id, first.action, first.charging_session_id) == (
        command.charge_point_id,
        command.action,
        command.charging_session_id,
    )
    return same and first.payload in (command.payload, mask_payload(command.action, command.payload))


def _rule(command: Command) -> CommandRule:
    return commands_of(command.ocpp_version).rule_of(command.action)


def _mark_sent(command: Command, *, now: datetime) -> None:
    check_step(Command.TRANSITIONS, command.status, Status.SENT)
    command.status = Status.SENT
    command.sent_at = now
    command.answer_due_at = now + _rule(command).waits
    command.attempts += 1
    command.unique_id = str(uuid.uuid4())
    command.save(update_fields=["status", "sent_at", "answer_due_at", "attempts", "unique_id"])


def _give_up(command: Command, *, now: datetime) -> None:
    """An attempt got no answer: queue it again while it may be repeated and is not too late, else it timed out."""
    if command.attempts < _rule(command).attempts and now < command.expires_at:
        check_step(Command.TRANSITIONS, command.status, Status.QUEUED)
        command.status = Status.QUEUED
        command.sent_at = command.answer_due_at = None
        command.save(update_fields=["status", "sent_at", "answer_due_at"])
        return
    _resolve(command, status=Status.TIMED_OUT, now=now)


def _resolve(command: Command, *, status: str, now: datetime) -> None:
    """End a command; a remote start that will not happen gives its reserved funds back in the same transaction."""
    check_step(Command.TRANSITIONS, command.status, status)
    command.status = status
    command.resolved_at = now
    _take_effect(command)
    command.payload = mask_payload(command.action, command.payload)
    command.save(update_fields=["status", "resolved_at", "payload", "response", "error_code"])
    is_start = command.action == commands_of(command.ocpp_version).start_action
    if is_start and command.charging_session_id and status != Status.ACCEPTED:
        cancel_request(session_id=command.charging_session_id, reason=f"remote_start_{status}")


def _take_effect(command: Command) -> None:
    """Store what the outcome tells us. An answer nobody expected costs its effect, not the queue."""
    effect = EFFECTS.get((command.ocpp_version, command.action))
    if effect is None:
        return
    try:
        with transaction.atomic():
            effect(command)
    except (DatabaseFailure, ValueError, TypeError, KeyError, AttributeError):
        logger.exception("The answer to command %s (%s) could not be stored", command.pk, command.action)
