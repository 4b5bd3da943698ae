"""Whom a tariff concerns: its assignments, and the connectors at the places they name."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common import clock
from locations.models import ChargePoint, Connector
from tariffs.models import TariffAssignment
from tariffs.trace_words import assignment_sentence


@dataclass(frozen=True)
class Reach:
    """`assignments` in words; `connectors` are at their places, for some or all of those who charge there."""

    assignments: tuple[str, ...]
    connectors: int

    def sentences(self) -> list[str]:
        if not self.assignments:
            return [_("It is assigned nowhere, so nobody pays by it.")]
        text = ngettext(
            "It is assigned at %(count)d connector:", "It is assigned at %(count)d connectors:", self.connectors
        )
        return [text % {"count": self.connectors}, *self.assignments]


def reach_of(tariff_id: int, at: datetime | None = None) -> Reach:
    """The assignments that apply at `at` (now) or later. Two queries."""
    found = list(
        TariffAssignment.objects.filter(tariff_id=tariff_id)
        .filter(Q(valid_until__isnull=True) | Q(valid_until__gt=at or clock.now()))
        .select_related(
            "tariff", "region", "location", "charge_point", "connector__charge_point", "customer_group", "contract_type"
        )
    )
    if not found:
        return Reach((), 0)
    return Reach(tuple(assignment_sentence(assignment) for assignment in found), connectors_at(found).count())


def connectors_at(assignments: Iterable[TariffAssignment]) -> QuerySet[Connector]:
    """The connectors at the places these assignments name, of their power classes; none of a retired charge point."""
    places = Q(pk__in=[])
    for row in assignments:
        place = {
            "network": Q(pk__isnull=False),
            "country": Q(charge_point__location__country=row.country),
            "region": Q(charge_point__location__region=row.region_id),
            "location": Q(charge_point__location=row.location_id),
            "charge_point": Q(charge_point=row.charge_point_id),
            "connector": Q(pk=row.connector_id),
        }[row.scope]
        places |= place & Q(power_class=row.power_class) if row.power_class else place
    return Connector.objects.filter(places).exclude(charge_point__admission=ChargePoint.Admission.RETIRED)
