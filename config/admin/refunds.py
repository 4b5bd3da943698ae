"""Refunds in the portal: what was taken off sessions, and what goes back to cards."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from billing.models import Refund, SessionRefund, SessionRefundLeg
from billing.services.card_refunds import pay_out_refund, retry_refund
from common.confirmation import ActionForm, confirmed_action
from common.portal import ReadOnlyAdmin, ReadOnlyInline, actor_of, link_to
from common.portal_values import show_amount


class RefundedLegInline(ReadOnlyInline):
    model = SessionRefundLeg
    fields = ("source", "amount_shown", "was_paid")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionRefundLeg]:
        return super().get_queryset(request).select_related("funding_leg", "session_refund")

    @display(description=gettext_lazy("source"))
    def source(self, part: SessionRefundLeg) -> str:
        return str(part.funding_leg.get_source_display())

    @display(description=gettext_lazy("amount"))
    def amount_shown(self, part: SessionRefundLeg) -> str:
        return show_amount(part.amount, part.session_refund.currency)


@admin.register(SessionRefund)
class SessionRefundAdmin(ReadOnlyAdmin):
    """What was taken off the price of sessions."""

    list_display = ("created_at", "session_link", "driver", "amount_shown", "kind", "reason", "actor")
    list_filter = ("kind", "currency")
    search_fields = ("public_id", "reason", "cdr__charging_session__driver__name")
    list_select_related = ("cdr__charging_session__driver", "actor")
    date_hierarchy = "created_at"
    csv_columns = (
        "public_id", "created_at", "cdr__charging_session__id", "cdr__charging_session__driver__name", "kind",
        "currency", "net", "vat", "gross", "reason", "actor__email",
    )  # fmt: skip
    fields = (
        "public_id", "created_at", "session_link", "driver", "kind", "amount_shown", "net_shown", "vat_shown",
        "reason", "actor", "ledger_transaction",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (RefundedLegInline,)

    @display(description=gettext_lazy("session"))
    def session_link(self, refund: SessionRefund) -> SafeString | str:
        return link_to(refund.cdr.charging_session)

    @display(description=gettext_lazy("driver"))
    def driver(self, refund: SessionRefund) -> SafeString | str:
        return link_to(refund.cdr.charging_session.driver)

    @display(description=gettext_lazy("amount"), ordering="gross")
    def amount_shown(self, refund: SessionRefund) -> str:
        return show_amount(refund.gross, refund.currency)

    @display(description=gettext_lazy("net"), ordering="net")
    def net_shown(self, refund: SessionRefund) -> str:
        return show_amount(refund.net, refund.currency)

    @display(description=gettext_lazy("VAT"), ordering="vat")
    def vat_shown(self, refund: SessionRefund) -> str:
        return show_amount(refund.vat, refund.currency)


class AttentionFilter(admin.SimpleListFilter):
    """The work queue: what failed and nobody has taken up."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", gettext_lazy("Failed refunds"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        return failed_refunds(queryset) if self.value() == "failed" else queryset


def failed_refunds(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
    return refunds.filter(status=Refund.Status.FAILED, retried_as=None)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """What goes back through the payment provider."""

    list_display = ("created_at", "driver", "session_link", "card", "amount_shown", "status_label", "next_attempt_at")
    list_filter = (AttentionFilter, "status")
    search_fields = ("idempotency_key", "provider_reference", "payment__driver__name", "payment__driver__email")
    list_select_related = ("payment__driver", "payment__method", "payment__funding_leg__cdr__charging_session")
    date_hierarchy = "created_at"
    csv_columns = (
        "created_at", "payment__driver__name", "amount", "payment__currency", "status", "attempt", "failure_code",
        "reason", "provider_reference",
    )  # fmt: skip
    fields = (
        "created_at", "driver", "session_link", "card", "amount_shown", "status", "attempt", "reason",
        "failure_code", "next_attempt_at", "finished_at", "provider_reference", "idempotency_key",
        "ledger_transaction", "return_transaction",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "admin/portal/refund_actions.html"

    @display(description=gettext_lazy("driver"))
    def driver(self, refund: Refund) -> SafeString | str:
        return link_to(refund.payment.driver)

    @display(description=gettext_lazy("session"))
    def session_link(self, refund: Refund) -> SafeString | str:
        leg = refund.payment.funding_leg
        return link_to(leg.cdr.charging_session if leg else None)

    @display(description=gettext_lazy("card"))
    def card(self, refund: Refund) -> str:
        return str(refund.payment.method or "–")

    @display(description=gettext_lazy("amount"), ordering="amount")
    def amount_shown(self, refund: Refund) -> str:
        return show_amount(refund.amount, refund.payment.currency)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"succeeded": "success", "paid_out": "success", "failed": "danger", "unanswered": "warning"},
    )
    def status_label(self, refund: Refund) -> tuple[str, str]:
        return refund.status, str(refund.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("retry", self.retry_view),
            self.action_page("pay-out", self.pay_out_view),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        is_open = failed_refunds(Refund.objects.filter(pk=object_id)).exists() if object_id.isdecimal() else False
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "needs_decision": is_open})

    def retry_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Try a failed refund again now."""
        refund: Refund = self.row_for(request, object_id, "billing.change_refund")

        def perform(cleaned: dict[str, Any]) -> str:
            retry_refund(refund_id=refund.pk, actor_id=actor_of(request))
            return _("The refund is being tried again.")

        return self._decide(
            request,
            refund,
            title=_("Try the refund again"),
            submit=_("Try it again"),
            sentences=[
                _("%(amount)s is sent to the card %(card)s again.")
                % {"amount": self.amount_shown(refund), "card": self.card(refund)}
            ],
            perform=perform,
        )

    def pay_out_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Note that the money reached its owner another way."""
        refund: Refund = self.row_for(request, object_id, "billing.change_refund")

        def perform(cleaned: dict[str, Any]) -> str:
            pay_out_refund(refund_id=refund.pk, actor_id=actor_of(request), reason=cleaned["reason"])
            return _("The refund is closed.")

        return self._decide(
            request,
            refund,
            title=_("Paid out another way"),
            submit=_("It was paid out"),
            sentences=[
                _("%(amount)s was given to %(driver)s outside the system, by bank transfer or in cash.")
                % {"amount": self.amount_shown(refund), "driver": refund.payment.driver},
                _("It is posted to bank clearing and is not sent to the card any more."),
            ],
            perform=perform,
        )

    def _decide(
        self, request: HttpRequest, refund: Refund, *, title: str, submit: str, sentences: list[str], perform: Any
    ) -> HttpResponse:
        return confirmed_action(
            request,
            model_admin=self,
            title=title,
            submit=submit,
            form_class=ActionForm,
            back_url=reverse("admin:billing_refund_change", args=[refund.pk]),
            describe=lambda cleaned: [*sentences, _("Reason: %(reason)s") % cleaned],
            perform=perform,
        )
