"""Portal pages of roles, schedules and failed background tasks; what needs no page is taken off the site."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.decorators import display

from accounts.portal import AuditedAdmin
from common.portal import PortalAdmin, ReadOnlyAdmin

for model in (Group, EmailAddress, Authenticator, Schedule, Failure, Success, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """Roles are written down in accounts.roles and installed by `manage.py install_roles`; people are put into them."""

    list_display = ("name", "permission_total", "member_total")
    search_fields = ("name",)
    fields = ("name", "permissions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        counts = {
            "permission_count": Count("permissions", distinct=True),
            "member_count": Count("user", distinct=True),
        }
        return super().get_queryset(request).annotate(**counts)

    @display(description=_("permissions"), ordering="permission_count")
    def permission_total(self, group: Group) -> int:
        return int(group.permission_count)  # type: ignore[attr-defined]

    @display(description=_("members"), ordering="member_count")
    def member_total(self, group: Group) -> int:
        return int(group.member_count)  # type: ignore[attr-defined]


@admin.register(Schedule)
class ScheduleAdmin(AuditedAdmin):
    """When each task runs. Installed by `manage.py install_schedules`."""

    list_display = ("name", "func", "schedule_type", "minutes", "next_run")
    search_fields = ("name", "func")
    fields = ("name", "func", "schedule_type", "minutes", "cron", "next_run", "repeats")
    readonly_fields = ("name", "func")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Failure)
class FailedTaskAdmin(PortalAdmin):
    """Tasks that failed at every attempt. Nothing is lost by it: the sweeps find what was not done."""

    list_display = ("name", "func", "started", "stopped", "attempt_count")
    search_fields = ("name", "func")
    readonly_fields = ("name", "func", "args", "kwargs", "started", "stopped", "attempt_count", "result")
    fields = readonly_fields
    may_delete = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Failure | None = None) -> bool:
        return False
