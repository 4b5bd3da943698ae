"""Keeping what OCPP 2.0.1 stations report of themselves."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from ocpp_gateway.domain.v201.reports import VariableValue, summary, values_read, values_set
from ocpp_gateway.models import Command, StationReport
from ocpp_gateway.services.configuration import Setting, store_settings

_LARGEST_NUMBER = 9_223_372_036_854_775_807


@transaction.atomic
def record_report(
    *, charge_point_id: int, action: str, payload: dict[str, Any], received_at: datetime
) -> StationReport:
    """Keep one message of a report."""
    return StationReport.objects.create(
        charge_point_id=charge_point_id,
        action=action,
        request_id=_number(payload.get("requestId", payload.get("reservationId"))),
        seq_no=_number(payload.get("seqNo")),
        summary=summary(action, payload),
        payload=json.loads(json.dumps(payload, default=str)),
        received_at=received_at,
    )


@transaction.atomic
def store_variables(*, charge_point_id: int, values: Iterable[VariableValue], at: datetime) -> int:
    """Store variables of a station as its settings; returns how many. Safe to repeat."""
    settings = [
        Setting(
            value.key,
            value.value,
            is_readonly=value.is_readonly,
            is_supported=value.is_supported,
            needs_reboot=value.needs_reboot,
        )
        for value in values
    ]
    return store_settings(charge_point_id=charge_point_id, settings=settings, at=at)


def variables_read(command: Command) -> None:
    """What the answer to GetVariables says."""
    if command.resolved_at is not None:
        values = values_read(command.response or {})
        store_variables(charge_point_id=command.charge_point_id, values=values, at=command.resolved_at)


def variables_set(command: Command) -> None:
    """What the answer to SetVariables says the station took, also where it did not take everything."""
    if command.resolved_at is not None:
        values = values_set(command.payload, command.response or {})
        store_variables(charge_point_id=command.charge_point_id, values=values, at=command.resolved_at)


def prune_reports(*, before: datetime) -> int:
    """Delete reports older than `before`; returns how many. Safe to repeat."""
    deleted, _ = StationReport.objects.filter(received_at__lt=before).delete()
    return deleted


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and abs(value) <= _LARGEST_NUMBER else None
