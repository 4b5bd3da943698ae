"""Disputes in the portal: what the bank wants by when, what it has withdrawn, and what we have noted."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from billing.models import Dispute
from billing.selectors.disputes import disputes_to_answer
from billing.services.disputes import note_dispute
from common.confirmation import ActionForm, confirmed_action
from common.portal import ReadOnlyAdmin, actor_of, link_to
from common.portal_values import show_amount
from config.selectors.dispute_words import outcome_words, reason_words


class ToAnswerFilter(admin.SimpleListFilter):
    """The work queue: the bank waits for us, or something could not be booked."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("answer", gettext_lazy("Wait for an answer"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> QuerySet[Dispute]:
        return disputes_to_answer(queryset) if self.value() == "answer" else queryset


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "driver", "session_link", "amount_shown", "cause", "status_label", "evidence_due_at")
    list_filter = (ToAnswerFilter, "status", "lost_as")
    search_fields = ("provider_reference", "payment__driver__name", "payment__driver__email", "note")
    list_select_related = ("payment__driver", "payment__method", "payment__funding_leg__cdr__charging_session")
    date_hierarchy = "opened_at"
    csv_columns = (
        "opened_at", "payment__driver__name", "amount", "payment__currency", "reason", "status", "evidence_due_at",
        "withdrawn", "fee", "reinstated", "lost_as", "closed_at", "note", "provider_reference",
    )  # fmt: skip
    fields = (
        "opened_at", "driver", "session_link", "payment_link", "amount_shown", "cause", "status",
        "evidence_due_at", "outcome", "note", "closed_at", "provider_reference", "withdrawal", "reinstatement", "loss",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "admin/portal/dispute_actions.html"

    @display(description=gettext_lazy("driver"))
    def driver(self, dispute: Dispute) -> SafeString | str:
        return link_to(dispute.payment.driver)

    @display(description=gettext_lazy("session"))
    def session_link(self, dispute: Dispute) -> SafeString | str:
        leg = dispute.payment.funding_leg
        return link_to(leg.cdr.charging_session if leg else None)

    @display(description=gettext_lazy("payment"))
    def payment_link(self, dispute: Dispute) -> SafeString | str:
        return link_to(dispute.payment, str(dispute.payment.method or dispute.payment))

    @display(description=gettext_lazy("disputed amount"), ordering="amount")
    def amount_shown(self, dispute: Dispute) -> str:
        return show_amount(dispute.amount, dispute.payment.currency)

    @display(description=gettext_lazy("cardholder's reason"), ordering="reason")
    def cause(self, dispute: Dispute) -> str:
        return reason_words(dispute.reason)

    @display(description=gettext_lazy("what it moved"))
    def outcome(self, dispute: Dispute) -> str:
        return " ".join(outcome_words(dispute))

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={
            "needs_response": "danger", "inquiry": "warning", "under_review": "info", "won": "success",
            "lost": "danger", "inquiry_closed": "default",
        },
    )  # fmt: skip
    def status_label(self, dispute: Dispute) -> tuple[str, str]:
        return dispute.status, str(dispute.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        return [self.action_page("note", self.note_view), *super().get_urls()]

    def note_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Write down what was done about a dispute."""
        dispute: Dispute = self.row_for(request, object_id, "billing.change_dispute")

        def perform(cleaned: dict[str, Any]) -> str:
            note_dispute(dispute_id=dispute.pk, note=cleaned["reason"], actor_id=actor_of(request))
            return _("The note is kept.")

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Note on dispute %(dispute)s") % {"dispute": dispute},
            intro=_("Replaces the note shown on the dispute; earlier ones stay in the audit trail."),
            submit=_("Keep the note"),
            form_class=NoteForm,
            back_url=reverse("admin:billing_dispute_change", args=[dispute.pk]),
            describe=lambda cleaned: [cleaned["reason"]],
            perform=perform,
            is_one_step=True,
        )


class NoteForm(ActionForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = _("Note")
