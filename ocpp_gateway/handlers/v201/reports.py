"""What only OCPP 2.0.1 stations notify us of, and what they ask that is not offered here."""

from datetime import datetime

from ocpp_gateway.domain.v201.reports import values_of_report
from ocpp_gateway.handlers.dialect import Handler, Payload
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.v201 import reports


def report(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """NotifyReport: the station's variables, over as many messages as it takes."""
    reports.store_variables(
        charge_point_id=station.charge_point_id,
        values=values_of_report(payload.get("reportData") or []),
        at=received_at,
    )
    return Reply()


def kept(action: str, answer: Payload | None = None) -> Handler:
    """A handler that keeps the report for an operator and gives this answer."""

    def keep(station: Station, payload: Payload, received_at: datetime) -> Reply:
        reports.record_report(
            charge_point_id=station.charge_point_id, action=action, payload=payload, received_at=received_at
        )
        return Reply(dict(answer or {}))

    return keep


def ev_certificate(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """No contract certificates are issued here (M01)."""
    return Reply({"status": "Failed", "exiResponse": ""})


def certificate_status(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """No certificate authority is asked on behalf of stations (M06)."""
    return Reply({"status": "Failed"})


def data_transfer(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """Nothing a vendor sends on its own account is understood here; the message log keeps what it says."""
    return Reply({"status": "UnknownVendorId"})
