"""The operator portal: its name, colours and navigation. Work queues come first."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _item(title: Any, icon: str, model: str, *, query: str = "", badge: str = "") -> dict[str, Any]:
    """A navigation entry for a model's list, shown to people who may view that model."""
    app_label, model_name = model.split(".")
    address = reverse_lazy(f"admin:{app_label}_{model_name}_changelist")
    entry: dict[str, Any] = {
        "title": title,
        "icon": icon,
        "link": (lambda request: f"{address}?{query}") if query else address,
        "permission": _may(f"{app_label}.view_{model_name}"),
    }
    if badge:
        entry["badge"] = f"config.dashboard.{badge}"
    if query:
        entry["active"] = lambda request: request.path == str(address) and request.META["QUERY_STRING"] == query
    return entry


UNFOLD = {
    "SITE_TITLE": "Voltledger",
    "SITE_HEADER": "Voltledger",
    "SITE_SUBHEADER": _("Operator portal"),
    "SITE_SYMBOL": "ev_station",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/mark.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "config.dashboard.dashboard",
    "STYLES": [lambda request: static("portal/portal.css")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .02 165)",
            "100": "oklch(94% .05 165)",
            "200": "oklch(89% .09 165)",
            "300": "oklch(82% .12 165)",
            "400": "oklch(72% .14 165)",
            "500": "oklch(60% .13 165)",
            "600": "oklch(50% .11 165)",
            "700": "oklch(43% .095 165)",
            "800": "oklch(37% .08 165)",
            "900": "oklch(31% .065 165)",
            "950": "oklch(22% .045 165)",
        },
    },
    "COMMAND": {"search_models": ["accounts.driver", "locations.chargepoint", "accounts.token", "locations.location"]},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {"title": _("Dashboard"), "icon": "monitoring", "link": reverse_lazy("admin:index")},
                ],
            },
            {
                "title": _("Work queues"),
                "separator": True,
                "items": [
                    _item(
                        _("Sessions in review"),
                        "rule",
                        "billing.chargingsession",
                        query="outcome__exact=in_review",
                        badge="sessions_in_review_badge",
                    ),
                    _item(
                        _("Parked reports"),
                        "inbox",
                        "ocpp_gateway.parkedreport",
                        query="decision=open",
                        badge="parked_reports_badge",
                    ),
                    _item(
                        _("Failed payments"),
                        "credit_card_off",
                        "billing.fundingleg",
                        query="queue=failed",
                        badge="failed_payments_badge",
                    ),
                    _item(
                        _("Payments in doubt"),
                        "help",
                        "billing.payment",
                        query="queue=doubtful",
                        badge="doubtful_payments_badge",
                    ),
                    _item(
                        _("Failed refunds"),
                        "money_off",
                        "billing.refund",
                        query="queue=failed",
                        badge="failed_refunds_badge",
                    ),
                    _item(
                        _("Disputes to answer"),
                        "report",
                        "billing.dispute",
                        query="queue=answer",
                        badge="disputes_badge",
                    ),
                    _item(
                        _("Provider differences"),
                        "compare_arrows",
                        "billing.discrepancy",
                        query="status__exact=open",
                        badge="discrepancies_badge",
                    ),
                    _item(
                        _("Charge points to approve"),
                        "fact_check",
                        "locations.chargepoint",
                        query="admission__exact=pending",
                        badge="pending_charge_points_badge",
                    ),
                ],
            },
            {
                "title": _("Customers"),
                "separator": True,
                "items": [
                    _item(_("Drivers"), "person", "accounts.driver"),
                    _item(_("Partners"), "apartment", "accounts.partner"),
                    _item(_("Contract types"), "contract", "accounts.contracttype"),
                    _item(_("Contract migrations"), "move_up", "billing.contractmigration"),
                    _item(_("Customer groups"), "groups", "accounts.customergroup"),
                    _item(_("Tokens"), "contactless", "accounts.token"),
                    _item(_("Mails"), "mail", "billing.drivermail"),
                ],
            },
            {
                "title": _("Network"),
                "separator": True,
                "items": [
                    _item(_("Sessions"), "bolt", "billing.chargingsession"),
                    _item(_("Ad hoc"), "qr_code", "billing.adhocsession"),
                    {
                        **_item(_("Charge points"), "ev_station", "locations.chargepoint"),
                        "active": lambda request: (
                            "/chargepoint/" in request.path
                            and not request.path.endswith("/chargepoint/live/")
                            and request.META["QUERY_STRING"] != "admission__exact=pending"
                        ),
                    },
                    {
                        "title": _("Live status"),
                        "icon": "sensors",
                        "link": reverse_lazy("admin:locations_chargepoint_live"),
                        "permission": _may("locations.view_chargepoint"),
                    },
                    _item(_("Locations"), "location_on", "locations.location"),
                    _item(_("Commands"), "terminal", "ocpp_gateway.command"),
                    _item(_("Security events"), "shield", "ocpp_gateway.securityevent"),
                    _item(_("Firmware and logs"), "system_update", "ocpp_gateway.transferreport"),
                    _item(_("Charge point settings"), "tune", "ocpp_gateway.configurationvalue"),
                    _item(_("OCPP messages"), "swap_horiz", "ocpp_gateway.ocppmessage"),
                ],
            },
            {
                "title": _("Prices"),
                "separator": True,
                "items": [
                    _item(_("Tariffs"), "sell", "tariffs.tariff"),
                    _item(_("Tariff versions"), "history", "tariffs.tariffversion"),
                    _item(_("Assignments"), "account_tree", "tariffs.tariffassignment"),
                    _item(_("Price series"), "show_chart", "tariffs.priceseries"),
                    _item(_("VAT rates"), "percent", "tariffs.vatrate"),
                    _item(_("Open access"), "volunteer_activism", "billing.openaccess"),
                    _item(_("Price corrections"), "published_with_changes", "billing.pricecorrection"),
                    _item(_("Replays"), "replay", "billing.tariffreplay"),
                ],
            },
            {
                "title": _("Money"),
                "separator": True,
                "items": [
                    _item(_("Payments"), "payments", "billing.payment"),
                    _item(_("Refunds"), "currency_exchange", "billing.sessionrefund"),
                    _item(_("Disputes"), "balance", "billing.dispute"),
                    _item(_("Reconciliations"), "sync_alt", "billing.reconciliation"),
                    _item(_("Charge detail records"), "receipt_long", "billing.cdr"),
                    _item(_("Documents"), "description", "invoicing.document"),
                    _item(_("Holds"), "lock_clock", "billing.hold"),
                    _item(_("Hold policies"), "rule", "billing.holdpolicy"),
                    _item(_("Ledger accounts"), "account_balance", "billing.ledgeraccount"),
                    _item(_("Ledger transactions"), "book", "billing.ledgertransaction"),
                ],
            },
            {
                "title": _("Administration"),
                "separator": True,
                "collapsible": True,
                "items": [
                    _item(_("Audit trail"), "policy", "accounts.auditevent"),
                    _item(_("Users"), "badge", "accounts.user"),
                    _item(_("Roles"), "admin_panel_settings", "auth.group"),
                    _item(_("API keys"), "key", "accounts.apikey"),
                    _item(_("Legal entities"), "gavel", "locations.legalentity"),
                    _item(_("Regions"), "map", "locations.region"),
                    _item(_("Number series"), "format_list_numbered", "invoicing.numberseries"),
                    _item(_("Schedules"), "schedule", "django_q.schedule"),
                    _item(_("Failed tasks"), "error", "django_q.failure"),
                ],
            },
        ],
    },
}
