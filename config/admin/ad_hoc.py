"""Who charged, or began to pay, without an account."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from billing.models import AdHocSession
from billing.selectors.ad_hoc import link_of
from common import clock
from common.portal import ReadOnlyAdmin, link_to
from common.portal_values import show_amount


@admin.register(AdHocSession)
class AdHocSessionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "connector", "agreed_at", "state_shown", "session_link", "hold_shown", "email")
    list_filter = ("refusal_code", "connector__charge_point__location")
    search_fields = ("email", "connector__code", "connector__charge_point__identity", "=charging_session__id")
    list_select_related = ("connector__charge_point", "charging_session")
    date_hierarchy = "agreed_at"
    fields = (
        "connector",
        "agreed_at",
        "state_shown",
        "session_link",
        "hold_shown",
        "card",
        "email",
        "language",
        "tariff_version",
        "price_digest",
        "refusal_words",
        "own_page",
    )
    csv_columns = (
        "id",
        "connector__code",
        "connector__charge_point__identity",
        "agreed_at",
        "charging_session__id",
        "refusal_code",
        "hold_amount",
        "currency",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return self.fields

    @display(description=_("state"))
    def state_shown(self, order: AdHocSession) -> str:
        if order.charging_session is not None:
            return str(order.charging_session.get_status_display())
        if order.refusal_code:
            return str(_("Refused: %(reason)s") % {"reason": order.refusal_code})
        return str(_("No card came") if order.pay_by < clock.now() else _("Card still to come"))

    @display(description=_("session"), ordering="charging_session")
    def session_link(self, order: AdHocSession) -> SafeString | str:
        return link_to(order.charging_session)

    @display(description=_("to be reserved"), ordering="hold_amount")
    def hold_shown(self, order: AdHocSession) -> str:
        return show_amount(order.hold_amount, order.currency)

    @display(description=_("card"))
    def card(self, order: AdHocSession) -> str:
        return str(getattr(order, "method", "–"))

    @display(description=_("their page"))
    def own_page(self, order: AdHocSession) -> SafeString:
        """For a caller who has lost it. Whoever has this address may stop the session and read the receipt."""
        return format_html('<a class="portal-link" href="{}">{}</a>', reverse("ad_hoc", args=[link_of(order)]), order)
