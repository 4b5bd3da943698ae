"""Letting a station in."""

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from accounts.services import audit
from common import clock
from locations.models import ChargePoint
from locations.services.credentials import confirm_key, is_present_key, key_matches
from ocpp_gateway.domain.admission import Credentials
from ocpp_gateway.domain.certificates import ClientCertificate
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


def admit_station(
    *,
    identity: str,
    credentials: Credentials | None,
    is_encrypted: bool,
    certificate: ClientCertificate | None = None,
) -> Station | None:
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
        SecurityProfile.CERTIFICATE: is_encrypted and _is_its_certificate(charge_point, certificate),
    }
    if not is_welcome[SecurityProfile(charge_point.security_profile)]:
        return None
    if matches and charge_point.previous_key_hmac is not None and is_present_key(charge_point, presented):
        confirm_key(charge_point_id=charge_point.pk)
    return _station_of(charge_point)


def _is_its_certificate(charge_point: ChargePoint, certificate: ClientCertificate | None) -> bool:
    """A verified certificate, in force, made out to the station by its identity or its serial number."""
    if certificate is None or not certificate.valid_from <= clock.now() <= certificate.valid_until:
        return False
    names = {charge_point.identity.casefold(), charge_point.serial_number.casefold()} - {""}
    return certificate.common_name.casefold() in names


def stations_now(charge_point_ids: Collection[int]) -> dict[int, Station]:
    """These stations as they are known now: approval, quirks and clock may have changed since they connected."""
    charge_points = ChargePoint.objects.filter(pk__in=charge_point_ids).select_related("model")
    return {charge_point.pk: _station_of(charge_point) for charge_point in charge_points}


def _station_of(charge_point: ChargePoint) -> Station:
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
