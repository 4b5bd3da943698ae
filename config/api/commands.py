"""Commands to charge points: sent, and what became of them."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from config.api.fields import Moment, Strict
from config.api.views import ApiView, WriteView
from locations.models import ChargePoint
from ocpp_gateway.domain.masking import mask_payload
from ocpp_gateway.domain.values import exact_numbers
from ocpp_gateway.models import Command
from ocpp_gateway.services.operator_commands import give_command_for_system
from ocpp_gateway.words import answer_words


class CommandOut(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    charge_point = serializers.CharField(source="charge_point.identity")
    ocpp_version = serializers.CharField()
    action = serializers.CharField()
    payload = serializers.SerializerMethodField()
    status = serializers.ChoiceField(Command.Status.choices)
    created_at = Moment()
    expires_at = Moment(help_text="Given up when it was not sent before.")
    sent_at = Moment(allow_null=True)
    resolved_at = Moment(allow_null=True)
    attempts = serializers.IntegerField()
    answer = serializers.SerializerMethodField(help_text="As the charge point gave it; null until there is one.")
    answer_words = serializers.SerializerMethodField(help_text="The answer as a sentence; empty until there is one.")
    error_code = serializers.CharField(allow_blank=True)

    def get_payload(self, command: Command) -> dict[str, Any]:
        content: dict[str, Any] = exact_numbers(mask_payload(command.action, command.payload))
        return content

    def get_answer(self, command: Command) -> dict[str, Any] | None:
        answer: dict[str, Any] | None = exact_numbers(command.response)
        return answer

    def get_answer_words(self, command: Command) -> str:
        return answer_words(command) if command.resolved_at is not None else ""


class CommandBody(Strict):
    charge_point = serializers.RegexField(r"^[\x21-\x7e]{1,48}$", help_text="Its identity.")
    action = serializers.RegexField(
        r"^[A-Za-z]{1,50}$", help_text="As OCPP calls it in the version the charge point speaks, such as Reset."
    )
    payload = serializers.DictField(required=False, default=dict, help_text="As OCPP defines it for the action.")
    reason = serializers.CharField(max_length=200, help_text="Kept in the audit trail with the key's name.")


class CommandQuery(Strict):
    charge_point = serializers.RegexField(r"^[\x21-\x7e]{1,48}$", required=False)
    action = serializers.RegexField(r"^[A-Za-z]{1,50}$", required=False)
    status = serializers.ChoiceField(Command.Status.choices, required=False)

    lookups = {"charge_point": "charge_point__identity__iexact", "action": "action", "status": "status"}


def _commands() -> QuerySet[Command]:
    return Command.objects.select_related("charge_point")


class CommandList(WriteView):
    scopes = {"GET": ApiKey.Scope.COMMANDS_READ, "POST": ApiKey.Scope.COMMANDS_WRITE}
    serializer_class = CommandOut
    query_class = CommandQuery
    body_class = CommandBody

    @extend_schema(operation_id="list_commands", parameters=[CommandQuery])
    def get(self, request: Request) -> Response:
        """Commands, newest first."""
        wanted = {CommandQuery.lookups[name]: value for name, value in self.query().items()}
        return self.page_of(_commands().filter(**wanted))

    @extend_schema(operation_id="send_command", request=CommandBody, responses={202: CommandOut})
    def post(self, request: Request, **place: Any) -> Any:
        """Queue a command. It is sent when the charge point is connected; ask for it again to see the answer."""
        return super().post(request, **place)

    def write(self, data: dict[str, Any], **place: Any) -> tuple[int, dict[str, Any]]:
        point = ChargePoint.objects.filter(identity__iexact=data["charge_point"]).first()
        if point is None:
            raise serializers.ValidationError({"charge_point": ["There is no such charge point."]})
        command = give_command_for_system(
            charge_point_id=point.pk,
            action=data["action"],
            payload=data["payload"],
            system=str(self.api_key),
            reason=data["reason"],
        )
        command.charge_point = point
        return 202, dict(CommandOut(command).data)


class CommandDetail(ApiView):
    scopes = {"GET": ApiKey.Scope.COMMANDS_READ}
    serializer_class = CommandOut

    @extend_schema(operation_id="get_command")
    def get(self, request: Request, id: int) -> Response:
        """One command and, once there is one, the charge point's answer."""
        self.query()
        return self.one_of(_commands().filter(pk=id).first())
