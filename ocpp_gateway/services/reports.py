"""Parking reports that cannot be booked as they came, and deciding about them."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.models import ChargingSession
from common import clock
from common.locking import lock_row
from ocpp_gateway.errors import ReportAlreadyResolved
from ocpp_gateway.models import ParkedReport

_LARGEST_TRANSACTION_ID = 2_147_483_647


@transaction.atomic
def park_report(
    *,
    charge_point_id: int,
    action: str,
    payload: dict[str, Any],
    reason: str,
    received_at: datetime,
    session_id: int | None = None,
) -> ParkedReport:
    """Keep a station's report for a person to decide. Idempotent: the same report parks once, its first reason stands.

    `payload` is what the station sent. Without `session_id` the session it probably belongs to is suggested: the last
    one of that connector or tag on this charge point that had no stop when the report came, or the only one running.
    """
    content = json.dumps([action, payload], sort_keys=True, default=str, separators=(",", ":"))
    parked, _ = ParkedReport.objects.get_or_create(
        charge_point_id=charge_point_id,
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        defaults={
            "action": action,
            "reason": reason[:60],
            "payload": json.loads(json.dumps(payload, default=str)),
            "received_at": received_at,
            "suggested_session_id": session_id or _suggest_session(charge_point_id, payload),
        },
    )
    return parked


def start_id_of(parked: ParkedReport) -> int:
    """The transactionId answered for a start that could not be booked: from the top of the range OCPP 1.6 allows.

    Sessions count from 1 upwards, so the two meet only after two thousand million sessions.
    """
    return _LARGEST_TRANSACTION_ID - parked.pk


@transaction.atomic
def resolve_report(*, report_id: int, actor_id: int, note: str) -> ParkedReport:
    """Note what a person decided about a parked report. Locks: the report. Raises ReportAlreadyResolved."""
    report = lock_row(ParkedReport.objects.filter(pk=report_id))
    if report.resolved_at is not None:
        raise ReportAlreadyResolved
    report.resolved_at = clock.now()
    report.resolved_by_id = actor_id
    report.resolution_note = note
    report.save(update_fields=["resolved_at", "resolved_by", "resolution_note"])
    return report


def _suggest_session(charge_point_id: int, payload: dict[str, Any]) -> int | None:
    clues = Q()
    if isinstance(payload.get("connectorId"), int):
        clues |= Q(connector__number=payload["connectorId"])
    if isinstance(payload.get("idTag"), str) and payload["idTag"]:
        clues |= Q(id_tag__iexact=payload["idTag"][:36])
    running = ChargingSession.objects.filter(clues, charge_point_id=charge_point_id, status="active")
    candidates = list(running.order_by("-pk").values_list("pk", flat=True)[:2])
    return candidates[0] if candidates and (clues or len(candidates) == 1) else None
