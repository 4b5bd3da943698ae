"""Security profiles 2 and 3 behind a proxy, keys sent over the connection, approval and clocks while connected."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ValidationError
from pytest_django import Settings

from accounts.models import AuditEvent, Token
from billing.models import ChargingSession
from common import clock
from locations.models import ChargePoint
from locations.services.admission import set_admission
from locations.services.credentials import issue_key
from ocpp_gateway.domain import clocks
from ocpp_gateway.models import Command, OcppMessage
from ocpp_gateway.services import rounds
from ocpp_gateway.services.commands import take_commands
from ocpp_gateway.services.key_rotation import rotate_key
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.test_commands import settled
from tests.ocpp_gateway.test_conversation import start, status
from tests.ocpp_gateway.test_transport import refused_with

Plug = Callable[..., ScriptedStation]

PROXY_SECRET = "0123456789abcdef0123456789abcdef"
OVER_TLS = {"X-Forwarded-Proto": "https"}


def certificate(common_name: str, *, days: int = 30) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    until = datetime.now(UTC) + timedelta(days=days)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=365))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def shown(pem: str, **changes: str) -> dict[str, str]:
    told = {"X-Proxy-Secret": PROXY_SECRET, "X-Client-Verify": "SUCCESS", "X-Client-Certificate": quote(pem)}
    return OVER_TLS | told | changes


# Profiles ---------------------------------------------------------------------------------------------------------


def test_profile_two_is_let_in_over_the_proxys_tls(plug_in: Plug, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=2)
    assert refused_with(plug_in) == 401
    assert refused_with(lambda: plug_in(key="0" * 40, headers=OVER_TLS)) == 401
    with plug_in(headers=OVER_TLS) as station:
        assert station.call("Heartbeat", {})


def test_profile_three_is_let_in_with_its_own_certificate_only(
    plug_in: Plug, charge_point: ChargePoint, settings: Settings
) -> None:
    ChargePoint.objects.update(security_profile=3, serial_number="W-77")
    own = certificate("berlin-01")
    # Without a secret between the proxy and us nobody's word counts.
    assert refused_with(lambda: plug_in(headers=shown(own))) == 401
    settings.OCPP_PROXY_SECRET = PROXY_SECRET
    for headers in (
        OVER_TLS,
        shown(own, **{"X-Proxy-Secret": "f" * 32}),
        shown(own, **{"X-Client-Verify": "FAILED:self-signed"}),
        shown(own, **{"X-Forwarded-Proto": "http"}),
        shown(certificate("BERLIN-02")),
        shown("no certificate"),
        shown(certificate("BERLIN-01", days=-1)),
        shown(certificate("BERLIN-01", days=400)),
    ):
        assert refused_with(partial(plug_in, headers=headers)) == 401
    for common_name in ("berlin-01", "W-77"):
        with plug_in(key="", headers=shown(certificate(common_name))) as station:
            assert station.call("Heartbeat", {})


def test_a_profile_is_raised_and_never_lowered(charge_point: ChargePoint) -> None:
    charge_point.security_profile = 2
    charge_point.full_clean()
    charge_point.save()
    charge_point.security_profile = 1
    with pytest.raises(ValidationError, match="never lowered"):
        charge_point.full_clean()


# Keys -------------------------------------------------------------------------------------------------------------


def sent_key(station: ScriptedStation) -> tuple[list[Any], str]:
    request = station.request("ChangeConfiguration")
    assert request[3]["key"] == "AuthorizationKey"
    return request, request[3]["value"]


@pytest.mark.parametrize(
    ("answer", "old_works", "new_works"),
    [
        ("Accepted", False, True),
        ("RebootRequired", False, True),
        ("Rejected", True, False),
        ("NotSupported", True, False),
    ],
)
def test_a_new_key_counts_as_the_station_answers(
    plug_in: Plug, charge_point: ChargePoint, key: str, answer: str, old_works: bool, new_works: bool
) -> None:
    with plug_in() as station:
        command = rotate_key(charge_point_id=charge_point.pk, reason="yearly")
        request, new_key = sent_key(station)
        station.reply(request, {"status": answer})
        command = settled(command, station)
    assert command.payload == {"key": "AuthorizationKey", "value": "***"}
    assert not OcppMessage.objects.filter(frame__contains=new_key).exists()
    for presented, works in ((key, old_works), (new_key, new_works)):
        if works:
            plug_in(key=presented).socket.close()
        else:
            assert refused_with(partial(plug_in, key=presented)) == 401


def test_both_keys_work_until_the_station_answers(plug_in: Plug, charge_point: ChargePoint, key: str) -> None:
    with plug_in() as station:
        rotate_key(charge_point_id=charge_point.pk)
        _, new_key = sent_key(station)
    plug_in(key=key).socket.close()
    plug_in(key=new_key).socket.close()
    # It has shown the new one.
    assert refused_with(lambda: plug_in(key=key)) == 401


def test_a_key_that_was_never_sent_is_withdrawn_and_one_issued_since_is_not(
    plug_in: Plug, charge_point: ChargePoint, key: str
) -> None:
    first = rotate_key(charge_point_id=charge_point.pk)
    assert take_commands(held=(), now=first.expires_at) == []
    charge_point.refresh_from_db()
    assert charge_point.previous_key_hmac is None
    assert AuditEvent.objects.filter(action="charge_point_key_refused").count() == 1
    plug_in(key=key).socket.close()

    second = rotate_key(charge_point_id=charge_point.pk)
    by_hand = issue_key(charge_point_id=charge_point.pk)
    assert take_commands(held=(), now=second.expires_at) == []
    plug_in(key=by_hand).socket.close()


# Approval and clocks ----------------------------------------------------------------------------------------------


def test_an_approved_station_hears_of_it_on_the_same_connection(
    plug_in: Plug, charge_point: ChargePoint, ada: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "HOUSEKEEPING_EVERY", timedelta(0))
    ChargePoint.objects.update(admission="pending")
    boot = {"chargePointVendor": "Wallbe", "chargePointModel": "Eco"}
    with plug_in() as station:
        assert station.call("BootNotification", boot)["status"] == "Pending"
        set_admission(charge_point_id=charge_point.pk, admission="admitted")
        request = station.request("TriggerMessage")
        assert request[3] == {"requestedMessage": "BootNotification"}
        station.reply(request, {"status": "Accepted"})
        assert station.call("BootNotification", boot)["status"] == "Accepted"
        assert station.call("StartTransaction", start())["idTagInfo"] == {"status": "Accepted"}
    assert Command.objects.count() == 1


def test_a_clock_an_hour_slow_is_learnt_and_sessions_are_dated_right(
    plug_in: Plug, charge_point: ChargePoint, ada: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "_APART", timedelta(0))
    hour = 3_600
    with plug_in() as station:
        for state in ("Available", "Preparing"):
            station.call("StatusNotification", status(state, seconds_ago=hour))
        station.call("Heartbeat", {})
        charge_point.refresh_from_db()
        assert abs(charge_point.clock_offset_seconds - hour) <= 2
        said = clock.now() - timedelta(seconds=hour + 5)
        station.call("StartTransaction", start(timestamp=said.isoformat()))
        session = ChargingSession.objects.get()
        assert abs((session.started_at - said).total_seconds() - hour) <= 3
        # Its clock was set since.
        station.call("StatusNotification", status("Charging"))
        station.call("Heartbeat", {})
    charge_point.refresh_from_db()
    assert charge_point.clock_offset_seconds == 0
