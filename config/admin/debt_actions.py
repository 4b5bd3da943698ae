"""What an operator may do about a customer's debt block: let them charge for a time, or end that."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import Driver
from accounts.portal import AuditedAdmin
from billing.services.bulk_credits import end_of_day
from billing.services.debt_exemptions import end_exemptions, grant_exemption
from common import clock
from common.confirmation import ActionForm, confirmed_action


class ExemptionForm(ActionForm):
    until_on = forms.DateField(
        label=gettext_lazy("Last day"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )

    def clean_until_on(self) -> Any:
        until_on = self.cleaned_data["until_on"]
        if until_on < clock.local_date(clock.now(), settings.TIME_ZONE):
            raise forms.ValidationError(_("This day has passed."))
        return until_on


class DebtActions(AuditedAdmin):
    """The action pages of a driver's debt, under the driver's address."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("exempt", self.exempt_view),
            self.action_page("end-exemption", self.end_exemption_view),
            *super().get_urls(),
        ]

    def exempt_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let a driver start sessions although something is unpaid."""
        driver: Driver = self.row_for(request, object_id, "billing.add_debtexemption")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("%(driver)s may start sessions until %(day)s, whatever is unpaid.")
                % {"driver": driver, "day": date_format(cleaned["until_on"])},
                _("What is unpaid stays due and is collected as before."),
                _("Reason: %(reason)s") % {"reason": cleaned["reason"]},
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            grant_exemption(
                driver_id=driver.pk,
                until=end_of_day(cleaned["until_on"]),
                reason=cleaned["reason"],
                idempotency_key=f"operator:exempt:{cleaned['key']}",
                actor_id=request.user.pk,
            )
            return _("The customer may charge until %(day)s.") % {"day": date_format(cleaned["until_on"])}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Exempt %(driver)s from the debt block") % {"driver": driver},
            submit=_("Exempt"),
            form_class=ExemptionForm,
            back_url=self.address_of(driver, tab="payments"),
            describe=describe,
            perform=perform,
        )

    def end_exemption_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """From now on unpaid sessions block again."""
        driver: Driver = self.row_for(request, object_id, "billing.change_debtexemption")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("From now on what is unpaid keeps %(driver)s from starting a session. A running session goes on.")
                % {"driver": driver},
                _("Reason: %(reason)s") % {"reason": cleaned["reason"]},
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            end_exemptions(driver_id=driver.pk, reason=cleaned["reason"], actor_id=request.user.pk)
            return _("The exemption has ended.")

        return confirmed_action(
            request,
            model_admin=self,
            title=_("End the exemption of %(driver)s") % {"driver": driver},
            submit=_("End it"),
            form_class=ActionForm,
            back_url=self.address_of(driver, tab="payments"),
            describe=describe,
            perform=perform,
        )
