"""Contract migrations in the portal: choose who moves, look, leave some out, confirm, watch, undo."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from accounts.models import Driver
from accounts.portal import AuditedAdmin
from billing.models import ContractMigration, ContractMigrationRow
from billing.selectors.contract_migrations import sums_of
from billing.selectors.migration_previews import holdings_of
from billing.services.contract_migrations import (
    cancel_migration,
    confirm_migration,
    draft_migration,
    exclude_rows,
    preview_migration,
    undo_migration,
)
from common import clock
from common.confirmation import ActionForm, confirmed_action
from common.currencies import quantize_amount
from common.errors import VoltledgerError
from common.portal import ReadOnlyAdmin, actor_of
from common.spreadsheets import csv_file
from config.admin.migration_forms import (
    MOST_SELECTED,
    SELECTION,
    SelectionMigrationForm,
    TypeMigrationForm,
    selection_of,
)
from config.admin.migration_page import AT_WORK, driver_rows, progress
from config.selectors.migration_words import changes, confirmation, consequences, undoing

State = ContractMigration.State

# The preview of so many is there at once; that of more is computed in the background.
AT_ONCE = 500
CSV_HEADING = (
    "driver", "name", "email", "state", "because", "left", "got", "currency", "balance", "promo", "unpaid",
    "running_sessions", "moved_at", "balance_before", "balance_after", "lots_before", "lots_after",
)  # fmt: skip
CSV_COLUMNS = (
    "driver__public_id", "driver__name", "driver__email", "state", "blocked_reason", "kept_reason",
    "old_contract__contract_type__code", "new_contract__contract_type__code", "currency", "balance", "promo", "debt",
    "open_sessions", "moved_at", "balance_before", "balance_after", "lots_before", "lots_after",
)  # fmt: skip


class MigrateSelected(AuditedAdmin):
    """The way from the list of drivers: those chosen wait in the session for the form that moves them."""

    def has_migrate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.add_contractmigration")

    @admin.action(description=gettext_lazy("Move the selected to another contract type"), permissions=["migrate"])
    def migrate_selected(self, request: HttpRequest, queryset: QuerySet[Driver]) -> HttpResponse | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_SELECTED + 1])
        if len(ids) > MOST_SELECTED:
            words = _("Choose at most %(most)s customers, or move a whole contract type.") % {"most": MOST_SELECTED}
            self.message_user(request, words, level="warning")
            return None
        request.session[SELECTION] = selection_of(ids)
        return HttpResponseRedirect(reverse("admin:billing_contractmigration_selected"))


@admin.register(ContractMigration)
class ContractMigrationAdmin(ReadOnlyAdmin):
    list_display = ("number", "left", "target", "state_label", "drivers", "scheduled_at", "author", "created_at")
    list_filter = ("state", "target", "source")
    search_fields = ("reason", "source__name", "target__name", "rows__driver__name", "rows__driver__email")
    list_select_related = ("source", "target", "author")
    csv_columns = (
        "pk", "source__code", "target__code", "state", "reason", "author__email", "created_at", "decided_by__email",
        "confirmed_at", "scheduled_at", "finished_at", "undo_until",
    )  # fmt: skip
    list_before_template = "admin/portal/migration/new_link.html"

    @display(description=gettext_lazy("no."), ordering="pk")
    def number(self, migration: ContractMigration) -> str:
        return f"#{migration.pk}"

    @display(description=gettext_lazy("from"), ordering="source__name")
    def left(self, migration: ContractMigration) -> str:
        return str(migration.source or _("chosen customers"))

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            "draft": "info", "previewed": "warning", "scheduled": "warning", "running": "info", "done": "success",
            "undoing": "info", "undone": "default", "cancelled": "default",
        },
    )  # fmt: skip
    def state_label(self, migration: ContractMigration) -> tuple[str, str]:
        return migration.state, str(migration.get_state_display())

    @display(description=gettext_lazy("drivers"))
    def drivers(self, migration: ContractMigration) -> int:
        return int(migration.driver_count)  # type: ignore[attr-defined]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContractMigration]:
        rows = ContractMigrationRow.objects.filter(migration=OuterRef("pk")).order_by().values("migration")
        counted = Coalesce(Subquery(rows.annotate(count=Count("pk")).values("count")), 0)
        return super().get_queryset(request).annotate(driver_count=counted)

    def get_urls(self) -> list[URLPattern]:
        return [
            path("new/", self.admin_site.admin_view(self.new_view), name="billing_contractmigration_new"),
            path(
                "selected/", self.admin_site.admin_view(self.selected_view), name="billing_contractmigration_selected"
            ),
            self.action_page("exclude", self.exclude_view),
            self.action_page("confirm", self.confirm_view),
            self.action_page("cancel", self.cancel_view),
            self.action_page("undo", self.undo_view),
            path(
                "<int:object_id>/drivers.csv",
                self.admin_site.admin_view(self.drivers_view),
                name="billing_contractmigration_drivers",
            ),
            *super().get_urls(),
        ]

    # --- who moves ----------------------------------------------------------------------------------------------------

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Everybody on a contract type. Nothing changes before the preview is confirmed."""
        self._may_draft(request)
        data = request.POST if request.method == "POST" else None
        return self._ask(request, TypeMigrationForm(data, source=request.GET.get("source", "")))

    def selected_view(self, request: HttpRequest) -> HttpResponse:
        """The customers that were chosen from the list, or the one whose page named itself."""
        self._may_draft(request)
        driver_id = request.GET.get("driver", "")
        if driver_id.isdecimal():
            request.session[SELECTION] = selection_of([int(driver_id)])
            return HttpResponseRedirect(request.path)
        selection = request.session.get(SELECTION)
        if selection is None:
            messages.warning(request, _("Choose the customers from the list, then “Move the selected …” above it."))
            return HttpResponseRedirect(reverse("admin:accounts_driver_changelist"))
        if request.method == "POST" and request.POST.get("selection") != selection["key"]:
            messages.warning(request, _("Other customers were chosen meanwhile. Nothing was saved; please check them."))
            return HttpResponseRedirect(request.path)
        data = request.POST if request.method == "POST" else None
        return self._ask(request, SelectionMigrationForm(data, selection=selection))

    def _may_draft(self, request: HttpRequest) -> None:
        if not request.user.has_perm("billing.add_contractmigration"):
            raise PermissionDenied

    def _ask(self, request: HttpRequest, form: TypeMigrationForm | SelectionMigrationForm) -> HttpResponse:
        if form.is_valid():
            try:
                migration = draft_migration(author_id=actor_of(request), **form.terms())
                if form.how_many() <= AT_ONCE:
                    preview_migration(migration_id=migration.pk)
                return HttpResponseRedirect(self._address(migration))
            except VoltledgerError as error:
                form.add_error(None, error.message)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Move customers to another contract type"),
            "opts": self.opts,
            "form": form,
            "back_url": reverse("admin:billing_contractmigration_changelist"),
        }
        return TemplateResponse(request, "admin/portal/migration/new.html", context)

    # --- one migration ------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What a migration would do, does or did; asked by htmx while it is at work, its progress alone."""
        migration = self.get_object(request, object_id)
        if migration is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, migration):
            raise PermissionDenied
        is_at_work = migration.state in AT_WORK
        context = {"migration": migration, "is_at_work": is_at_work, "address": self._address(migration)}
        if request.htmx and not is_at_work:  # type: ignore[attr-defined]
            # The whole page is another one now.
            return HttpResponse(headers={"HX-Refresh": "true"})
        context |= progress(migration)
        if request.htmx:  # type: ignore[attr-defined]
            return TemplateResponse(request, "admin/portal/migration/progress.html", context)
        has_begun = migration.state not in (State.DRAFT, State.PREVIEWED, State.SCHEDULED, State.CANCELLED)
        context |= {
            **self.admin_site.each_context(request),
            "title": _("Contract migration #%(number)s") % {"number": migration.pk},
            "opts": self.opts,
            "has_begun": has_begun,
            "waits": migration.state in (State.PREVIEWED, State.SCHEDULED),
            "can_be_undone": migration.state == State.DONE and (migration.undo_until or clock.now()) > clock.now(),
            "holdings": holdings_of(migration),
            "sums": sums_of(migration) if has_begun else [],
            "changes": changes(migration),
            "consequences": [] if has_begun else consequences(migration),
            **driver_rows(migration, request.GET),
        }
        return TemplateResponse(request, "admin/portal/migration/page.html", context)

    def exclude_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Leave the ticked drivers out, or take them in again."""
        migration = self._row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row_ids = [int(value) for value in request.POST.getlist("row") if value.isdecimal()]
        is_excluded = request.POST.get("verb") != "include"
        try:
            count = exclude_rows(migration_id=migration.pk, row_ids=row_ids, is_excluded=is_excluded)
            if is_excluded:
                words = ngettext("%(count)s driver is left out.", "%(count)s drivers are left out.", count)
            else:
                words = ngettext("%(count)s driver will move again.", "%(count)s drivers will move again.", count)
            messages.success(request, words % {"count": count})
        except VoltledgerError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(f"{self._address(migration)}?{request.GET.urlencode()}")

    def confirm_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(
            request, object_id, _("Move the customers"), _("Move them"), confirmation, confirm_migration,
            _("The migration is confirmed."),
        )  # fmt: skip

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(
            request, object_id, _("Give the migration up"), _("Give it up"),
            lambda _migration: [_("Nobody moves. All contracts stay as they are.")], cancel_migration,
            _("The migration is given up. Nothing has changed."),
        )  # fmt: skip

    def undo_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(
            request, object_id, _("Undo the migration"), _("Move them back"), undoing, undo_migration,
            _("The customers are being moved back."),
        )  # fmt: skip

    def _decide(
        self,
        request: HttpRequest,
        object_id: int,
        title: str,
        submit: str,
        sentences: Callable[[ContractMigration], list[str]],
        service: Callable[..., ContractMigration],
        done: str,
    ) -> HttpResponse:
        """Ask for the reason, say what will happen, do it."""
        migration = self._row(request, object_id)

        def perform(cleaned: dict[str, Any]) -> str:
            service(migration_id=migration.pk, actor_id=actor_of(request), reason=cleaned["reason"])
            return done

        return confirmed_action(
            request,
            model_admin=self,
            title=title,
            submit=submit,
            form_class=ActionForm,
            back_url=self._address(migration),
            describe=lambda cleaned: [*sentences(migration), _("Reason: %(reason)s") % cleaned],
            perform=perform,
        )

    def drivers_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Every driver of a migration as CSV, with what stood in the wallet before and after."""
        migration: ContractMigration = self.row_for(request, object_id, "billing.view_contractmigration")
        return csv_file(f"contract-migration-{migration.pk}.csv", CSV_HEADING, _csv_rows(migration))

    def _row(self, request: HttpRequest, object_id: int) -> ContractMigration:
        migration: ContractMigration = self.row_for(request, object_id, "billing.change_contractmigration")
        return migration

    def _address(self, migration: ContractMigration) -> str:
        return reverse("admin:billing_contractmigration_change", args=[migration.pk])


def _csv_rows(migration: ContractMigration) -> Iterator[tuple[object, ...]]:
    """Amounts with the places of their currency; read piece by piece."""
    for row in migration.rows.values_list(*CSV_COLUMNS).iterator(chunk_size=2000):
        driver, name, email, state, blocked, kept, left, got, currency, *amounts = row
        balance, promo, debt, sessions, moved_at, *proof = amounts
        money = [None if amount is None else quantize_amount(amount, currency) for amount in (balance, promo, debt)]
        proved = [None if amount is None else quantize_amount(amount, currency) for amount in proof]
        yield driver, name, email, state, blocked or kept, left, got, currency, *money, sessions, moved_at, *proved
