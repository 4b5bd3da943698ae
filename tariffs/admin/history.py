"""The versions of a tariff one after the other, and what changed between any two."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.models import AuditEvent
from accounts.portal import AuditedAdmin
from tariffs.models import Tariff, TariffVersion
from tariffs.selectors.diff import changes_between
from tariffs.selectors.in_force import version_in_force

VIEW = "tariffs.view_tariffversion"
# Newest first; older ones are in the list of versions.
MOST_SHOWN = 50
_DECISIONS = ("tariff_published", "tariff_withdrawn")


class HistoryPages(AuditedAdmin):
    """The page of a tariff's versions, for the admin of Tariff."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.versions_view)
        return [path("<int:object_id>/versions/", view, name="tariffs_tariff_versions"), *super().get_urls()]

    def versions_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Every version, who decided about it and why, and the changes between the two that are chosen."""
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        tariff: Tariff | None = self.get_object(request, str(object_id))
        if tariff is None:
            raise Http404
        versions = list(tariff.versions.all()[:MOST_SHOWN])
        for version in versions:
            version.tariff = tariff
        decisions = _decisions(tariff)
        old, new = _chosen(request, versions)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Versions of %(tariff)s") % {"tariff": tariff},
            "opts": self.opts,
            "tariff": tariff,
            "current": version_in_force(tariff.pk),
            "versions": [(version, decisions.get(version.number, ())) for version in versions],
            "old": old,
            "new": new,
            "changes": changes_between(old, new) if old is not None and new is not None else (),
            "back_url": reverse("admin:tariffs_tariff_change", args=[tariff.pk]),
        }
        return TemplateResponse(request, "admin/tariffs/versions.html", context)


def _decisions(tariff: Tariff) -> dict[int, list[AuditEvent]]:
    """What was decided about each version, by its number, oldest first."""
    events = AuditEvent.objects.filter(
        subject_type="tariffs.tariff", subject_id=str(tariff.pk), action__in=_DECISIONS
    ).select_related("actor")
    found: dict[int, list[AuditEvent]] = {}
    for event in events.order_by("at", "pk"):
        found.setdefault(event.data.get("version", 0), []).append(event)
    return found


def _chosen(
    request: HttpRequest, versions: Sequence[TariffVersion]
) -> tuple[TariffVersion | None, TariffVersion | None]:
    """The two that were asked for; without a question the newest beside the one before it."""
    by_number = {str(version.number): version for version in versions}
    if "old" in request.GET or "new" in request.GET:
        return by_number.get(request.GET.get("old", "")), by_number.get(request.GET.get("new", ""))
    if len(versions) < 2:
        return None, None
    return versions[1], versions[0]
