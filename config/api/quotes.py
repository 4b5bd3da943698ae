"""What charging at a connector would cost, as a person would be shown it."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from billing.errors import UnknownConnector, UnknownDriver
from billing.models import ChargingSession
from billing.quote_document import quote_document
from billing.services.quotes import connector_named, contract_of, quote
from common import clock
from config.api.fields import Moment, Quantity, Strict
from config.api.views import ApiView


class QuoteQuery(Strict):
    connector = serializers.RegexField(
        r"^[\x20-\x7e]{1,60}$", help_text="The code on its label, or charge point and number: CP-1/2."
    )
    driver = serializers.EmailField(required=False, help_text="Whose price; without it that of anybody.")
    channel = serializers.ChoiceField(
        ChargingSession.Channel.choices, default=ChargingSession.Channel.APP, help_text="How it is started."
    )
    kwh = Quantity(required=False, min_value=0, max_value=10_000, help_text="Energy of a session to price.")
    minutes = serializers.IntegerField(required=False, min_value=1, max_value=44_640, help_text="Minutes of charging.")
    parked_minutes = serializers.IntegerField(
        default=0, min_value=0, max_value=44_640, help_text="Minutes parked after charging."
    )
    at = Moment(required=False, help_text="When it starts; now where not given.")

    def validate_at(self, at: datetime) -> datetime:
        if not datetime(2000, 1, 1, tzinfo=UTC) <= at < datetime(2200, 1, 1, tzinfo=UTC):
            raise serializers.ValidationError("Must lie between the years 2000 and 2199.")
        return at


class TotalOut(serializers.Serializer[Any]):
    excl_vat = serializers.FloatField()
    incl_vat = serializers.FloatField()


class PayableOut(serializers.Serializer[Any]):
    net = serializers.FloatField()
    vat = serializers.FloatField()
    gross = serializers.FloatField()


class QuoteOut(serializers.Serializer[Any]):
    """Numbers are exact decimals. The session's figures are there where one was asked for."""

    connector = serializers.CharField()
    charge_point = serializers.CharField()
    connector_number = serializers.IntegerField()
    location = serializers.CharField()
    driver = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()
    time_zone = serializers.CharField()
    currency = serializers.CharField()
    vat_percent = serializers.FloatField()
    tariff = serializers.DictField()
    trace = serializers.ListField(child=serializers.DictField())
    price_card = serializers.DictField()
    inputs = serializers.DictField()
    worst_case = serializers.DictField()
    session = serializers.DictField(required=False)
    total_cost = TotalOut(required=False)
    payable = PayableOut(required=False)
    lines = serializers.ListField(child=serializers.DictField(), required=False)
    free = serializers.ListField(child=serializers.DictField(), required=False)
    digest = serializers.CharField(required=False)


class QuoteDetail(ApiView):
    """One question, one answer; nothing is stored or reserved."""

    scopes = {"GET": ApiKey.Scope.QUOTES_READ}
    serializer_class = QuoteOut
    query_class = QuoteQuery
    pagination_class = None

    @extend_schema(operation_id="get_quote", parameters=[QuoteQuery])
    def get(self, request: Request) -> Response:
        """The price at a connector with the tariff's trace, a priced session, and the most it can cost."""
        asked = self.query()
        at = asked.pop("at", None) or clock.now()
        email = asked.pop("driver", None)
        try:
            asked["connector"] = connector_named(asked["connector"])
            contract = contract_of(email, at) if email else None
        except (UnknownConnector, UnknownDriver) as error:
            name = "connector" if isinstance(error, UnknownConnector) else "driver"
            raise serializers.ValidationError({name: [error.message]}) from error
        return Response(quote_document(quote(contract=contract, at=at, **asked)))
