"""Writing the audit trail."""

from collections.abc import Iterable
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
    event = _event(actor_id, action, subject, reason, data)
    event.save(force_insert=True)
    return event


def record_many(
    *,
    actor_id: int | None,
    action: str,
    subjects: Iterable[models.Model],
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Add the same event about each of `subjects`, in one statement."""
    AuditEvent.objects.bulk_create([_event(actor_id, action, subject, reason, data) for subject in subjects])


def _event(
    actor_id: int | None, action: str, subject: models.Model, reason: str, data: dict[str, Any] | None
) -> AuditEvent:
    return AuditEvent(
        actor_id=actor_id,
        action=action,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        reason=reason,
        data=data or {},
    )
