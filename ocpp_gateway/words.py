"""Commands and their answers in the words an operator reads."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_gateway.models import Command

_ACTIONS: Final[Mapping[str, Promise]] = {
    "CancelReservation": gettext_lazy("Cancel a reservation"),
    "CertificateSigned": gettext_lazy("Deliver a certificate"),
    "ChangeAvailability": gettext_lazy("Change availability"),
    "ChangeConfiguration": gettext_lazy("Change a setting"),
    "ClearCache": gettext_lazy("Clear the cache of cards"),
    "ClearChargingProfile": gettext_lazy("Lift a power limit"),
    "DataTransfer": gettext_lazy("Send a vendor's message"),
    "DeleteCertificate": gettext_lazy("Remove a certificate"),
    "ExtendedTriggerMessage": gettext_lazy("Ask for a security report"),
    "GetCompositeSchedule": gettext_lazy("Ask for the power limit in force"),
    "GetConfiguration": gettext_lazy("Read settings"),
    "GetDiagnostics": gettext_lazy("Fetch diagnostics"),
    "GetInstalledCertificateIds": gettext_lazy("List certificates"),
    "GetLocalListVersion": gettext_lazy("Ask for the version of the local list"),
    "GetLog": gettext_lazy("Fetch a log"),
    "InstallCertificate": gettext_lazy("Install a root certificate"),
    "RemoteStartTransaction": gettext_lazy("Start a session"),
    "RemoteStopTransaction": gettext_lazy("Stop a session"),
    "ReserveNow": gettext_lazy("Reserve a connector"),
    "Reset": gettext_lazy("Restart"),
    "SendLocalList": gettext_lazy("Send the local list"),
    "SetChargingProfile": gettext_lazy("Set a power limit"),
    "SignedUpdateFirmware": gettext_lazy("Install signed firmware"),
    "TriggerMessage": gettext_lazy("Ask for a report"),
    "UnlockConnector": gettext_lazy("Unlock a connector"),
    "UpdateFirmware": gettext_lazy("Install firmware"),
}
_STATUSES: Final[Mapping[str, Promise]] = {
    "Accepted": gettext_lazy("It does as asked."),
    "AcceptedCanceled": gettext_lazy("It does as asked and gave up an earlier transfer for it."),
    "Failed": gettext_lazy("It tried and failed."),
    "Faulted": gettext_lazy("It is out of order."),
    "InvalidCertificate": gettext_lazy("The certificate is not valid for it."),
    "NotFound": gettext_lazy("It has none of these."),
    "NotImplemented": gettext_lazy("It does not know this report."),
    "NotSupported": gettext_lazy("It cannot do this."),
    "Occupied": gettext_lazy("The connector is in use."),
    "RebootRequired": gettext_lazy("It took the value; it counts after a restart."),
    "Rejected": gettext_lazy("It refuses."),
    "RevokedCertificate": gettext_lazy("The certificate was revoked."),
    "Scheduled": gettext_lazy("It will, once the running session has ended."),
    "Unavailable": gettext_lazy("The connector is out of service."),
    "Unknown": gettext_lazy("It has no such limit."),
    "UnknownMessageId": gettext_lazy("It does not know this message of the vendor."),
    "UnknownVendorId": gettext_lazy("It does not know this vendor."),
    "Unlocked": gettext_lazy("The connector is unlocked."),
    "UnlockFailed": gettext_lazy("The lock did not open."),
    "VersionMismatch": gettext_lazy("Its list has another version; it must be sent in full."),
}
_ERRORS: Final[Mapping[str, Promise]] = {
    "NotSupported": gettext_lazy("It knows this command but cannot do it."),
    "NotImplemented": gettext_lazy("It does not know this command."),
    "SecurityError": gettext_lazy("It refused for reasons of security."),
    "InternalError": gettext_lazy("It failed at it."),
}


def action_words(action: str) -> str:
    """A command's name as an operator says it."""
    return str(_ACTIONS.get(action, action))


def answer_words(command: Command) -> str:
    """What the station answered, as a sentence; what became of the command when it did not answer."""
    if command.error_code:
        words = _ERRORS.get(command.error_code)
        description = str((command.response or {}).get("description") or "")
        return " ".join(part for part in (str(words) if words else command.error_code, description) if part)
    if command.response is None:
        return str(command.get_status_display())
    return _facts(command.response) or _("It answered.")


def _facts(response: Mapping[str, Any]) -> str:
    status = response.get("status")
    parts = [str(_STATUSES.get(str(status), status))] if status is not None else []
    if "listVersion" in response:
        parts.append(_("Its local list has version %(version)s.") % {"version": response["listVersion"]})
    if response.get("fileName") or response.get("filename"):
        name = response.get("fileName") or response.get("filename")
        parts.append(_("The file is called %(name)s.") % {"name": name})
    if isinstance(keys := response.get("configurationKey"), list):
        parts.append(_("%(count)s settings were read.") % {"count": len(keys)})
    if isinstance(unknown := response.get("unknownKey"), list) and unknown:
        parts.append(_("It does not know %(keys)s.") % {"keys": ", ".join(map(str, unknown))})
    if isinstance(hashes := response.get("certificateHashData"), list):
        parts.append(_("%(count)s certificates.") % {"count": len(hashes)})
    if isinstance(schedule := response.get("chargingSchedule"), dict):
        parts.append(_schedule_words(schedule))
    if isinstance(response.get("data"), str):
        parts.append(response["data"])
    return " ".join(part for part in parts if part)


def _schedule_words(schedule: Mapping[str, Any]) -> str:
    unit = str(schedule.get("chargingRateUnit") or "")
    periods = schedule.get("chargingSchedulePeriod")
    steps = [
        _("%(limit)s %(unit)s from second %(start)s")
        % {"limit": step.get("limit"), "unit": unit, "start": step.get("startPeriod")}
        for step in (periods if isinstance(periods, list) else [])
        if isinstance(step, dict)
    ]
    return f"{', '.join(steps)}." if steps else ""
