"""A station's settings as rows. Shared by all versions of OCPP: the key is the station's own name of the setting."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models.functions import Upper

from ocpp_gateway.domain.masking import is_secret_setting
from ocpp_gateway.models import ConfigurationValue

_LONGEST_VALUE = 10_000


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a station reports it."""

    key: str
    value: str = ""
    is_readonly: bool = False
    is_supported: bool = True
    needs_reboot: bool = False


@transaction.atomic
def store_settings(*, charge_point_id: int, settings: Iterable[Setting], at: datetime) -> int:
    """Store settings as they are at `at`; returns how many. The values of secrets are not kept. Safe to repeat.

    Keys are compared without regard to case, as OCPP does (1.6, 9.1). Two queries, however many.
    """
    latest = {setting.key.casefold(): setting for setting in settings if setting.key}
    known = {
        row.key.casefold(): row
        for row in ConfigurationValue.objects.filter(charge_point_id=charge_point_id).select_for_update()
    }
    created: list[ConfigurationValue] = []
    updated: list[ConfigurationValue] = []
    for folded, setting in latest.items():
        row = known.get(folded)
        (created if row is None else updated).append(row := row or ConfigurationValue(charge_point_id=charge_point_id))
        row.key = setting.key[:100]
        row.value = "" if is_secret_setting(setting.key) else setting.value[:_LONGEST_VALUE]
        row.is_readonly = setting.is_readonly
        row.is_supported = setting.is_supported
        row.needs_reboot = setting.needs_reboot
        row.read_at = at
    ConfigurationValue.objects.bulk_create(created)
    ConfigurationValue.objects.bulk_update(
        updated, ["key", "value", "is_readonly", "is_supported", "needs_reboot", "read_at"]
    )
    return len(latest)


def setting_of(charge_point_id: int, key: str) -> ConfigurationValue | None:
    """A setting as it was last read, None when it never was."""
    return (
        ConfigurationValue.objects.annotate(folded=Upper("key"))
        .filter(charge_point_id=charge_point_id, folded=key.upper())
        .first()
    )
