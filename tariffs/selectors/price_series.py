"""Which price series a tariff's formula means, and its values."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from django.db.models import Case, Q, QuerySet, Value, When

from locations.models import ChargePoint
from tariffs.domain.spot import SpotPrice
from tariffs.models import PriceImport, PriceSeries, PriceSeriesValue


def known_series(currency: str) -> set[str]:
    """The codes a tariff in this currency can name."""
    return set(PriceSeries.objects.filter(currency=currency).values_list("code", flat=True))


def series_for(
    *, code: str, currency: str, charge_point: ChargePoint | None, region_id: int | None = None
) -> QuerySet[PriceSeries]:
    """The series with this code that may apply at a charge point (None: nowhere in particular), most specific first.

    Give the charge point with its location loaded; `region_id` where there is a region and no charge point.
    """
    places = Q(region__isnull=True, charge_point__isnull=True)
    if charge_point is not None:
        region_id = charge_point.location.region_id
        places |= Q(charge_point=charge_point.pk)
    if region_id is not None:
        places |= Q(region=region_id)
    specificity = Case(
        When(charge_point__isnull=False, then=Value(0)), When(region__isnull=False, then=Value(1)), default=Value(2)
    )
    return PriceSeries.objects.filter(places, code=code, currency=currency).order_by(specificity)


def spot_prices(
    *,
    code: str,
    currency: str,
    charge_point: ChargePoint | None,
    region_id: int | None = None,
    start_at: datetime,
    end_at: datetime,
) -> tuple[SpotPrice, ...]:
    """The steps that begin in [start_at, end_at) of the most specific series; a gap is a step that is not there.

    One query. Only one series answers: its gaps are not filled from a less specific one.
    """
    series = series_for(code=code, currency=currency, charge_point=charge_point, region_id=region_id)
    rows = (
        PriceSeriesValue.objects.filter(series_id=series.values("pk")[:1], start_at__gte=start_at, start_at__lt=end_at)
        .order_by("start_at")
        .values_list("start_at", "series__step_minutes", "price")
    )
    return tuple(SpotPrice(at, at + timedelta(minutes=minutes), price) for at, minutes, price in rows)


def spot_prices_of_many(
    *, code: str, currency: str, wanted: Mapping[int, tuple[ChargePoint, datetime, datetime]]
) -> dict[int, tuple[SpotPrice, ...]]:
    """What `spot_prices` gives for each (charge point, start, end), under the same keys. Two queries.

    Give the charge points with their locations loaded. The steps between the first start and the last end are read.
    """
    if not wanted:
        return {}
    places = (
        Q(region__isnull=True, charge_point__isnull=True)
        | Q(region__in={charge_point.location.region_id for charge_point, _start, _end in wanted.values()})
        | Q(charge_point__in={charge_point.pk for charge_point, _start, _end in wanted.values()})
    )
    known = {
        (series.region_id, series.charge_point_id): series
        for series in PriceSeries.objects.filter(places, code=code, currency=currency)
    }
    chosen: dict[int, PriceSeries] = {}
    for key, (charge_point, _start, _end) in wanted.items():
        series = known.get((None, charge_point.pk)) or known.get((charge_point.location.region_id, None))
        series = series or known.get((None, None))
        if series is not None:
            chosen[key] = series
    rows = PriceSeriesValue.objects.filter(
        series__in={series.pk for series in chosen.values()},
        start_at__gte=min(start for _point, start, _end in wanted.values()),
        start_at__lt=max(end for _point, _start, end in wanted.values()),
    ).order_by("series_id", "start_at")
    steps: dict[int, list[tuple[datetime, Decimal]]] = {}
    for series_id, start_at, price in rows.values_list("series_id", "start_at", "price"):
        steps.setdefault(series_id, []).append((start_at, price))
    found: dict[int, tuple[SpotPrice, ...]] = dict.fromkeys(wanted, ())
    for key, series in chosen.items():
        _point, start, end = wanted[key]
        step = timedelta(minutes=series.step_minutes)
        values = steps.get(series.pk, [])
        first, last = (bisect_left(values, moment, key=itemgetter(0)) for moment in (start, end))
        found[key] = tuple(SpotPrice(at, at + step, price) for at, price in values[first:last])
    return found


@dataclass(frozen=True, slots=True)
class SeriesStanding:
    """How a series stands: the last time prices came in, and what went wrong since (None: nothing)."""

    taken: PriceImport | None
    refused: PriceImport | None


def standing_of(series: PriceSeries) -> SeriesStanding:
    """Two queries."""
    imports = PriceImport.objects.filter(series=series).select_related("actor").order_by("-created_at", "-pk")
    taken = imports.filter(status=PriceImport.Status.TAKEN).first()
    latest = imports.first()
    return SeriesStanding(taken, latest if latest and latest.status == PriceImport.Status.REFUSED else None)


def steps_between(series: PriceSeries, start_at: datetime, end_at: datetime) -> list[tuple[datetime, Decimal | None]]:
    """Every step of the series in [start_at, end_at) and its price, None for a gap. One query.

    `start_at` is the start of a step, in UTC.
    """
    rows = PriceSeriesValue.objects.filter(series=series, start_at__gte=start_at, start_at__lt=end_at)
    prices = dict(rows.values_list("start_at", "price"))
    step = timedelta(minutes=series.step_minutes)
    starts = [start_at + index * step for index in range(-(-(end_at - start_at) // step))]
    return [(at, prices.get(at)) for at in starts]
