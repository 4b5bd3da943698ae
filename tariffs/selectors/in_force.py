"""Which version of a tariff is in force."""

from datetime import datetime

from common import clock
from tariffs.models import TariffVersion


def version_in_force(tariff_id: int, at: datetime | None = None) -> TariffVersion | None:
    """The published version with the latest `valid_from` at or before `at` (now); of two alike, the later numbered."""
    versions = TariffVersion.objects.filter(
        tariff_id=tariff_id, status=TariffVersion.Status.PUBLISHED, valid_from__lte=at or clock.now()
    )
    return versions.select_related("tariff").order_by("-valid_from", "-number").first()
