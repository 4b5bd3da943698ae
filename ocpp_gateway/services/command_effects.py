"""What the outcome of a command tells us about the station, by version and action.

An effect is given the command as it is being resolved, inside that transaction, with its content still unmasked. It
stores facts and queues nothing: what should follow from them is found by whoever looks for it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from common import clock
from locations.services.credentials import key_was_refused, key_was_taken
from ocpp_gateway.domain.masking import is_secret_setting
from ocpp_gateway.models import Command
from ocpp_gateway.services.configuration import Setting, setting_of, store_settings
from ocpp_gateway.services.v201.reports import variables_read, variables_set

Effect = Callable[[Command], None]


def _configuration_read(command: Command) -> None:
    """GetConfiguration: every key it named, and those it does not know."""
    if command.status != Command.Status.ACCEPTED:
        return
    response = command.response or {}
    found = [
        Setting(str(entry["key"]), str(entry.get("value") or ""), is_readonly=bool(entry.get("readonly")))
        for entry in response.get("configurationKey") or ()
    ]
    unknown = [Setting(str(key), is_supported=False) for key in response.get("unknownKey") or ()]
    store_settings(
        charge_point_id=command.charge_point_id, settings=found + unknown, at=command.resolved_at or clock.now()
    )


def _configuration_changed(command: Command) -> None:
    """ChangeConfiguration: the value it took, or that it does not know the key."""
    answer = (command.response or {}).get("status")
    key, value = command.payload["key"], command.payload["value"]
    if is_secret_setting(key):
        _password_changed(command, value)
    if command.status != Command.Status.ACCEPTED and answer != "NotSupported":
        return
    known = setting_of(command.charge_point_id, key)
    setting = Setting(
        known.key if known is not None else key,
        value if command.status == Command.Status.ACCEPTED else "",
        is_readonly=known is not None and known.is_readonly,
        is_supported=answer != "NotSupported",
        needs_reboot=answer == "RebootRequired",
    )
    store_settings(charge_point_id=command.charge_point_id, settings=[setting], at=command.resolved_at or clock.now())


def _password_changed(command: Command, key: str) -> None:
    """Taken: it alone works. Refused or never sent: the one before. No answer: nobody knows, so both work."""
    if command.status == Command.Status.ACCEPTED:
        key_was_taken(charge_point_id=command.charge_point_id, key=key)
    elif command.status in (Command.Status.REJECTED, Command.Status.EXPIRED):
        key_was_refused(charge_point_id=command.charge_point_id, key=key)


EFFECTS: Final[Mapping[tuple[str, str], Effect]] = {
    ("1.6", "GetConfiguration"): _configuration_read,
    ("1.6", "ChangeConfiguration"): _configuration_changed,
    ("2.0.1", "GetVariables"): variables_read,
    ("2.0.1", "SetVariables"): variables_set,
}
