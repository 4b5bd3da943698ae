"""The command forms of each version, in the order the portal shows them."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from ocpp_gateway.forms import v16_core, v16_power, v16_upkeep
from ocpp_gateway.forms.base import CommandForm

_FORMS: Final[Mapping[str, Sequence[type[CommandForm]]]] = {
    "1.6": (
        v16_core.ResetForm,
        v16_core.ChangeAvailabilityForm,
        v16_core.UnlockConnectorForm,
        v16_core.TriggerMessageForm,
        v16_core.ExtendedTriggerMessageForm,
        v16_core.GetConfigurationForm,
        v16_core.ChangeConfigurationForm,
        v16_core.DataTransferForm,
        v16_core.ReserveNowForm,
        v16_core.CancelReservationForm,
        v16_core.ClearCacheForm,
        v16_core.GetLocalListVersionForm,
        v16_power.SetChargingProfileForm,
        v16_power.ClearChargingProfileForm,
        v16_power.GetCompositeScheduleForm,
        v16_upkeep.UpdateFirmwareForm,
        v16_upkeep.SignedUpdateFirmwareForm,
        v16_upkeep.GetDiagnosticsForm,
        v16_upkeep.GetLogForm,
        v16_upkeep.GetInstalledCertificateIdsForm,
        v16_upkeep.InstallCertificateForm,
        v16_upkeep.DeleteCertificateForm,
        v16_upkeep.CertificateSignedForm,
    ),
}


def form_of(version: str, action: str) -> type[CommandForm] | None:
    """The form of a command in a version; None where there is none."""
    return next((form for form in _FORMS.get(version, ()) if form.action == action), None)


def grouped_forms(version: str) -> list[tuple[str, list[type[CommandForm]]]]:
    """The forms of a version under their headings."""
    return [(heading, list(forms)) for heading, forms in groupby(_FORMS.get(version, ()), lambda form: str(form.group))]


def bulk_forms() -> list[type[CommandForm]]:
    """Commands that make sense for a selection of charge points, each once; named as the first version names them."""
    found: dict[str, type[CommandForm]] = {}
    for forms in _FORMS.values():
        for form in forms:
            if form.is_bulk:
                found.setdefault(form.action, form)
    return list(found.values())
