"""Whom a tariff concerns: its assignments, and the connectors at the places they name."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
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
    connectors = Connector.objects.filter(_at_places_of(found)).exclude(
        charge_point__admission=ChargePoint.Admission.RETIRED
    )
    return Reach(tuple(assignment_sentence(assignment) for assignment in found), connectors.count())


def _at_places_of(assignments: Iterable[TariffAssignment]) -> Q:
    places = Q(pk__in=[])
    for assignment in assignments:
        place = {
            TariffAssignment.Scope.NETWORK: Q(pk__isnull=False),
            TariffAssignment.Scope.COUNTRY: Q(charge_point__location__country=assignment.country),
            TariffAssignment.Scope.REGION: Q(charge_point__location__region=assignment.region_id),
            TariffAssignment.Scope.LOCATION: Q(charge_point__location=assignment.location_id),
            TariffAssignment.Scope.CHARGE_POINT: Q(charge_point=assignment.charge_point_id),
            TariffAssignment.Scope.CONNECTOR: Q(pk=assignment.connector_id),
        }[TariffAssignment.Scope(assignment.scope)]
        places |= place & Q(power_class=assignment.power_class) if assignment.power_class else place
    return places
