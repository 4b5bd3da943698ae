"""Commands an operator or another system gives, to one charge point or to many, with their trace."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.services import audit
from common.errors import IdempotencyConflict
from locations.models import ChargePoint
from ocpp_gateway.domain.masking import is_secret_setting, mask_payload
from ocpp_gateway.domain.values import plain_numbers
from ocpp_gateway.errors import CommandNotValid
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import new_command, queue_command, repeats
from ocpp_gateway.services.wakeups import wake_gateways

_SETS_SETTINGS = frozenset({"ChangeConfiguration", "SetVariables"})


@transaction.atomic
def give_command(
    *, charge_point_id: int, action: str, payload: dict[str, Any], actor_id: int, key: UUID, reason: str = ""
) -> Command:
    """Queue an operator's command. Idempotent by `key`. With a reason it is in the audit trail, too.

    Raises CommandNotValid, IdempotencyConflict.
    """
    return _give([charge_point_id], action, payload, actor_id, key, reason)[0]


@transaction.atomic
def give_command_to_many(
    *, charge_point_ids: Iterable[int], action: str, payload: dict[str, Any], actor_id: int, key: UUID, reason: str = ""
) -> list[Command]:
    """Queue the same command for several charge points: all of them or, when one cannot take it, none.

    Idempotent by `key`. Raises CommandNotValid, IdempotencyConflict.
    """
    return _give(sorted(set(charge_point_ids)), action, payload, actor_id, key, reason)


@transaction.atomic
def give_command_for_system(
    *, charge_point_id: int, action: str, payload: dict[str, Any], system: str, reason: str
) -> Command:
    """Queue the command of another system; the caller sees to it that this happens once. It is in the audit trail.

    Raises CommandNotValid; also for a station's password, which would be changed here without being known to us.
    """
    if action in _SETS_SETTINGS and is_secret_setting(str(payload.get("key", ""))):
        raise CommandNotValid(details=["key: a password is changed in the operator portal, under “New key”"])
    content = plain_numbers(payload)
    command = queue_command(charge_point_id=charge_point_id, action=action, payload=content)
    audit.record(
        actor_id=None,
        action="station_command",
        subject=ChargePoint.objects.get(pk=charge_point_id),
        reason=reason,
        data={"command": action, "content": mask_payload(action, content), "system": system},
    )
    return command


def _give(
    charge_point_ids: list[int], action: str, payload: dict[str, Any], actor_id: int, key: UUID, reason: str
) -> list[Command]:
    points = ChargePoint.objects.in_bulk(charge_point_ids)
    wanted: list[Command] = []
    for charge_point_id in charge_point_ids:
        command = new_command(
            charge_point_id=charge_point_id,
            version=points[charge_point_id].ocpp_version,
            action=action,
            payload=payload,
        )
        command.actor_id = actor_id
        command.idempotency_key = f"portal:{key}:{charge_point_id}"
        wanted.append(command)
    known = {row.idempotency_key: row for row in _under_keys_of(wanted)}
    for command in wanted:
        first = known.get(command.idempotency_key)
        if first is not None and not repeats(command, first):
            raise IdempotencyConflict
    new = [command for command in wanted if command.idempotency_key not in known]
    try:
        with transaction.atomic():
            Command.objects.bulk_create(new)
    except IntegrityError:
        # The same form, sent twice at once: what the other one queued stands.
        return list(_under_keys_of(wanted))
    if reason:
        audit.record_many(
            actor_id=actor_id,
            action="station_command",
            subjects=[points[command.charge_point_id] for command in new],
            reason=reason,
            data={"command": action, "content": mask_payload(action, payload)},
        )
    transaction.on_commit(wake_gateways)
    return list(_under_keys_of(wanted))


def _under_keys_of(commands: list[Command]) -> QuerySet[Command]:
    return Command.objects.filter(idempotency_key__in=[command.idempotency_key for command in commands]).order_by("pk")
