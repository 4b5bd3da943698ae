"""Fields and serialisers every resource shares: moments in UTC, money as text, nothing that was not asked for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.currencies import quantize_amount


class Moment(serializers.DateTimeField):
    """A moment; out in UTC, in with any offset but never without one."""

    default_error_messages = {"naive": _("Must say its offset from UTC, as in 2026-06-15T12:00:00Z.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.fail("overflow")


class Quantity(serializers.DecimalField):
    """An exact number within bounds; out as text."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"max_digits": 20, "decimal_places": 6, **kwargs}
        super().__init__(**kwargs)


@extend_schema_field({"type": "string", "format": "decimal", "example": "14.70"})
class Amount(serializers.Field):
    """An amount in the row's `currency`, with as many decimals as the currency has."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def get_attribute(self, instance: Any) -> str | None:
        amount: Decimal | None = super().get_attribute(instance)
        currency = instance["currency"] if isinstance(instance, dict) else instance.currency
        return None if amount is None else format(quantize_amount(amount, currency), "f")

    def to_representation(self, value: str) -> str:
        return value


class Strict(serializers.Serializer):
    """Refuses what it does not know, by name, instead of passing over it."""

    default_error_messages = {"unknown": _("Is not known here."), "repeated": _("Is given more than once.")}
    # Read by the pages, not by the filters.
    passed_over = frozenset({"cursor", "limit", "format"})

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            wrong = {
                name: [self.error_messages["unknown"]]
                for name in data
                if name not in self.fields and not (isinstance(data, QueryDict) and name in self.passed_over)
            }
            if isinstance(data, QueryDict):
                wrong |= {name: [self.error_messages["repeated"]] for name, given in data.lists() if len(given) > 1}
            if wrong:
                raise serializers.ValidationError(wrong)
        if isinstance(data, QueryDict):
            # Not as a form: what is missing there means something.
            data = {name: value for name, value in data.items() if name in self.fields}
        return super().to_internal_value(data)
