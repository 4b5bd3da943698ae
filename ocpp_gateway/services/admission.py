"""Letting a station in."""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from accounts.services import audit
from locations.models import ChargePoint
from locations.services.credentials import confirm_key, is_present_key, key_matches
from ocpp_gateway.domain.admission import Credentials
from ocpp_gateway.selectors.connections import find_charge_point

SecurityProfile = ChargePoint.SecurityProfile


@dataclass(frozen=True, slots=True)
class Station:
    """A charge point that has shown who it is. `id_tag_separator` is its model's quirk (docs/ocpp.md)."""

    charge_point_id: int
    identity: str
    ocpp_version: str
    is_admitted: bool
    id_tag_separator: str = ""
    clock_offset_seconds: int = 0


def admit_station(*, identity: str, credentials: Credentials | None, is_encrypted: bool) -> Station | None:
    """The station when its credentials are right for its security profile, else None.

    An unknown identity, a wrong key and a retired charge point take the same steps and get the same answer. A key that
    was replaced stops working once the station has shown the new one.
    """
    charge_point = find_charge_point(identity)
    presented = credentials.password if credentials is not None else b""
    matches = key_matches(charge_point, presented)
    names_itself = credentials is not None and credentials.username.casefold() == identity.casefold()
    if charge_point is None or charge_point.admission == ChargePoint.Admission.RETIRED:
        return None
    is_welcome = {
        SecurityProfile.NONE: settings.OCPP_ALLOW_UNAUTHENTICATED,
        SecurityProfile.BASIC: matches and names_itself,
        SecurityProfile.BASIC_TLS: matches and names_itself and is_encrypted,
        # Client certificates are not read yet.
        SecurityProfile.CERTIFICATE: False,
    }
    if not is_welcome[SecurityProfile(charge_point.security_profile)]:
        return None
    if matches and charge_point.previous_key_hmac is not None and is_present_key(charge_point, presented):
        confirm_key(charge_point_id=charge_point.pk)
    quirks = charge_point.model.quirks if charge_point.model is not None else {}
    return Station(
        charge_point_id=charge_point.pk,
        identity=charge_point.identity,
        ocpp_version=charge_point.ocpp_version,
        is_admitted=charge_point.admission == ChargePoint.Admission.ADMITTED,
        id_tag_separator=str(quirks.get("id_tag_separator", "")),
        clock_offset_seconds=charge_point.clock_offset_seconds,
    )


@transaction.atomic
def note_second_socket(*, charge_point_id: int, remote_address: str) -> None:
    """Put on record that a second socket with a station's credentials was refused while the first one is alive."""
    audit.record(
        actor_id=None,
        action="second_socket_refused",
        subject=ChargePoint.objects.get(pk=charge_point_id),
        data={"address": remote_address},
    )
