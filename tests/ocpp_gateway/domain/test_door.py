"""Identity, credentials, subprotocol and origin of a handshake; masking of what is logged."""

import base64
import json

import pytest

from ocpp_gateway.domain.admission import Credentials, is_browser, negotiate, read_credentials, read_identity
from ocpp_gateway.domain.command_sets import commands_of
from ocpp_gateway.domain.masking import mask_frame


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        (b"/ocpp/BERLIN-01", "BERLIN-01"),
        (b"/ocpp/BERLIN-01/", "BERLIN-01"),
        (b"/OCPP/tenant/BERLIN-01", "BERLIN-01"),
        (b"/ocpp/Berlin%2001", "Berlin 01"),
        (b"/ocpp/DE%2FVLT%2F1", "DE/VLT/1"),
        (b"/ocpp/M%C3%BCnchen", "München"),
        (b"/ocpp/%FF", ""),
        (b"/ocpp/a%00b", ""),
        (b"/ocpp/" + b"x" * 49, ""),
        (b"/", ""),
    ],
)
def test_the_identity_is_the_last_segment(path: bytes, identity: str) -> None:
    assert read_identity(path) == identity


def encoded(raw: bytes) -> bytes:
    return b"Basic " + base64.b64encode(raw)


@pytest.mark.parametrize(
    ("header", "credentials"),
    [
        (encoded(b"BERLIN-01:secret"), Credentials("BERLIN-01", b"secret")),
        (encoded(b"BERLIN-01:a:b"), Credentials("BERLIN-01", b"a:b")),
        (encoded(b"BERLIN-01:\xff\x00"), Credentials("BERLIN-01", b"\xff\x00")),
        (b"bAsIc   " + base64.b64encode(b"x:y"), Credentials("x", b"y")),
        (encoded(b"BERLIN-01"), None),
        (encoded(b"\xff:secret"), None),
        (b"Bearer abc", None),
        (b"Basic %%%", None),
        (b"", None),
    ],
)
def test_credentials(header: bytes, credentials: Credentials | None) -> None:
    assert read_credentials(header) == credentials


@pytest.mark.parametrize(
    ("offered", "configured", "spoken"),
    [
        (["ocpp1.6"], "1.6", "ocpp1.6"),
        (["ocpp1.6", "ocpp2.0.1"], "1.6", "ocpp2.0.1"),
        (["ocpp1.6"], "2.0.1", "ocpp1.6"),
        ([], "1.6", ""),
        ([], "2.0.1", None),
        (["ocpp1.5"], "1.6", None),
        (["ocpp2.0.1"], "1.6", "ocpp2.0.1"),
    ],
)
def test_negotiation(offered: list[str], configured: str, spoken: str | None) -> None:
    assert negotiate(offered, spoken=("ocpp2.0.1", "ocpp1.6"), configured=configured) == spoken


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"host": "csms.example", "origin": "http://csms.example"}, False),
        ({"host": "csms.example", "origin": "https://evil.example"}, True),
        ({"host": "csms.example", "origin": "null"}, True),
        ({"host": "csms.example", "origin": "http://[bad"}, True),
        ({"host": "csms.example", "origin": "http://csms.example", "user-agent": "Mozilla/5.0"}, True),
        ({"host": "csms.example", "origin": "http://csms.example", "cookie": "sessionid=1"}, True),
    ],
)
def test_browsers(headers: dict[str, str], expected: bool) -> None:
    raw = [(name.title().encode(), value.encode()) for name, value in headers.items()]
    assert is_browser(raw) is expected


KEY = "00112233445566778899aabbccddeeff00112233"


@pytest.mark.parametrize("name", ["AuthorizationKey", "BasicAuthPassword", "authorizationkey"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("is_value_first", [True, False])
def test_station_keys_are_never_logged(name: str, separators: tuple[str, str], is_value_first: bool) -> None:
    pairs = [("key", name), ("readonly", False), ("value", KEY)]
    setting = dict(reversed(pairs) if is_value_first else pairs)
    other = {"key": "HeartbeatInterval", "value": "60"}
    text = json.dumps([3, "id", {"configurationKey": [other, setting, other]}], separators=separators)
    masked = json.loads(mask_frame(text, mask_id_tags=False))
    assert masked[2]["configurationKey"] == [other, setting | {"value": "***"}, other]


@pytest.mark.parametrize(
    ("tag", "masked"),
    [("04ADA0001", "04***01"), ("SHORT", "***"), ('q"uote012', "***")],
)
def test_id_tags_are_masked_by_policy(tag: str, masked: str) -> None:
    text = json.dumps([2, "id", "StartTransaction", {"idTag": tag, "meterStart": 1, "parentIdTag": tag}])
    assert mask_frame(text, mask_id_tags=False) == text
    payload = json.loads(mask_frame(text, mask_id_tags=True))[3]
    assert payload == {"idTag": masked, "meterStart": 1, "parentIdTag": masked}


@pytest.mark.parametrize(
    ("action", "response", "expected"),
    [
        ("Reset", {"status": "Accepted"}, True),
        ("Reset", {"status": "Rejected"}, False),
        ("UnlockConnector", {"status": "Unlocked"}, True),
        ("UnlockConnector", {"status": "Accepted"}, False),
        ("ChangeConfiguration", {"status": "RebootRequired"}, True),
        ("ChangeAvailability", {"status": "Scheduled"}, True),
        ("GetConfiguration", {"configurationKey": []}, True),
    ],
)
def test_what_answers_mean(action: str, response: dict[str, object], expected: bool) -> None:
    assert commands_of("1.6").is_accepted(action, response) is expected
