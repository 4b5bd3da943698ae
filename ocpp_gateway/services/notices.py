"""Keeping what stations notify an operator of. Shared by all versions of OCPP."""

import hashlib
from datetime import datetime, timedelta

from django.db import transaction

from ocpp_gateway.domain.security_events import needs_attention
from ocpp_gateway.models import CertificateRequest, SecurityEvent, TransferReport

# The same word on the same transfer within this time is the same report sent again.
_SAME_REPORT_WITHIN = timedelta(seconds=60)


@transaction.atomic
def record_security_event(
    *, charge_point_id: int, event_type: str, tech_info: str = "", reported_at: datetime, received_at: datetime
) -> SecurityEvent:
    """Keep a security event. Idempotent: the same event of the same moment is kept once."""
    event, _ = SecurityEvent.objects.get_or_create(
        charge_point_id=charge_point_id,
        type=event_type[:50],
        reported_at=reported_at,
        tech_info=tech_info[:255],
        defaults={"needs_attention": needs_attention(event_type), "received_at": received_at},
    )
    return event


@transaction.atomic
def record_transfer_report(
    *, charge_point_id: int, topic: str, status: str, request_id: int | None = None, received_at: datetime
) -> TransferReport:
    """Keep one step of a firmware update or log upload. A repeat of the last report within a minute adds nothing."""
    last = TransferReport.objects.filter(charge_point_id=charge_point_id, topic=topic).order_by("-pk").first()
    if (
        last is not None
        and (last.status, last.request_id) == (status, request_id)
        and received_at - last.received_at < _SAME_REPORT_WITHIN
    ):
        return last
    return TransferReport.objects.create(
        charge_point_id=charge_point_id, topic=topic, status=status, request_id=request_id, received_at=received_at
    )


@transaction.atomic
def record_certificate_request(
    *, charge_point_id: int, csr: str, subject: str, received_at: datetime
) -> CertificateRequest:
    """Keep a certificate signing request for decision. Idempotent: the same request is kept once."""
    request, _ = CertificateRequest.objects.get_or_create(
        charge_point_id=charge_point_id,
        csr_sha256=hashlib.sha256(csr.encode()).hexdigest(),
        defaults={"csr": csr, "subject": subject[:200], "received_at": received_at},
    )
    return request
