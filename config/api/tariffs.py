"""Tariffs in force, as OCPI Tariff objects; and such objects in, as drafts."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from common.errors import BadInput
from config.api.fields import Moment, Strict
from config.api.views import ApiView, WriteView
from tariffs.domain import jsontext
from tariffs.domain.exchange import OcpiVersion
from tariffs.models import TariffVersion
from tariffs.selectors.in_force import versions_in_force
from tariffs.services.exchange import export_tariff, import_tariff


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


class TariffIn(Strict):
    ocpi = serializers.DictField(help_text="One OCPI Tariff object.")
    version = serializers.ChoiceField(
        [version.value for version in OcpiVersion],
        required=False,
        help_text="The OCPI version to read it as; else the one it is written in.",
    )
    code = serializers.SlugField(
        max_length=50,
        required=False,
        help_text="Of the tariff it becomes the next draft of, made where there is none; else made of the object's id.",
    )
    accept = serializers.ListField(
        child=serializers.CharField(max_length=300),
        default=list,
        max_length=100,
        help_text="Codes of warnings that are meant to be so, such as overlap.",
    )


class DraftOut(serializers.Serializer[Any]):
    id = serializers.CharField(source="tariff.code")
    version = serializers.IntegerField(source="number")
    status = serializers.ChoiceField(TariffVersion.Status.choices)
    valid_from = Moment()
    valid_until = Moment(allow_null=True)
    digest = serializers.CharField()


def _in_force() -> QuerySet[TariffVersion]:
    return versions_in_force().select_related("tariff")


class TariffList(WriteView):
    scopes = {"GET": ApiKey.Scope.TARIFFS_READ, "POST": ApiKey.Scope.TARIFFS_WRITE}
    serializer_class = TariffOut
    query_class = TariffQuery
    body_class = TariffIn

    @extend_schema(operation_id="list_tariffs", parameters=[TariffQuery])
    def get(self, request: Request) -> Response:
        """The tariffs in force, newest first."""
        return self.page_of(_in_force(), ocpi=OcpiVersion(self.query()["version"]))

    @extend_schema(operation_id="import_tariff", request=TariffIn, responses={201: DraftOut})
    def post(self, request: Request, **place: Any) -> Any:
        """Make a draft of an OCPI Tariff object. It prices nothing until it is published in the portal."""
        return super().post(request, **place)

    def write(self, data: dict[str, Any], **place: Any) -> tuple[int, dict[str, Any]]:
        version = import_tariff(
            text=jsontext.dumps(data["ocpi"]),
            version=OcpiVersion(data["version"]) if "version" in data else None,
            code=data.get("code", ""),
            actor_id=self.api_key.created_by_id,
            accepted=data["accept"],
        )
        return 201, dict(DraftOut(version).data)


class TariffDetail(ApiView):
    scopes = {"GET": ApiKey.Scope.TARIFFS_READ}
    serializer_class = TariffOut
    query_class = TariffQuery

    @extend_schema(operation_id="get_tariff", parameters=[TariffQuery])
    def get(self, request: Request, id: str) -> Response:
        """The version in force of one tariff, by its code."""
        ocpi = OcpiVersion(self.query()["version"])
        return self.one_of(_in_force().filter(tariff__code=id).first(), ocpi=ocpi)
