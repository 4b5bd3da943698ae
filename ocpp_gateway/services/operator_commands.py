"""Commands an operator gives, to one charge point or to many, with their trace."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.services import audit
from common.errors import IdempotencyConflict
from locations.models import ChargePoint
from ocpp_gateway.domain.masking import mask_payload
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import new_command, repeats
from ocpp_gateway.services.wakeups import wake_gateways


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
