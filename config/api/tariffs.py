"""Tariffs in force, as OCPI Tariff objects."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from common.errors import BadInput
from config.api.fields import Moment, Strict
from config.api.views import ApiView
from tariffs.domain.exchange import OcpiVersion
from tariffs.models import TariffVersion
from tariffs.selectors.in_force import versions_in_force
from tariffs.services.exchange import export_tariff


class TariffOut(serializers.Serializer[Any]):
    id = serializers.CharField(source="tariff.code")
    name = serializers.CharField(source="tariff.name")
    currency = serializers.CharField(source="tariff.currency")
    version = serializers.IntegerField(source="number")
    valid_from = Moment()
    valid_until = Moment(allow_null=True, help_text="When it ends by itself; null: never.")
    published_at = Moment(allow_null=True)
    digest = serializers.CharField()
    ocpi = serializers.DictField(
        allow_null=True, help_text="The OCPI Tariff object in the version asked for; null where that cannot say it."
    )
    cannot_say = serializers.ListField(
        child=serializers.CharField(), help_text="What of the tariff the OCPI version asked for has no words for."
    )

    def to_representation(self, version: TariffVersion) -> dict[str, Any]:
        version.ocpi, version.cannot_say = None, []  # type: ignore[attr-defined]
        try:
            version.ocpi = export_tariff(version, ocpi=self.context["ocpi"])  # type: ignore[attr-defined]
        except BadInput as error:
            version.cannot_say = list(error.details) or [error.message]  # type: ignore[attr-defined]
        written: dict[str, Any] = super().to_representation(version)
        return written


class TariffQuery(Strict):
    version = serializers.ChoiceField(
        [version.value for version in OcpiVersion], default=OcpiVersion.V230.value, help_text="The OCPI version."
    )


class _Tariffs(ApiView):
    scopes = {"GET": ApiKey.Scope.TARIFFS_READ}
    serializer_class = TariffOut
    query_class = TariffQuery

    def get_queryset(self) -> QuerySet[TariffVersion]:
        """The version in force of each tariff that has one."""
        return versions_in_force().select_related("tariff")


class TariffList(_Tariffs):
    @extend_schema(operation_id="list_tariffs", parameters=[TariffQuery])
    def get(self, request: Request) -> Response:
        """The tariffs in force, newest first."""
        return self.page_of(self.get_queryset(), ocpi=OcpiVersion(self.query()["version"]))


class TariffDetail(_Tariffs):
    @extend_schema(operation_id="get_tariff", parameters=[TariffQuery])
    def get(self, request: Request, id: str) -> Response:
        """The version in force of one tariff, by its code."""
        ocpi = OcpiVersion(self.query()["version"])
        return self.one_of(self.get_queryset().filter(tariff__code=id).first(), ocpi=ocpi)
