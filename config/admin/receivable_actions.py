"""Putting right by hand what a customer owes beside their sessions."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from djmoney.money import Money
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Driver
from accounts.portal import AuditedAdmin
from billing.selectors.receivables import owed_by
from billing.selectors.wallets import wallet_of
from billing.services.receivables import Direction, Settled, adjust_receivable
from common.confirmation import confirmed_action
from common.portal import actor_of
from common.portal_values import show_amount, show_money
from config.admin.customer_forms import WalletForm


class ReceivableForm(WalletForm):
    direction = forms.ChoiceField(
        label=gettext_lazy("What changes"), choices=Direction.choices, widget=UnfoldAdminSelectWidget
    )
    settled = forms.ChoiceField(
        label=gettext_lazy("Against what"), choices=Settled.choices, widget=UnfoldAdminSelectWidget
    )


class ReceivableActions(AuditedAdmin):
    """The action page, under the driver's address."""

    def get_urls(self) -> list[URLPattern]:
        return [self.action_page("adjust-debt", self.adjust_debt_view), *super().get_urls()]

    def adjust_debt_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lower or raise what a customer owes."""
        driver: Driver = self.row_for(request, object_id, "billing.change_ledgeraccount")
        currency = str(wallet_of(driver.pk).balance.currency)
        owed = owed_by(driver.pk, currency)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            is_lower = cleaned["direction"] == Direction.LOWER
            after = owed.balance + (-cleaned["amount"] if is_lower else cleaned["amount"])
            return [
                _("What %(driver)s owes goes from %(before)s to %(after)s.")
                % {
                    "driver": driver,
                    "before": show_amount(owed.balance, currency),
                    "after": show_amount(after, currency),
                },
                str(Settled(cleaned["settled"]).label) + ".",
                _("No card is charged, and no session changes."),
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            amount = Money(cleaned["amount"], currency)
            adjust_receivable(
                driver_id=driver.pk,
                amount=amount,
                direction=cleaned["direction"],
                settled=cleaned["settled"],
                reason=cleaned["reason"],
                idempotency_key=f"operator:receivable:{cleaned['key']}",
                actor_id=actor_of(request),
            )
            return _("What the customer owes was changed by %(amount)s.") % {"amount": show_money(amount)}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Adjust what %(driver)s owes") % {"driver": driver},
            intro=_(
                "Owed: %(balance)s, of it %(sessions)s for sessions. Sessions are collected, refunded or written off "
                "on their own pages; this is for the rest, such as a lost dispute."
            )
            % {"balance": show_amount(owed.balance, currency), "sessions": show_amount(owed.by_sessions, currency)},
            submit=_("Adjust it"),
            form_class=ReceivableForm,
            form_options={"currency": currency},
            back_url=reverse("admin:accounts_driver_change", args=[driver.pk]) + "?tab=payments",
            describe=describe,
            perform=perform,
        )
