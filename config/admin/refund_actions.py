"""What an operator may do about a session's money: refund it, and write off what cannot be collected."""

from decimal import Decimal
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminSelectWidget

from billing.models import Cdr, ChargingSession, FundingLeg
from billing.selectors.refunds import refundable_payments
from billing.services.refunds import RefundPlan, preview_refund, refund_session
from billing.services.write_offs import write_off_leg
from common.confirmation import ActionForm, confirmed_action, confirmed_decision
from common.portal import ReadOnlyAdmin, actor_of
from common.portal_values import show_amount
from config.admin.customer_forms import amount_field
from config.selectors.refund_words import part_words


class RefundForm(ActionForm):
    """How much, and of which source. Nothing filled in means everything that is left."""

    def __init__(self, *args: Any, cdr: Cdr, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.legs = {str(leg.pk): leg for leg in cdr.legs.order_by("seq") if leg.left}
        left = sum((leg.left for leg in self.legs.values()), Decimal(0))
        amount = amount_field(cdr.currency)
        amount.required = False
        amount.help_text = _("Empty: all that is left, %(left)s.") % {"left": show_amount(left, cdr.currency)}
        self.fields["amount"] = amount
        self.fields["leg"] = forms.ChoiceField(
            label=_("Taken from"),
            required=False,
            choices=[
                ("", _("All sources, the one that paid last first")),
                *(
                    (pk, f"{leg.get_source_display()}: {show_amount(leg.left, cdr.currency)}")
                    for pk, leg in self.legs.items()
                ),
            ],
            widget=UnfoldAdminSelectWidget,
        )
        self.order_fields(["amount", "leg", "reason", "key"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        leg = self.legs.get(cleaned.get("leg") or "")
        if leg is not None:
            cleaned["terms"] = {"by_leg": {leg.pk: cleaned.get("amount") or leg.left}}
        else:
            cleaned["terms"] = {"amount": cleaned.get("amount")}
        return cleaned


class RefundActions(ReadOnlyAdmin):
    """The action pages of a session's money, under the session's address."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("refund", self.refund_view),
            path(
                "<int:object_id>/write-off/<int:leg_id>/",
                self.admin_site.admin_view(self.write_off_view),
                name="billing_chargingsession_write_off",
            ),
            *super().get_urls(),
        ]

    def refund_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give back what a session cost, or a part of it."""
        session: ChargingSession = self.row_for(request, object_id, "billing.add_sessionrefund")
        cdr = Cdr.objects.filter(charging_session=session).first()
        if cdr is None:
            raise Http404

        def describe(cleaned: dict[str, Any]) -> list[str]:
            plan = preview_refund(session_id=session.pk, **cleaned["terms"])
            return [
                _("%(amount)s of session %(session)s is refunded:")
                % {"amount": show_amount(plan.gross, plan.currency), "session": session},
                *_parts(plan),
                _("Revenue goes down by %(net)s, VAT by %(vat)s.")
                % {"net": show_amount(plan.net, plan.currency), "vat": show_amount(plan.vat, plan.currency)},
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            refund = refund_session(
                session_id=session.pk,
                reason=cleaned["reason"],
                idempotency_key=f"operator:refund:{cleaned['key']}",
                actor_id=actor_of(request),
                **cleaned["terms"],
            )
            return _("%(amount)s is refunded. What goes back to a card is on its way.") % {
                "amount": show_amount(refund.gross, refund.currency)
            }

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Refund session %(session)s") % {"session": session},
            intro=_("Each part goes back to where it came from. The session and its receipt stay as they are."),
            submit=_("Refund it"),
            form_class=RefundForm,
            form_options={"cdr": cdr},
            back_url=_address(session),
            describe=describe,
            perform=perform,
        )

    def write_off_view(self, request: HttpRequest, object_id: int, leg_id: int) -> HttpResponse:
        """Give up what a leg still owes."""
        session: ChargingSession = self.row_for(request, object_id, "billing.change_fundingleg")
        leg = FundingLeg.objects.filter(pk=leg_id, cdr__charging_session=session).select_related("cdr").first()
        if leg is None:
            raise Http404
        amount = show_amount(leg.left, leg.cdr.currency)

        def decide(actor_id: int, reason: str) -> str:
            write_off_leg(leg_id=leg_id, actor_id=actor_id, reason=reason)
            return _("%(amount)s is written off.") % {"amount": amount}

        return confirmed_decision(
            request,
            session,
            model_admin=self,
            title=_("Write off %(amount)s") % {"amount": amount},
            submit=_("Write it off"),
            sentences=[
                _("%(amount)s that %(driver)s owes for session %(session)s is written off.")
                % {"amount": amount, "driver": session.driver, "session": session},
                _("Nobody tries to collect it any more. A payment that still comes in is accepted."),
            ],
            decide=decide,
        )


def _parts(plan: RefundPlan) -> list[str]:
    sentences = []
    for leg, part in plan.parts:
        was_paid = leg.state == FundingLeg.State.PAID
        payment = refundable_payments(leg.pk).select_related("method").first() if was_paid and not leg.lot_id else None
        words = part_words(leg, was_paid=was_paid, payment=payment)
        sentences.append(f"{show_amount(part, plan.currency)} {words}")
    return sentences


def _address(session: ChargingSession) -> str:
    return reverse("admin:billing_chargingsession_change", args=[session.pk])
