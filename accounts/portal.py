"""Portal pages whose edits leave an AuditEvent."""

from typing import Any

from django.db import models
from django.http import HttpRequest

from accounts.services import audit
from common.portal import PortalAdmin


class AuditedAdmin(PortalAdmin):
    """Rows operators edit by hand. Each edit is recorded in the audit trail, in the transaction that makes it."""

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        audit.record(actor_id=request.user.pk, action="row_added", subject=obj, data={"row": str(obj)})
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        data = {"row": str(obj), "changes": message if isinstance(message, list) else str(message)}
        audit.record(actor_id=request.user.pk, action="row_changed", subject=obj, data=data)
        return super().log_change(request, obj, message)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        audit.record(actor_id=request.user.pk, action="row_deleted", subject=obj, data={"row": str(obj)})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        for row in queryset:
            audit.record(actor_id=request.user.pk, action="row_deleted", subject=row, data={"row": str(row)})
        super().delete_queryset(request, queryset)
