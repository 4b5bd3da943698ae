"""The market prices of many connectors at once, for pages that show more than one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from locations.models import Connector
from tariffs.domain.compiled import CompiledTariff
from tariffs.domain.spot import SpotPrice
from tariffs.models import PriceSeries, PriceSeriesValue

# A step that holds now began at most an hour ago; an example lasts a few hours.
_BEFORE = timedelta(hours=1)
_AHEAD = timedelta(hours=12)


class SpotBook:
    """Two queries, or none where no tariff follows a market price. Which series applies: `price_series.series_for`."""

    def __init__(self, tariffs: Sequence[tuple[Connector, CompiledTariff]], *, at: datetime) -> None:
        self._series: list[PriceSeries] = []
        self._prices: dict[int, list[SpotPrice]] = {}
        wanted = [(connector, tariff) for connector, tariff in tariffs if _code(tariff) is not None]
        if not wanted:
            return
        places = (
            Q(region__isnull=True, charge_point__isnull=True)
            | Q(region__in={connector.charge_point.location.region_id for connector, _tariff in wanted})
            | Q(charge_point__in={connector.charge_point_id for connector, _tariff in wanted})
        )
        codes = {_code(tariff) for _connector, tariff in wanted}
        self._series = list(PriceSeries.objects.filter(places, code__in=codes))
        steps = {series.pk: timedelta(minutes=series.step_minutes) for series in self._series}
        rows = PriceSeriesValue.objects.filter(
            series__in=steps, start_at__gt=at - _BEFORE, start_at__lt=at + _AHEAD
        ).order_by("start_at")
        for series_id, start_at, price in rows.values_list("series_id", "start_at", "price"):
            step = SpotPrice(start_at, start_at + steps[series_id], price)
            self._prices.setdefault(series_id, []).append(step)

    def prices(self, connector: Connector, tariff: CompiledTariff) -> tuple[int | None, tuple[SpotPrice, ...]]:
        """The id of the series a tariff means at a connector, and its prices around now; None where it means none."""
        code = _code(tariff)
        if code is None:
            return None, ()
        charge_point = connector.charge_point
        fitting = [
            series
            for series in self._series
            if series.code == code
            and series.currency == tariff.spec.currency
            and series.charge_point_id in (None, charge_point.pk)
            and series.region_id in (None, charge_point.location.region_id)
        ]
        if not fitting:
            return None, ()
        series = max(fitting, key=lambda one: (one.charge_point_id is not None, one.region_id is not None))
        return series.pk, tuple(self._prices.get(series.pk, ()))

    def name(self, series_id: int | None) -> str:
        return next((series.name for series in self._series if series.pk == series_id), "")


def _code(tariff: CompiledTariff) -> str | None:
    extensions = tariff.spec.extensions
    return extensions.spot.series if extensions is not None and extensions.spot is not None else None
