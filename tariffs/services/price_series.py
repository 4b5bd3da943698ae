"""What comes in for a price series: by upload, through the API, fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.services import audit
from common import clock
from common.errors import BadInput
from common.locking import lock_row
from tariffs.domain.price_file import PricePoint, SeriesTerms, check_points
from tariffs.models import PriceImport, PriceSeries, PriceSeriesValue

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import does: how many steps are new, corrected, as before; `before` are the prices as they stand."""

    added: int
    changed: int
    unchanged: int
    before: Mapping[datetime, Decimal]


@transaction.atomic
def import_prices(
    *,
    series_id: int,
    rows: Sequence[PricePoint],
    source: str,
    actor_id: int | None,
    origin: str = PriceImport.Origin.API,
) -> PriceImport:
    """Add prices per kWh to a series and correct those it has, and keep a record of it. None is ever taken away.

    Sessions that have begun keep the prices they were authorised with. Idempotent: the same rows again change nothing.
    `source` says in words where they are from (file name, address). Locks: the series' row.
    Raises PriceSeries.DoesNotExist, BadInput with every defect; then nothing is saved.
    """
    series = lock_row(PriceSeries.objects.filter(pk=series_id))
    points = check_points(rows, terms_of(series))
    if not points:
        raise BadInput(details=["prices: there are none"])
    changes = compare_prices(series, points)
    for start in range(0, len(points), _BATCH):
        PriceSeriesValue.objects.bulk_create(
            [
                PriceSeriesValue(series=series, start_at=point.start_at, price=point.price)
                for point in points[start : start + _BATCH]
            ],
            update_conflicts=True,
            unique_fields=["series", "start_at"],
            update_fields=["price"],
        )
    _begin_anew(series)
    taken = PriceImport.objects.create(
        series=series,
        origin=origin,
        source=source[:500],
        status=PriceImport.Status.TAKEN,
        added=changes.added,
        changed=changes.changed,
        unchanged=changes.unchanged,
        starts_at=points[0].start_at,
        ends_at=points[-1].start_at + terms_of(series).step,
        actor_id=actor_id,
    )
    if actor_id is not None:
        audit.record(
            actor_id=actor_id,
            action="prices_imported",
            subject=series,
            data={"source": taken.source, "added": taken.added, "changed": taken.changed},
        )
    return taken


@transaction.atomic
def record_refusal(*, series_id: int, source: str, origin: str, problem: str) -> PriceImport:
    """Keep why nothing came in. What the series has stays as it is.

    The same again, with nothing between, is counted on the series and not kept once more. Locks: the series' row.
    Raises PriceSeries.DoesNotExist.
    """
    series = lock_row(PriceSeries.objects.filter(pk=series_id))
    latest = PriceImport.objects.filter(series=series).order_by("-created_at", "-pk").first()
    if (
        latest is not None
        and latest.status == PriceImport.Status.REFUSED
        and (latest.origin, latest.source, latest.problem) == (origin, source[:500], problem)
    ):
        series.refused_again += 1
        series.refused_again_at = clock.now()
        series.save(update_fields=["refused_again", "refused_again_at"])
        return latest
    _begin_anew(series)
    return PriceImport.objects.create(
        series=series, origin=origin, source=source[:500], status=PriceImport.Status.REFUSED, problem=problem
    )


def _begin_anew(series: PriceSeries) -> None:
    """Something else came in than what was refused before."""
    series.refused_again, series.refused_again_at = 0, None
    series.save(update_fields=["refused_again", "refused_again_at"])


def compare_prices(series: PriceSeries, points: Sequence[PricePoint]) -> Changes:
    """What taking over these points (in order of time) would change. One query."""
    present = dict(
        PriceSeriesValue.objects.filter(
            series=series, start_at__gte=points[0].start_at, start_at__lte=points[-1].start_at
        ).values_list("start_at", "price")
    )
    added = sum(point.start_at not in present for point in points)
    unchanged = sum(present.get(point.start_at) == point.price for point in points)
    return Changes(added, len(points) - added - unchanged, unchanged, present)


def terms_of(series: PriceSeries) -> SeriesTerms:
    return SeriesTerms(series.currency, series.step_minutes, series.time_zone)
