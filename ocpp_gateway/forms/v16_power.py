"""OCPP 1.6 smart charging: power limits set, lifted, asked for."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_gateway.forms.base import CommandForm, ConnectorField, choice, given, whole_number

POWER = gettext_lazy("Power")
_UNITS = [("W", gettext_lazy("Watt")), ("A", gettext_lazy("Ampere per phase"))]
_PURPOSES = [
    ("TxDefaultProfile", gettext_lazy("Every session")),
    ("ChargePointMaxProfile", gettext_lazy("The charge point as a whole")),
]


class SetChargingProfileForm(CommandForm):
    action, group, is_dangerous = "SetChargingProfile", POWER, True
    purpose = choice(gettext_lazy("Limits"), _PURPOSES)
    connector = ConnectorField(whole=gettext_lazy("All of them"))
    limit = whole_number(gettext_lazy("At most"), min_value=0, max_value=1_000_000)
    unit = choice(gettext_lazy("Unit"), _UNITS)
    level = whole_number(
        gettext_lazy("Level"),
        min_value=0,
        max_value=100,
        initial=0,
        help_text=gettext_lazy("Of several limits with the same purpose the one of the highest level counts."),
    )
    minutes = whole_number(
        gettext_lazy("For how many minutes"),
        min_value=1,
        required=False,
        help_text=gettext_lazy("Empty: until lifted."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("purpose") == "ChargePointMaxProfile" and cleaned.get("connector"):
            raise forms.ValidationError(_("A limit of the charge point as a whole is set for all connectors."))
        return cleaned

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        schedule = given({"duration": fields["minutes"] and fields["minutes"] * 60}) | {
            "chargingRateUnit": fields["unit"],
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": fields["limit"]}],
        }
        profile = {
            "chargingProfileId": profile_id(fields["purpose"], fields["connector"], fields["level"]),
            "stackLevel": fields["level"],
            "chargingProfilePurpose": fields["purpose"],
            "chargingProfileKind": "Relative" if fields["minutes"] else "Absolute",
            "chargingSchedule": schedule,
        }
        return {"connectorId": fields["connector"], "csChargingProfiles": profile}

    def consequences(self) -> list[str]:
        return [_("Cars get no more than %(limit)s %(unit)s.") % self.cleaned_data]


def profile_id(purpose: str, connector: int, level: int) -> int:
    """One number per kind, connector and level, so that a new limit takes the place of the one before."""
    kind = [name for name, _words in _PURPOSES].index(purpose) + 1
    return kind * 1_000_000 + connector * 1_000 + level


class ClearChargingProfileForm(CommandForm):
    action, group, is_dangerous = "ClearChargingProfile", POWER, True
    purpose = choice(
        gettext_lazy("Which limits"),
        [("", gettext_lazy("All of them")), *_PURPOSES, ("TxProfile", gettext_lazy("Of the running session"))],
        required=False,
    )
    connector = ConnectorField(whole=gettext_lazy("All of them"))

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        return given({"chargingProfilePurpose": fields["purpose"], "connectorId": fields["connector"] or None})

    def consequences(self) -> list[str]:
        return [_("Cars may draw what the connector and the car allow.")]


class GetCompositeScheduleForm(CommandForm):
    action, group = "GetCompositeSchedule", POWER
    connector = ConnectorField(whole=gettext_lazy("The whole charge point"))
    minutes = whole_number(gettext_lazy("For the next minutes"), min_value=1, max_value=10_080, initial=60)
    unit = choice(gettext_lazy("Unit"), _UNITS)

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        return {
            "connectorId": fields["connector"],
            "duration": fields["minutes"] * 60,
            "chargingRateUnit": fields["unit"],
        }
