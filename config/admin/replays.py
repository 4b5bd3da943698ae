"""Past sessions under another tariff version, in the portal: ask, watch, cancel, read what came of it."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from billing.models import TariffReplay
from billing.services.tariff_replays import cancel_replay, request_replay, restart_replay
from common.currencies import quantize_amount
from common.errors import BadInput, VoltledgerError
from common.portal import ReadOnlyAdmin, actor_of
from common.spreadsheets import csv_file
from config.admin.replay_form import ReplayForm
from config.selectors.replay_words import last_day, replay_words

CSV_HEADING = (
    "session", "started_at", "location", "customer_group", "currency", "billed_gross", "would_cost_gross", "difference",
    "not_priced_because", "what_was_seen",
)  # fmt: skip
CSV_COLUMNS = (
    "charging_session__public_id", "charging_session__started_at", "location", "customer_group", "currency",
    "old_gross", "new_gross", "problem", "note",
)  # fmt: skip


@admin.register(TariffReplay)
class TariffReplayAdmin(ReadOnlyAdmin):
    list_display = ("number", "version", "since", "until", "state_label", "progress", "requested_by", "created_at")
    list_filter = ("state",)
    search_fields = ("version__tariff__name", "version__tariff__code")
    list_select_related = ("version__tariff", "requested_by")
    csv_columns = (
        "pk", "version__tariff__code", "version__number", "since", "until", "state", "total_sessions", "done_sessions",
        "requested_by__email", "created_at", "finished_at",
    )  # fmt: skip
    list_before_template = "admin/portal/replay/new_link.html"

    @display(description=gettext_lazy("no."), ordering="pk")
    def number(self, asked: TariffReplay) -> str:
        return f"#{asked.pk}"

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={"queued": "warning", "running": "info", "done": "success", "failed": "danger", "cancelled": "default"},
    )
    def state_label(self, asked: TariffReplay) -> tuple[str, str]:
        return asked.state, str(asked.get_state_display())

    @display(description=gettext_lazy("sessions"), ordering="total_sessions")
    def progress(self, asked: TariffReplay) -> str:
        return f"{asked.done_sessions} / {asked.total_sessions}"

    def get_urls(self) -> list[URLPattern]:
        return [
            path("new/", self.admin_site.admin_view(self.new_view), name="billing_tariffreplay_new"),
            self.action_page("cancel", self.cancel_view),
            self.action_page("restart", self.restart_view),
            path(
                "<int:object_id>/sessions.csv",
                self.admin_site.admin_view(self.sessions_view),
                name="billing_tariffreplay_sessions",
            ),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a replay; it changes nothing for anybody, so it begins without a further question."""
        if not request.user.has_perm("billing.add_tariffreplay"):
            raise PermissionDenied
        form = ReplayForm(request.POST if request.method == "POST" else None, version=request.GET.get("version", ""))
        if form.is_valid():
            try:
                asked = request_replay(requested_by_id=actor_of(request), **form.terms())
                return HttpResponseRedirect(self._address(asked.pk))
            except VoltledgerError as error:
                form.add_error(None, [error.message, *(error.details if isinstance(error, BadInput) else ())])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Replay a tariff on past sessions"),
            "opts": self.opts,
            "form": form,
            "back_url": reverse("admin:billing_tariffreplay_changelist"),
        }
        return TemplateResponse(request, "admin/portal/replay/new.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far a replay is, and what came of it; asked by htmx, the part that changes alone."""
        asked = self.get_object(request, object_id)
        if asked is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, asked):
            raise PermissionDenied
        context = {
            "asked": asked,
            "is_unfinished": asked.state in TariffReplay.UNFINISHED,
            "address": self._address(asked.pk),
        }
        if request.htmx and context["is_unfinished"]:  # type: ignore[attr-defined]
            return TemplateResponse(request, "admin/portal/replay/progress.html", context)
        if request.htmx:  # type: ignore[attr-defined]
            # The whole page is another one now.
            return HttpResponse(headers={"HX-Refresh": "true"})
        context |= {
            **self.admin_site.each_context(request),
            "title": _("Replay #%(number)s: %(version)s") % {"number": asked.pk, "version": asked.version},
            "opts": self.opts,
            "places": list(asked.locations.order_by("name").values_list("name", flat=True)),
            "last_day": last_day(asked),
            "may_start_again": asked.state in (TariffReplay.State.FAILED, TariffReplay.State.CANCELLED),
            "words": replay_words(asked) if asked.state == TariffReplay.State.DONE else None,
        }
        return TemplateResponse(request, "admin/portal/replay/page.html", context)

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, cancel_replay, _("The replay is cancelled."))

    def restart_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, restart_replay, _("The replay starts again from its first session."))

    def _act(
        self, request: HttpRequest, object_id: int, service: Callable[..., TariffReplay], done: str
    ) -> HttpResponse:
        asked: TariffReplay = self.row_for(request, object_id, "billing.change_tariffreplay")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            service(replay_id=asked.pk, actor_id=actor_of(request))
            messages.success(request, done)
        except VoltledgerError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(self._address(asked.pk))

    def sessions_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Every session of a replay that is done, as CSV."""
        asked: TariffReplay = self.row_for(request, object_id, "billing.view_tariffreplay")
        if asked.state != TariffReplay.State.DONE:
            messages.error(request, _("The replay is not done yet. The file is there when it is."))
            return HttpResponseRedirect(self._address(asked.pk))
        return csv_file(f"tariff-replay-{asked.pk}.csv", CSV_HEADING, _csv_rows(asked))

    def _address(self, replay_id: int) -> str:
        return reverse("admin:billing_tariffreplay_change", args=[replay_id])


def _csv_rows(asked: TariffReplay) -> Iterator[tuple[object, ...]]:
    """Amounts with the places of their currency; read piece by piece."""
    for row in asked.sessions.values_list(*CSV_COLUMNS).iterator(chunk_size=2000):
        *described, currency, old, new, problem, note = row
        old = quantize_amount(old, currency)
        new = None if new is None else quantize_amount(new, currency)
        yield (*described, currency, old, new, None if new is None else new - old, problem, note)
