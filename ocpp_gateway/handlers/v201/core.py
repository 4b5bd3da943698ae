"""Boot, heartbeat, status and authorisation in OCPP 2.0.1 (part 2, blocks B, C and G).

Whatever a handler is given has passed the schema or its repairs (domain.v201.repairs).
"""

from datetime import datetime
from typing import Final

from billing.services import sessions
from locations.services import status
from ocpp_gateway.domain.v201.events import read_id_tag
from ocpp_gateway.domain.v201.words import id_token_info
from ocpp_gateway.domain.values import write_moment
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.handlers.shared import boot_answer, changed_pages, moment_of
from ocpp_gateway.handlers.v201.shared import habits_of, judged
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.v201 import places

# What goes on at an occupied connector its transaction says, to the moment.
_OCCUPIED: Final = "Occupied"


def boot_notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    about = payload["chargingStation"]
    status.record_boot(
        charge_point_id=station.charge_point_id,
        vendor=about["vendorName"],
        model=about["model"],
        serial_number=about.get("serialNumber") or "",
        firmware_version=about.get("firmwareVersion") or "",
        at=received_at,
    )
    return Reply(boot_answer(station, received_at), network_changed=True)


def heartbeat(station: Station, payload: Payload, received_at: datetime) -> Reply:
    return Reply({"currentTime": write_moment(received_at)})


def status_notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """EVSE 0 is the station as a whole and changes no connector; neither does one we do not know."""
    connector = None
    if payload["evseId"] > 0 and payload["connectorId"] > 0:
        connector = places.connector_at(
            charge_point_id=station.charge_point_id,
            evse_number=payload["evseId"],
            connector_number=payload["connectorId"],
        )
    if connector is None:
        return Reply()
    at = moment_of(station, payload, received_at).occurred_at
    meant = places.status_of(connector, payload["connectorStatus"])
    status.record_connector_status(
        charge_point_id=station.charge_point_id, connector_number=connector.number, status=meant, at=at
    )
    if payload["connectorStatus"] == _OCCUPIED:
        return Reply(network_changed=True)
    directive = sessions.connector_status(
        charge_point_id=station.charge_point_id, connector_number=connector.number, status=meant, at=at
    )
    return Reply(changed_sessions=changed_pages(directive.public_id), network_changed=True)


def authorize(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """A contract certificate is answered as not verifiable: no root of contract certificates is installed here."""
    if "iso15118CertificateHashData" in payload or "certificate" in payload:
        return Reply(id_token_info("certificate_not_verifiable") | {"certificateStatus": "NoCertificateAvailable"})
    return Reply(judged(station, read_id_tag(payload, habits_of(station)), received_at))
