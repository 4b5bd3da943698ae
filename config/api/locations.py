"""Locations with their connectors: live status, and what charging costs there without a contract."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from billing.models import ChargingSession
from common import clock
from config.api.fields import Moment, Strict
from config.api.views import ApiView
from locations.models import ChargePoint, Connector, Location
from tariffs.selectors.price_card import PriceCard, price_cards


class PriceRowOut(serializers.Serializer[Any]):
    name = serializers.CharField(source="label")
    price = serializers.CharField()
    when = serializers.CharField(allow_blank=True)


class PriceOut(serializers.Serializer[Any]):
    """For a visitor without a contract, VAT included. For a customer's price ask for a quote."""

    currency = serializers.CharField()
    sentence = serializers.CharField()
    rows = PriceRowOut(many=True)
    limits = serializers.ListField(child=serializers.CharField())
    tax_note = serializers.CharField()
    example = serializers.CharField(help_text="A session that starts now.")


class ConnectorOut(serializers.Serializer[Any]):
    id = serializers.CharField(source="code", help_text="The code on the label.")
    charge_point = serializers.CharField(source="charge_point.identity")
    number = serializers.IntegerField()
    standard = serializers.CharField()
    power_type = serializers.ChoiceField(Connector.PowerType.choices)
    max_power_w = serializers.IntegerField()
    status = serializers.ChoiceField(Connector.Status.choices)
    status_at = Moment(allow_null=True)
    is_connected = serializers.BooleanField(source="charge_point.is_connected")
    price = serializers.SerializerMethodField()

    @extend_schema_field(PriceOut(allow_null=True))
    def get_price(self, connector: Connector) -> Any:
        card: PriceCard | None = self.context["cards"].get(connector.pk)
        return None if card is None else PriceOut(card).data


class LocationOut(serializers.Serializer[Any]):
    id = serializers.CharField(source="code")
    name = serializers.CharField()
    address = serializers.CharField()
    postal_code = serializers.CharField(allow_blank=True)
    city = serializers.CharField()
    country = serializers.CharField()
    time_zone = serializers.CharField()
    latitude = serializers.DecimalField(max_digits=9, decimal_places=6, allow_null=True)
    longitude = serializers.DecimalField(max_digits=9, decimal_places=6, allow_null=True)
    is_public = serializers.BooleanField()
    connectors = serializers.SerializerMethodField()

    @extend_schema_field(ConnectorOut(many=True))
    def get_connectors(self, location: Location) -> Any:
        return ConnectorOut(_connectors(location), many=True, context=self.context).data


class LocationQuery(Strict):
    country = serializers.RegexField("^[A-Z]{2}$", required=False)
    is_public = serializers.BooleanField(required=False)


class _Locations(ApiView):
    scopes = {"GET": ApiKey.Scope.LOCATIONS_READ}
    serializer_class = LocationOut

    def get_queryset(self) -> QuerySet[Location]:
        in_service = ChargePoint.objects.filter(admission=ChargePoint.Admission.ADMITTED).order_by("identity")
        connectors = Connector.objects.order_by("number")
        return Location.objects.prefetch_related(
            Prefetch("charge_points", in_service, to_attr="in_service"),
            Prefetch("in_service__connectors", connectors, to_attr="numbered"),
        )


class LocationList(_Locations):
    query_class = LocationQuery

    @extend_schema(operation_id="list_locations", parameters=[LocationQuery])
    def get(self, request: Request) -> Response:
        """Locations with the connectors in service there, the newest location first."""
        rows = self.paginate_queryset(self.get_queryset().filter(**self.query())) or []
        written = LocationOut(rows, many=True, context={"cards": _cards(rows)})
        return self.get_paginated_response(written.data)


class LocationDetail(_Locations):
    @extend_schema(operation_id="get_location")
    def get(self, request: Request, id: str) -> Response:
        """One location by its code."""
        self.query()
        location = self.get_queryset().filter(code=id).first()
        return self.one_of(location, cards=_cards([location] if location else []))


def _connectors(location: Location) -> list[Connector]:
    """Those in service, each with its charge point and location set: nothing is asked of the database."""
    connectors: list[Connector] = []
    for charge_point in location.in_service:  # type: ignore[attr-defined]
        charge_point.location = location
        for connector in charge_point.numbered:
            connector.charge_point = charge_point
            connectors.append(connector)
    return connectors


def _cards(locations: list[Location]) -> dict[int, PriceCard | None]:
    connectors = [connector for location in locations for connector in _connectors(location)]
    if not connectors:
        return {}
    return price_cards(connectors=connectors, contract=None, channel=ChargingSession.Channel.APP, at=clock.now())
