"""Market prices sent by another system."""

from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import ApiKey
from config.api.fields import Moment, Quantity, Strict
from config.api.problems import NotThere
from config.api.views import WriteView
from tariffs.domain.price_file import PricePoint
from tariffs.models import PriceSeries
from tariffs.models.price_series import PRICE_DIGITS, PRICE_PLACES
from tariffs.services.price_series import import_prices

# Three months of quarter hours.
MOST_VALUES = 9_000


class PriceValueIn(Strict):
    start_at = Moment(help_text="When the step begins.")
    price = Quantity(
        max_digits=PRICE_DIGITS, decimal_places=PRICE_PLACES, help_text="Per kWh, in the series' currency."
    )


class PriceValuesIn(Strict):
    values: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=PriceValueIn(), min_length=1, max_length=MOST_VALUES
    )


class PriceImportOut(serializers.Serializer[Any]):
    series = serializers.IntegerField()
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class PriceValues(WriteView):
    scopes = {"POST": ApiKey.Scope.PRICES_WRITE}
    serializer_class = PriceImportOut
    body_class = PriceValuesIn

    def write(self, data: dict[str, Any], **place: Any) -> tuple[int, dict[str, Any]]:
        series_id: int = place["series"]
        points = [PricePoint(value["start_at"].astimezone(UTC), value["price"]) for value in data["values"]]
        try:
            done = import_prices(
                series_id=series_id, rows=points, source=str(self.api_key), actor_id=self.api_key.created_by_id
            )
        except PriceSeries.DoesNotExist as error:
            raise NotThere from error
        return 201, {
            "series": series_id,
            "added": done.added,
            "changed": done.changed,
            "unchanged": done.unchanged,
        }

    @extend_schema(operation_id="add_price_values", request=PriceValuesIn, responses={201: PriceImportOut})
    def post(self, request: Request, **place: Any) -> Any:
        """Add prices to a series, by its number in the portal, and correct those it has. None is ever taken away."""
        return super().post(request, **place)
