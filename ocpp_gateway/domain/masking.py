"""What the message log must not show: station keys always, id tags by policy. Pure."""

import re
from typing import Any, Final

MASK: Final = "***"
_NAMES_OF_SECRETS: Final = "AuthorizationKey|BasicAuthPassword"
# Both orders of {"key": "AuthorizationKey", "value": "..."}; a value may hold escaped quotes.
_KEY_THEN_VALUE: Final = re.compile(
    rf'("key"\s*:\s*"(?:{_NAMES_OF_SECRETS})"[^{{}}]*?"value"\s*:\s*)"(?:[^"\\]|\\.)*"', re.I
)
_VALUE_THEN_KEY: Final = re.compile(
    rf'("value"\s*:\s*)"(?:[^"\\]|\\.)*"([^{{}}]*?"key"\s*:\s*"(?:{_NAMES_OF_SECRETS})")', re.I
)
# OCPP 2.0.1: the value stands before or after a nested variable, so all values set in such a frame are masked.
_SET_VALUE: Final = re.compile(r'("attributeValue"\s*:\s*)"(?:[^"\\]|\\.)*"')
_ID_TAG: Final = re.compile(r'("(?:idTag|parentIdTag|idToken|additionalIdToken)"\s*:\s*")((?:[^"\\]|\\.)*)"')
_SHOWN_CHARACTERS: Final = 2
_SHORTEST_SHOWN: Final = 8


def mask_frame(text: str, *, mask_id_tags: bool) -> str:
    """The frame's text with station keys, and id tags when asked, replaced. Of a longer tag both ends stay readable."""
    if '"key"' in text:
        text = _KEY_THEN_VALUE.sub(rf'\1"{MASK}"', text)
        text = _VALUE_THEN_KEY.sub(rf'\1"{MASK}"\2', text)
    if "asicAuthPassword" in text:
        text = _SET_VALUE.sub(rf'\1"{MASK}"', text)
    if mask_id_tags and ("dTag" in text or "dToken" in text):
        text = _ID_TAG.sub(lambda match: f'{match[1]}{_masked_tag(match[2])}"', text)
    return text


def mask_payload(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A command's payload as it is kept once the command is resolved."""
    if action == "ChangeConfiguration" and is_secret_setting(str(payload.get("key", ""))):
        return payload | {"value": MASK}
    if action == "SetVariables":
        return payload | {"setVariableData": [_masked_variable(entry) for entry in payload["setVariableData"]]}
    return payload


def _masked_variable(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"attributeValue": MASK} if is_secret_setting(entry["variable"]["name"]) else entry


def is_secret_setting(key: str) -> bool:
    """True for a setting of a station that holds its password."""
    return key.casefold() in {"authorizationkey", "basicauthpassword"}


def _masked_tag(tag: str) -> str:
    if len(tag) < _SHORTEST_SHOWN or "\\" in tag:
        return MASK
    return f"{tag[:_SHOWN_CHARACTERS]}{MASK}{tag[-_SHOWN_CHARACTERS:]}"
