"""Charging sessions: running, ended, parked."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from billing.models import ChargingSession
from config.api.fields import Amount, Moment, Quantity, Strict
from config.api.views import ApiView


class SessionOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    number = serializers.IntegerField(source="pk", help_text="The OCPP transaction id.")
    location = serializers.CharField(source="charge_point.location.code")
    charge_point = serializers.CharField(source="charge_point.identity")
    connector = serializers.CharField(source="connector.code", allow_null=True, default=None)
    driver = serializers.UUIDField(source="driver.public_id", allow_null=True, default=None)
    channel = serializers.ChoiceField(ChargingSession.Channel.choices)
    tariff = serializers.CharField(source="tariff_version.tariff.code", allow_null=True, default=None)
    tariff_version = serializers.IntegerField(source="tariff_version.number", allow_null=True, default=None)
    status = serializers.ChoiceField(ChargingSession.Status.choices)
    outcome = serializers.ChoiceField(ChargingSession.Outcome.choices)
    payment_status = serializers.ChoiceField(ChargingSession.PaymentStatus.choices)
    review_reason = serializers.CharField(allow_blank=True)
    started_at = Moment(allow_null=True)
    stopped_at = Moment(allow_null=True)
    ended_at = Moment(allow_null=True)
    energy_wh = Quantity(max_digits=18, decimal_places=4)
    power_w = Quantity(max_digits=14, decimal_places=4, allow_null=True)
    currency = serializers.CharField(allow_blank=True)
    cost_so_far = Amount(source="live_gross", help_text="VAT included; the final figure is that of the CDR.")


class SessionQuery(Strict):
    status = serializers.ChoiceField(ChargingSession.Status.choices, required=False)
    outcome = serializers.ChoiceField(ChargingSession.Outcome.choices, required=False)
    location = serializers.SlugField(required=False)
    charge_point = serializers.RegexField(r"^[\x21-\x7e]{1,48}$", required=False)
    started_from = Moment(required=False, help_text="At or after this moment.")
    started_before = Moment(required=False)

    lookups = {
        "status": "status",
        "outcome": "outcome",
        "location": "charge_point__location__code",
        "charge_point": "charge_point__identity__iexact",
        "started_from": "started_at__gte",
        "started_before": "started_at__lt",
    }


class _Sessions(ApiView):
    scopes = {"GET": ApiKey.Scope.SESSIONS_READ}
    serializer_class = SessionOut

    def get_queryset(self) -> QuerySet[ChargingSession]:
        return ChargingSession.objects.select_related(
            "charge_point__location", "connector", "driver", "tariff_version__tariff"
        )


class SessionList(_Sessions):
    query_class = SessionQuery

    @extend_schema(operation_id="list_sessions", parameters=[SessionQuery])
    def get(self, request: Request) -> Response:
        """Charging sessions, newest first."""
        wanted = {SessionQuery.lookups[name]: value for name, value in self.query().items()}
        return self.page_of(self.get_queryset().filter(**wanted))


class SessionDetail(_Sessions):
    @extend_schema(operation_id="get_session")
    def get(self, request: Request, id: str) -> Response:
        """One session."""
        self.query()
        return self.one_of(self.get_queryset().filter(public_id=id).first())
