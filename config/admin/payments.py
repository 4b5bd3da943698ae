"""Payments in the portal, and what an operator does about those whose outcome is in doubt."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from billing.models import Dispute, Payment, Refund
from billing.selectors.payments import doubtful_payments, is_doubtful
from billing.services import doubtful_payments as decisions
from common import clock
from common.confirmation import confirmed_decision
from common.portal import ReadOnlyAdmin, ReadOnlyInline, link_to
from common.portal_values import show_amount

_DOUBTS = {
    "answer_about_other_money": gettext_lazy("The provider answered about another amount than was asked for."),
    "provider_idempotency_mismatch": gettext_lazy("The provider saw this payment's key before with other terms."),
    "provider_request_refused": gettext_lazy("The provider does not accept the request."),
}


class _PartInline(ReadOnlyInline):
    """What became of a payment afterwards: its amount leads to its own page."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("payment")

    @display(description=gettext_lazy("amount"))
    def amount_link(self, part: Refund | Dispute) -> SafeString | str:
        return link_to(part, show_amount(part.amount, part.payment.currency))


class RefundInline(_PartInline):
    model = Refund
    fields = ("amount_link", "status", "reason", "created_at")


class DisputeInline(_PartInline):
    model = Dispute
    fields = ("amount_link", "status", "reason", "opened_at", "evidence_due_at")


class DoubtFilter(admin.SimpleListFilter):
    """The work queue: nobody knows whether the money was taken."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("doubtful", gettext_lazy("Payments in doubt"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        return doubtful_payments(clock.now(), queryset) if self.value() == "doubtful" else queryset


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at", "driver_link", "purpose", "method", "amount_shown", "status", "decline_class",
        "next_attempt_at",
    )  # fmt: skip
    list_filter = (DoubtFilter, "status", "decline_class", "purpose", "is_automatic", "provider")
    search_fields = ("idempotency_key", "provider_reference", "driver__name", "driver__email")
    list_select_related = ("driver", "method")
    date_hierarchy = "created_at"
    csv_columns = (
        "created_at", "driver__name", "purpose", "amount", "currency", "status", "decline_class", "decline_code",
        "attempt", "provider", "provider_reference",
    )  # fmt: skip
    fields = (
        "created_at", "driver_link", "session_link", "purpose", "method", "amount_shown", "refunded_shown",
        "status", "attempt", "decline_class", "decline_code", "next_attempt_at", "reread_at", "finished_at",
        "provider", "provider_reference", "idempotency_key", "ledger_transaction",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "admin/portal/payment_actions.html"

    @display(description=gettext_lazy("driver"), ordering="driver__name")
    def driver_link(self, payment: Payment) -> SafeString | str:
        return link_to(payment.driver)

    @display(description=gettext_lazy("session"))
    def session_link(self, payment: Payment) -> SafeString | str:
        leg = payment.funding_leg
        return link_to(leg.cdr.charging_session if leg else None)

    @display(description=gettext_lazy("amount"), ordering="amount")
    def amount_shown(self, payment: Payment) -> str:
        return show_amount(payment.amount, payment.currency)

    @display(description=gettext_lazy("given back"))
    def refunded_shown(self, payment: Payment) -> str:
        return show_amount(payment.refunded, payment.currency)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={
            Payment.Status.SUCCEEDED: "success",
            Payment.Status.FAILED: "danger",
            Payment.Status.REQUIRES_ACTION: "warning",
            Payment.Status.UNANSWERED: "warning",
        },
    )
    def status_label(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("ask-again", self.ask_again_view),
            self.action_page("close-unpaid", self.close_unpaid_view),
            self.action_page("give-back", self.give_back_view),
            *super().get_urls(),
        ]

    def get_inlines(self, request: HttpRequest, obj: Payment | None) -> list[type[ReadOnlyInline]]:
        """Only what there is."""
        if obj is None:
            return []
        parts = ((RefundInline, obj.refunds), (DisputeInline, obj.disputes))
        return [inline for inline, rows in parts if rows.exists()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        payment = self.get_object(request, object_id)
        doubt = payment is not None and is_doubtful(payment, clock.now())
        context = {"is_in_doubt": doubt, "doubt": _doubt_words(payment) if payment and doubt else ""}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def ask_again_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask the provider what became of it."""
        return self._decide(
            request,
            object_id,
            title=_("Ask the provider again"),
            submit=_("Ask again"),
            sentences=[
                _("The provider is asked what became of this payment, and its answer is booked."),
                _("If it never saw the payment, it is sent again; the card is charged once at most."),
            ],
            act=decisions.ask_again,
            done=_("The provider has answered; see how the payment stands now."),
        )

    def close_unpaid_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Close it: nothing was taken."""
        return self._decide(
            request,
            object_id,
            title=_("Close as not paid"),
            submit=_("Close it"),
            sentences=[
                _("The provider is asked first; if it has taken money, nothing is closed."),
                _("A top-up is over, and the customer can top up again. What a session owes is charged again."),
            ],
            act=decisions.close_unpaid,
            done=_("The payment is closed as not paid."),
        )

    def give_back_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send back what was taken by mistake."""
        return self._decide(
            request,
            object_id,
            title=_("Give back what was taken"),
            submit=_("Give it back"),
            sentences=[
                _("What the provider took for this payment, another amount than was asked for, goes back to its card."),
                _("It was never booked, so nothing is posted. The payment is closed as not paid."),
            ],
            act=decisions.give_back,
            done=_("The money is on its way back, and the payment is closed."),
        )

    def _decide(
        self,
        request: HttpRequest,
        object_id: int,
        *,
        title: str,
        submit: str,
        sentences: list[str],
        act: Callable[..., Any],
        done: str,
    ) -> HttpResponse:
        payment: Payment = self.row_for(request, object_id, "billing.change_payment")

        def decide(actor_id: int, reason: str) -> str:
            act(payment_id=payment.pk, actor_id=actor_id, reason=reason)
            return done

        first = _("%(purpose)s of %(driver)s, %(amount)s on %(card)s.") % {
            "purpose": payment.get_purpose_display(),
            "driver": payment.driver or _("a guest"),
            "amount": self.amount_shown(payment),
            "card": payment.method or "–",
        }
        return confirmed_decision(
            request,
            payment,
            model_admin=self,
            title=title,
            submit=submit,
            sentences=[first, *sentences],
            decide=decide,
        )


def _doubt_words(payment: Payment) -> str:
    """Why nobody knows, for the operator."""
    return str(_DOUBTS.get(payment.decline_code) or _("The provider has not answered for a long time."))
