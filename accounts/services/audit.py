"""Writing the audit trail."""

from typing import Any

from django.db import models

from accounts.models import AuditEvent


def record(
    *,
    actor_id: int | None,
    action: str,
    subject: models.Model,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> AuditEvent:
    """Add one event about `subject`, in the caller's transaction: no action without its trace, no trace without it."""
    return AuditEvent.objects.create(
        actor_id=actor_id,
        action=action,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        reason=reason,
        data=data or {},
    )
