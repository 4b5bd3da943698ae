"""OCPP 1.6: restart, availability, settings, reports, reservations, local list."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from locations.models import ChargePoint
from ocpp_gateway.domain.masking import is_secret_setting
from ocpp_gateway.domain.values import write_moment
from ocpp_gateway.forms.base import (
    CommandForm,
    ConnectorField,
    choice,
    date_and_time,
    given,
    long_text,
    text,
)
from ocpp_gateway.selectors.commands import open_reservations

OPERATION = gettext_lazy("Operation")
SETTINGS = gettext_lazy("Settings")
RESERVATIONS = gettext_lazy("Reservations and cards")


class ResetForm(CommandForm):
    action, group, is_dangerous, is_bulk = "Reset", OPERATION, True, True
    type = choice(
        gettext_lazy("How"),
        [
            ("Soft", gettext_lazy("Properly: end running sessions, report them, then restart")),
            ("Hard", gettext_lazy("At once: running sessions are cut off and reported after the restart")),
        ],
    )

    def payload(self) -> dict[str, Any]:
        return {"type": self.cleaned_data["type"]}

    def consequences(self) -> list[str]:
        if self.cleaned_data["type"] == "Soft":
            return [_("Running sessions end; then it restarts and is away for a minute or two.")]
        return [_("It restarts at once. Cars stop charging; what they took is reported afterwards, if at all.")]


class ChangeAvailabilityForm(CommandForm):
    action, group, is_dangerous, is_bulk = "ChangeAvailability", OPERATION, True, True
    connector = ConnectorField(whole=gettext_lazy("The whole charge point"))
    type = choice(
        gettext_lazy("Availability"),
        [("Operative", gettext_lazy("In service")), ("Inoperative", gettext_lazy("Out of service"))],
    )

    def payload(self) -> dict[str, Any]:
        return {"connectorId": self.cleaned_data["connector"], "type": self.cleaned_data["type"]}

    def consequences(self) -> list[str]:
        if self.cleaned_data["type"] == "Operative":
            return [_("Drivers may charge there again.")]
        return [_("Nobody can start there until it is put in service again. A running session is not interrupted.")]


class UnlockConnectorForm(CommandForm):
    action, group, is_dangerous = "UnlockConnector", OPERATION, True
    connector = ConnectorField()

    def payload(self) -> dict[str, Any]:
        return {"connectorId": self.cleaned_data["connector"]}

    def consequences(self) -> list[str]:
        return [_("A running session on this connector ends, and whoever stands there can take the cable.")]


class TriggerMessageForm(CommandForm):
    action, group, is_bulk = "TriggerMessage", OPERATION, True
    message = choice(
        gettext_lazy("What it should report"),
        [
            ("StatusNotification", gettext_lazy("Status of its connectors")),
            ("MeterValues", gettext_lazy("Meter values")),
            ("BootNotification", gettext_lazy("What it is (as after a restart)")),
            ("Heartbeat", gettext_lazy("A sign of life")),
            ("FirmwareStatusNotification", gettext_lazy("How its firmware update stands")),
            ("DiagnosticsStatusNotification", gettext_lazy("How its upload of diagnostics stands")),
        ],
    )
    connector = ConnectorField(whole=gettext_lazy("All of it"))

    def payload(self) -> dict[str, Any]:
        asked = {"requestedMessage": self.cleaned_data["message"]}
        return asked | given({"connectorId": self.cleaned_data["connector"] or None})


class ExtendedTriggerMessageForm(CommandForm):
    action, group = "ExtendedTriggerMessage", OPERATION
    explanation = gettext_lazy("For charge points with the security extension of OCPP 1.6.")
    message = choice(
        gettext_lazy("What it should report"),
        [
            ("LogStatusNotification", gettext_lazy("How its upload of a log stands")),
            ("SignChargePointCertificate", gettext_lazy("A request for a new certificate")),
            ("FirmwareStatusNotification", gettext_lazy("How its firmware update stands")),
            ("StatusNotification", gettext_lazy("Status of its connectors")),
            ("MeterValues", gettext_lazy("Meter values")),
            ("BootNotification", gettext_lazy("What it is (as after a restart)")),
            ("Heartbeat", gettext_lazy("A sign of life")),
        ],
    )
    connector = ConnectorField(whole=gettext_lazy("All of it"))

    def payload(self) -> dict[str, Any]:
        asked = {"requestedMessage": self.cleaned_data["message"]}
        return asked | given({"connectorId": self.cleaned_data["connector"] or None})


class GetConfigurationForm(CommandForm):
    action, group, is_bulk = "GetConfiguration", SETTINGS, True
    keys = long_text(
        gettext_lazy("Settings"),
        required=False,
        rows=3,
        help_text=gettext_lazy("One a line. Empty: all of them."),
    )

    def payload(self) -> dict[str, Any]:
        keys = [line.strip() for line in self.cleaned_data["keys"].splitlines() if line.strip()]
        return {"key": keys} if keys else {}


class ChangeConfigurationForm(CommandForm):
    action, group, is_dangerous, is_bulk = "ChangeConfiguration", SETTINGS, True, True
    setting = text(
        gettext_lazy("Setting"), max_length=50, help_text=gettext_lazy("For instance MeterValueSampleInterval.")
    )
    value = text(gettext_lazy("Value"), max_length=500, required=False)

    def clean_setting(self) -> str:
        setting: str = self.cleaned_data["setting"].strip()
        if is_secret_setting(setting):
            raise forms.ValidationError(
                _("A password is changed under “New key”, so that the old one works meanwhile.")
            )
        return setting

    def payload(self) -> dict[str, Any]:
        return {"key": self.cleaned_data["setting"], "value": self.cleaned_data["value"]}

    def consequences(self) -> list[str]:
        return [_("The setting “%(setting)s” becomes “%(value)s”.") % self.cleaned_data]


class DataTransferForm(CommandForm):
    action, group, is_dangerous = "DataTransfer", SETTINGS, True
    explanation = gettext_lazy("What a vendor adds to OCPP; its manual says what it understands.")
    vendor = text(gettext_lazy("Vendor"))
    message = text(gettext_lazy("Message"), max_length=50, required=False)
    content = long_text(gettext_lazy("Content"), required=False)

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        return given({"vendorId": fields["vendor"], "messageId": fields["message"], "data": fields["content"]})

    def consequences(self) -> list[str]:
        return [
            _("It is sent the message “%(message)s” of %(vendor)s. What that does, only the vendor knows.")
            % self.cleaned_data
        ]


class ClearCacheForm(CommandForm):
    action, group, is_bulk = "ClearCache", RESERVATIONS, True
    explanation = gettext_lazy("It forgets which cards it knows and asks us about each again.")


class GetLocalListVersionForm(CommandForm):
    action, group, is_bulk = "GetLocalListVersion", RESERVATIONS, True


class ReserveNowForm(CommandForm):
    action, group, is_dangerous = "ReserveNow", RESERVATIONS, True
    connector = ConnectorField(whole=gettext_lazy("Any of them"))
    id_tag = text(gettext_lazy("Card"), max_length=20, help_text=gettext_lazy("The id tag it is kept for."))
    until = date_and_time(gettext_lazy("Until"))

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until <= clock.now():
            raise forms.ValidationError(_("This moment has passed."))
        return until

    def payload(self) -> dict[str, Any]:
        return {
            "connectorId": self.cleaned_data["connector"],
            "idTag": self.cleaned_data["id_tag"],
            "expiryDate": write_moment(self.cleaned_data["until"]),
            "reservationId": self.number(),
        }

    def consequences(self) -> list[str]:
        return [_("Nobody else can charge there meanwhile.")]


class CancelReservationForm(CommandForm):
    action, group, is_dangerous = "CancelReservation", RESERVATIONS, True
    reservation = choice(gettext_lazy("Reservation"), [])

    def adapt_to(self, charge_point: ChargePoint) -> None:
        super().adapt_to(charge_point)
        field = self.fields["reservation"]
        field.choices = [  # type: ignore[attr-defined]
            (
                str(reserved["reservationId"]),
                _("Connector %(connector)s for %(tag)s until %(until)s")
                % {"connector": reserved["connectorId"], "tag": reserved["idTag"], "until": reserved["expiryDate"]},
            )
            for reserved in open_reservations(charge_point.pk)
        ]

    def payload(self) -> dict[str, Any]:
        return {"reservationId": int(self.cleaned_data["reservation"])}

    def consequences(self) -> list[str]:
        return [_("The connector is free for everybody again.")]
