"""OCPP 1.6: firmware, logs and certificates."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from locations.models import ChargePoint
from ocpp_gateway.forms.base import (
    CommandForm,
    address,
    choice,
    date_and_time,
    given,
    long_text,
    whole_number,
)
from ocpp_gateway.selectors.commands import installed_certificates

FIRMWARE = gettext_lazy("Firmware and logs")
CERTIFICATES = gettext_lazy("Certificates")
_ROOTS = [
    ("CentralSystemRootCertificate", gettext_lazy("By which it recognises us")),
    ("ManufacturerRootCertificate", gettext_lazy("By which it recognises firmware")),
]


class _WithRetries(CommandForm):
    retries = whole_number(gettext_lazy("Tries"), min_value=0, max_value=20, required=False)
    retry_interval = whole_number(gettext_lazy("Seconds between two tries"), min_value=0, required=False)

    def retrying(self) -> dict[str, Any]:
        fields = self.cleaned_data
        return given({"retries": fields["retries"], "retryInterval": fields["retry_interval"]})


class UpdateFirmwareForm(_WithRetries):
    action, group, is_dangerous, is_bulk = "UpdateFirmware", FIRMWARE, True, True
    location = address(gettext_lazy("Address of the firmware"))
    retrieve_at = date_and_time(gettext_lazy("Fetch it at"), initial=clock.now)
    field_order = ("location", "retrieve_at", "retries", "retry_interval", "reason")

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        asked = {"location": fields["location"], "retrieveDate": fields["retrieve_at"]}
        return given(asked) | self.retrying()

    def consequences(self) -> list[str]:
        return [_("It fetches the firmware, installs it and restarts. A wrong file may put it out of order.")]


class SignedUpdateFirmwareForm(_WithRetries):
    action, group, is_dangerous = "SignedUpdateFirmware", FIRMWARE, True
    location = address(gettext_lazy("Address of the firmware"))
    retrieve_at = date_and_time(gettext_lazy("Fetch it at"), initial=clock.now)
    install_at = date_and_time(gettext_lazy("Install it at"), required=False)
    certificate = long_text(gettext_lazy("Certificate it was signed with (PEM)"), max_length=5_500)
    signature = long_text(gettext_lazy("Signature (base64)"), max_length=800, rows=3)

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        firmware = {
            "location": fields["location"],
            "retrieveDateTime": fields["retrieve_at"],
            "installDateTime": fields["install_at"],
            "signingCertificate": fields["certificate"],
            "signature": fields["signature"],
        }
        return {"requestId": self.number(), "firmware": given(firmware)} | self.retrying()

    def consequences(self) -> list[str]:
        return [_("It fetches the firmware, checks its signature, installs it and restarts.")]


class GetDiagnosticsForm(_WithRetries):
    action, group = "GetDiagnostics", FIRMWARE
    location = address(gettext_lazy("Upload to"))
    start = date_and_time(gettext_lazy("From"), required=False)
    stop = date_and_time(gettext_lazy("To"), required=False)

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        asked = {"location": fields["location"], "startTime": fields["start"], "stopTime": fields["stop"]}
        return given(asked) | self.retrying()


class GetLogForm(_WithRetries):
    action, group = "GetLog", FIRMWARE
    kind = choice(
        gettext_lazy("Log"),
        [("DiagnosticsLog", gettext_lazy("Diagnostics")), ("SecurityLog", gettext_lazy("Security"))],
    )
    location = address(gettext_lazy("Upload to"))
    start = date_and_time(gettext_lazy("From"), required=False)
    stop = date_and_time(gettext_lazy("To"), required=False)

    def payload(self) -> dict[str, Any]:
        fields = self.cleaned_data
        log = {
            "remoteLocation": fields["location"],
            "oldestTimestamp": fields["start"],
            "latestTimestamp": fields["stop"],
        }
        return {"logType": fields["kind"], "requestId": self.number(), "log": given(log)} | self.retrying()


class InstallCertificateForm(CommandForm):
    action, group, is_dangerous, is_bulk = "InstallCertificate", CERTIFICATES, True, True
    kind = choice(gettext_lazy("What for"), _ROOTS)
    certificate = long_text(gettext_lazy("Certificate (PEM)"), max_length=5_500)

    def payload(self) -> dict[str, Any]:
        return {"certificateType": self.cleaned_data["kind"], "certificate": self.cleaned_data["certificate"].strip()}

    def consequences(self) -> list[str]:
        return [_("It trusts whoever shows a certificate of this root. With a wrong one it may not find back to us.")]


class GetInstalledCertificateIdsForm(CommandForm):
    action, group, is_bulk = "GetInstalledCertificateIds", CERTIFICATES, True
    kind = choice(gettext_lazy("What for"), _ROOTS)

    def payload(self) -> dict[str, Any]:
        return {"certificateType": self.cleaned_data["kind"]}


class DeleteCertificateForm(CommandForm):
    action, group, is_dangerous = "DeleteCertificate", CERTIFICATES, True
    explanation = gettext_lazy("Offered is what it listed last; ask for its list first.")
    certificate = choice(gettext_lazy("Certificate"), [])

    def adapt_to(self, charge_point: ChargePoint) -> None:
        super().adapt_to(charge_point)
        field = self.fields["certificate"]
        field.choices = [  # type: ignore[attr-defined]
            (json.dumps(found, sort_keys=True), _("No. %(serial)s") % {"serial": found.get("serialNumber")})
            for found in installed_certificates(charge_point.pk)
        ]

    def payload(self) -> dict[str, Any]:
        return {"certificateHashData": json.loads(self.cleaned_data["certificate"])}

    def consequences(self) -> list[str]:
        return [_("It no longer trusts this root. Without one that recognises us it may not find back.")]


class CertificateSignedForm(CommandForm):
    action, group, is_dangerous = "CertificateSigned", CERTIFICATES, True
    explanation = gettext_lazy("A certificate made elsewhere for the request the charge point sent.")
    chain = long_text(gettext_lazy("Certificate chain (PEM)"), max_length=10_000)

    def clean_chain(self) -> str:
        chain: str = self.cleaned_data["chain"].strip()
        if "-----BEGIN CERTIFICATE-----" not in chain:
            raise forms.ValidationError(_("This is no PEM certificate: it begins with -----BEGIN CERTIFICATE-----."))
        return chain

    def payload(self) -> dict[str, Any]:
        return {"certificateChain": self.cleaned_data["chain"]}

    def consequences(self) -> list[str]:
        return [_("From its next connection on it shows this certificate.")]
