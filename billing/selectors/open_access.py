"""Where and when charging is free for everybody, and what was given away."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, TruncMonth

from billing.models import ChargingSession, OpenAccess
from locations.models import Connector


def open_access_at(connector: Connector, at: datetime) -> OpenAccess | None:
    """The open access in force at a connector (with its charge point and location) whose day is not full yet.

    The connector's own goes before its location's, the older before the newer. Reads only.
    """
    return first_open([connector], at).get(connector.pk)


def first_open(connectors: Collection[Connector], at: datetime) -> dict[int, OpenAccess]:
    """The same for several connectors, by id; those where charging is not free are left out."""
    grants = list(in_force(connectors, at))
    found: dict[int, OpenAccess] = {}
    for connector in connectors:
        location = connector.charge_point.location
        local = at.astimezone(ZoneInfo(location.time_zone))
        for grant in grants:
            is_here = connector.pk == grant.connector_id or location.pk == grant.location_id
            if is_here and grant.hours.covers(local) and not is_full(grant, at, location.time_zone):
                found[connector.pk] = grant
                break
    return found


def in_force(connectors: Iterable[Connector], at: datetime) -> QuerySet[OpenAccess]:
    """Open access of these connectors or their locations, whatever its hours; a connector's own first."""
    here = list(connectors)
    return (
        OpenAccess.objects.filter(is_active=True, valid_from__lte=at)
        .filter(Q(valid_until__isnull=True) | Q(valid_until__gt=at))
        .filter(
            Q(connector__in=[connector.pk for connector in here])
            | Q(location__in=[connector.charge_point.location_id for connector in here])
        )
        .order_by(Coalesce("location_id", 0), "pk")
    )


def is_full(grant: OpenAccess, at: datetime, time_zone: str) -> bool:
    """Whether as many sessions as may be began on the local day of `at`."""
    if grant.max_sessions_per_day is None:
        return False
    zone = ZoneInfo(time_zone)
    day = at.astimezone(zone).date()
    begins, ends = (datetime.combine(date, time.min, zone) for date in (day, day + timedelta(days=1)))
    today = Q(started_at__gte=begins, started_at__lt=ends) | Q(
        status=ChargingSession.Status.REQUESTED, requested_at__gte=begins, requested_at__lt=ends
    )
    return grant.charging_sessions.filter(today).count() >= grant.max_sessions_per_day


def given_away(grant: OpenAccess) -> Iterable[Mapping[str, Any]]:
    """By month and currency, newest first: sessions, energy (Wh), and what they would have cost, net and gross."""
    zero = Value(0, output_field=DecimalField(max_digits=18, decimal_places=4))
    return (
        grant.charging_sessions.filter(outcome=ChargingSession.Outcome.BILLED)
        .annotate(month=TruncMonth("started_at"))
        .values("month", "currency")
        .annotate(
            sessions=Count("pk"),
            energy=Coalesce(Sum("cdr__energy_wh"), zero),
            net=Coalesce(Sum("cdr__net"), zero),
            gross=Coalesce(Sum("cdr__gross"), zero),
        )
        .order_by("-month", "currency")
    )
