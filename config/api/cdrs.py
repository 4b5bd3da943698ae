"""Charge detail records: what sessions cost, with every line and its reasons."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from billing.models import Cdr
from config.api.fields import Amount, Moment, Quantity, Strict
from config.api.views import ApiView


class VatTotalOut(serializers.Serializer[Any]):
    percent = serializers.CharField(allow_null=True)
    net = serializers.CharField()
    vat = serializers.CharField()
    gross = serializers.CharField()


class CostLineOut(serializers.Serializer[Any]):
    kind = serializers.CharField()
    quantity = Quantity(max_digits=24, decimal_places=9)
    unit = serializers.CharField()
    unit_price = Quantity(max_digits=20, decimal_places=9)
    vat_percent = Quantity(max_digits=6, decimal_places=3, allow_null=True)
    net = Quantity(max_digits=24, decimal_places=9, help_text="Not rounded; the record's totals are, once.")
    explanation = serializers.DictField()


class CdrOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    session = serializers.UUIDField(source="charging_session.public_id")
    location = serializers.CharField(source="charging_session.charge_point.location.code")
    charge_point = serializers.CharField(source="charging_session.charge_point.identity")
    connector = serializers.CharField(source="charging_session.connector.code", allow_null=True, default=None)
    driver = serializers.UUIDField(source="charging_session.driver.public_id", allow_null=True, default=None)
    started_at = Moment(source="charging_session.started_at")
    ended_at = Moment(source="charging_session.ended_at")
    energy_wh = Quantity(max_digits=18, decimal_places=4)
    duration_seconds = serializers.IntegerField()
    currency = serializers.CharField()
    net = Amount()
    vat = Amount()
    gross = Amount()
    vat_totals = VatTotalOut(many=True)
    lines = CostLineOut(many=True)
    tariff_digest = serializers.CharField()
    rating_digest = serializers.CharField()
    created_at = Moment()


class CdrQuery(Strict):
    session = serializers.UUIDField(required=False)
    created_from = Moment(required=False, help_text="At or after this moment.")
    created_before = Moment(required=False)

    lookups = {
        "session": "charging_session__public_id",
        "created_from": "created_at__gte",
        "created_before": "created_at__lt",
    }


class _Cdrs(ApiView):
    scopes = {"GET": ApiKey.Scope.CDRS_READ}
    serializer_class = CdrOut

    def get_queryset(self) -> QuerySet[Cdr]:
        return Cdr.objects.select_related(
            "charging_session__charge_point__location", "charging_session__connector", "charging_session__driver"
        ).prefetch_related("lines")


class CdrList(_Cdrs):
    query_class = CdrQuery

    @extend_schema(operation_id="list_cdrs", parameters=[CdrQuery])
    def get(self, request: Request) -> Response:
        """Charge detail records, newest first. A record never changes."""
        wanted = {CdrQuery.lookups[name]: value for name, value in self.query().items()}
        return self.page_of(self.get_queryset().filter(**wanted))


class CdrDetail(_Cdrs):
    @extend_schema(operation_id="get_cdr")
    def get(self, request: Request, id: str) -> Response:
        """One charge detail record."""
        self.query()
        return self.one_of(self.get_queryset().filter(public_id=id).first())
