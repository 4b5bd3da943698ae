"""Differences with the payment provider as a work queue, and the comparisons that found them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.models import Driver
from billing.models import Discrepancy, Reconciliation
from billing.services import discrepancies
from common.confirmation import confirmed_decision
from common.portal import ReadOnlyAdmin, link_to
from common.portal_values import show_amount
from config.selectors.discrepancy_words import advice, side_words


@admin.register(Discrepancy)
class DiscrepancyAdmin(ReadOnlyAdmin):
    list_display = ("found_at", "kind", "subject", "driver", "ours", "theirs", "status_label", "reference")
    list_filter = ("status", "kind", "subject", "provider")
    search_fields = ("reference", "payment__driver__name", "payment__driver__email", "reason")
    list_select_related = (
        "payment__driver", "hold__method__driver", "refund__payment__driver", "dispute__payment__driver",
    )  # fmt: skip
    date_hierarchy = "found_at"
    csv_columns = (
        "found_at", "provider", "kind", "subject", "reference", "our_state", "our_amount", "their_state",
        "their_amount", "currency", "status", "resolved_at", "actor__email", "reason",
    )  # fmt: skip
    fields = (
        "kind", "what_to_do", "subject", "driver", "thing", "ours", "theirs", "reference", "status", "found_at",
        "seen_at", "resolved_at", "actor", "reason", "found_by",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "admin/portal/discrepancy_actions.html"

    @display(description=gettext_lazy("driver"))
    def driver(self, row: Discrepancy) -> SafeString | str:
        return link_to(_driver_of(row))

    @display(description=gettext_lazy("in our books"))
    def thing(self, row: Discrepancy) -> SafeString | str:
        return link_to(row.payment or row.refund or row.dispute or row.hold)

    @display(description=gettext_lazy("we say"))
    def ours(self, row: Discrepancy) -> str:
        return side_words(row.our_state, row.our_amount, row.currency)

    @display(description=gettext_lazy("the provider says"))
    def theirs(self, row: Discrepancy) -> str:
        return side_words(row.their_state, row.their_amount, row.currency)

    @display(description=gettext_lazy("what it means"))
    def what_to_do(self, row: Discrepancy) -> str:
        return advice(row)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"open": "danger", "agreed": "success", "adopted": "success", "refunded": "success",
               "released": "success", "explained": "info"},
    )  # fmt: skip
    def status_label(self, row: Discrepancy) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("adopt", self.adopt_view),
            self.action_page("refund", self.refund_view),
            self.action_page("release", self.release_view),
            self.action_page("explain", self.explain_view),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        is_open = row is not None and row.status == Discrepancy.Status.OPEN
        context = {
            "is_open": is_open,
            "may_adopt": is_open and discrepancies.may_adopt(row),
            "may_refund": is_open and discrepancies.may_refund(row),
            "may_release": is_open and discrepancies.may_release(row),
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def adopt_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Book what the provider says."""
        return self._decide(
            request,
            object_id,
            title=_("Take over what the provider says"),
            submit=_("Take it over"),
            sentences=lambda row: [
                _("We said: %(ours)s. The provider says: %(theirs)s.")
                % {"ours": self.ours(row), "theirs": self.theirs(row)},
                _("The provider is asked once more, and its answer is booked as its message would have been."),
            ],
            act=discrepancies.adopt,
            done=_("Our books say what the provider says."),
        )

    def refund_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give back a charge that is none of ours."""
        return self._decide(
            request,
            object_id,
            title=_("Give the charge back"),
            submit=_("Give it back"),
            sentences=lambda row: [
                _("%(amount)s of charge %(reference)s goes back to its card.")
                % {"amount": show_amount(row.their_amount, row.currency), "reference": row.reference},
                _("It was never in our books, so nothing is posted."),
            ],
            act=discrepancies.refund_orphan,
            done=_("The charge is on its way back."),
        )

    def release_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let go of what is held for nothing."""
        return self._decide(
            request,
            object_id,
            title=_("Let go of the held amount"),
            submit=_("Let it go"),
            sentences=lambda row: [
                _("%(amount)s is held on a card for nothing and is let go. Nothing is posted.")
                % {"amount": show_amount(row.their_amount, row.currency)}
            ],
            act=discrepancies.release_orphan,
            done=_("The amount is no longer held."),
        )

    def explain_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Close what is understood and stays different."""
        return self._decide(
            request,
            object_id,
            title=_("Mark as explained"),
            submit=_("Close it"),
            sentences=lambda row: [_("The difference stays and leaves the queue; it comes back if it changes.")],
            act=discrepancies.explain,
            done=_("The difference is explained."),
        )

    def _decide(
        self,
        request: HttpRequest,
        object_id: int,
        *,
        title: str,
        submit: str,
        sentences: Callable[[Discrepancy], list[str]],
        act: Callable[..., Any],
        done: str,
    ) -> HttpResponse:
        row: Discrepancy = self.row_for(request, object_id, "billing.change_discrepancy")

        def decide(actor_id: int, reason: str) -> str:
            act(discrepancy_id=row.pk, actor_id=actor_id, reason=reason)
            return done

        return confirmed_decision(
            request,
            row,
            model_admin=self,
            title=title,
            submit=submit,
            sentences=sentences(row),
            decide=decide,
        )


def _driver_of(row: Discrepancy) -> Driver | None:
    if row.hold is not None and row.hold.method is not None:
        return row.hold.method.driver
    payment = row.payment or (row.refund and row.refund.payment) or (row.dispute and row.dispute.payment)
    return payment.driver if payment else None


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """When our books were compared with the provider's, and how far."""

    list_display = ("started_at", "provider", "since", "until", "done_until", "checked", "found", "finished_at")
    list_filter = ("provider",)
    csv_columns = ("started_at", "provider", "since", "until", "done_until", "checked", "found", "finished_at")
