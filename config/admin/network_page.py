"""What the operator sees of charge points while they work."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from billing.models import ChargingSession
from locations.models import ChargePoint, Connector
from ocpp_gateway.models import Command, OcppMessage, SecurityEvent, TransferReport
from ocpp_gateway.words import action_words, answer_words

OPEN_SESSION = Q(status__in=["requested", "active", "finishing"])


def charge_points_now() -> QuerySet[ChargePoint]:
    """Charge points with their connectors and running sessions: three queries, however many there are."""
    running = ChargingSession.objects.filter(OPEN_SESSION).select_related("driver")
    connectors = Connector.objects.order_by("number").prefetch_related(
        Prefetch("charging_sessions", queryset=running, to_attr="open_sessions")
    )
    return ChargePoint.objects.select_related("location", "model").prefetch_related(
        Prefetch("connectors", queryset=connectors)
    )


def network_now() -> dict[str, Any]:
    """The live page of the whole network."""
    in_use = charge_points_now().exclude(admission=ChargePoint.Admission.RETIRED)
    charge_points = list(in_use.order_by("location__name", "identity"))
    connectors = [connector for point in charge_points for connector in point.connectors.all()]
    return {
        "charge_points": charge_points,
        "connected": sum(point.is_connected for point in charge_points),
        "charging": sum(bool(connector.open_sessions) for connector in connectors),  # type: ignore[attr-defined]
        "faulted": sum(connector.status == Connector.Status.FAULTED for connector in connectors),
        "connector_total": len(connectors),
    }


def charge_point_now(charge_point_id: int) -> dict[str, Any]:
    """The live part of one charge point's page."""
    return {
        "point": charge_points_now().get(pk=charge_point_id),
        "commands": command_history(charge_point_id, length=8),
        "notices": notices_of(charge_point_id),
        "ocpp_messages": OcppMessage.objects.filter(charge_point=charge_point_id)[:15],
    }


def command_history(charge_point_id: int, *, length: int) -> list[tuple[Command, str, str]]:
    """The last commands with their names and answers in words."""
    rows = Command.objects.filter(charge_point=charge_point_id).select_related("actor")[:length]
    return [(row, action_words(row.action), answer_words(row) if row.resolved_at else "") for row in rows]


def notices_of(charge_point_id: int) -> list[tuple[datetime, str, str, bool]]:
    """The last security events and firmware and log reports, newest first: when, about what, what, is it bad."""
    events = SecurityEvent.objects.filter(charge_point=charge_point_id)[:5]
    reports = TransferReport.objects.filter(charge_point=charge_point_id)[:5]
    rows = [(event.received_at, _("Security"), event.type, event.needs_attention) for event in events]
    rows += [
        (report.received_at, report.get_topic_display(), report.status, report.status in TransferReport.FAILED)
        for report in reports
    ]
    return sorted(rows, reverse=True)[:6]


def with_connector_counts(charge_points: QuerySet[ChargePoint]) -> QuerySet[ChargePoint]:
    """The list's columns: how many connectors, how many of them charge, how many are out of order."""
    return charge_points.annotate(
        connector_count=Count("connectors", distinct=True),
        charging_count=Count("connectors", filter=Q(connectors__status=Connector.Status.CHARGING), distinct=True),
        faulted_count=Count("connectors", filter=Q(connectors__status=Connector.Status.FAULTED), distinct=True),
    )
