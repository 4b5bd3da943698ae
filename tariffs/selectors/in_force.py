"""Which version of a tariff is in force.

Of the published versions that have begun the one with the latest `valid_from` counts (of two alike, the later
numbered). Once it has ended the tariff has none: an older price does not come back unseen.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery

from common import clock
from tariffs.models import TariffVersion


def version_in_force(tariff_id: int, at: datetime | None = None) -> TariffVersion | None:
    """The version of a tariff at `at` (now)."""
    return versions_in_force(at, tariff_ids=[tariff_id]).select_related("tariff").first()


def versions_in_force(
    at: datetime | None = None, *, tariff_ids: Iterable[int] | None = None
) -> QuerySet[TariffVersion]:
    """The versions in force at `at` (now), one per tariff that has one; `tariff_ids`: of these tariffs only."""
    at = at or clock.now()
    begun = TariffVersion.objects.filter(status=TariffVersion.Status.PUBLISHED, valid_from__lte=at)
    latest = begun.filter(tariff=OuterRef("tariff")).order_by("-valid_from", "-number")
    if tariff_ids is not None:
        begun = begun.filter(tariff_id__in=tariff_ids)
    found = begun.filter(pk=Subquery(latest.values("pk")[:1]))
    return found.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=at))
