"""The operator's first page: what today brought, what needs a person, how the last fortnight went."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import Cdr, ChargingSession, Discrepancy, Dispute, FundingLeg, Hold, LedgerAccount, Refund
from billing.selectors.disputes import disputes_to_answer
from billing.selectors.payments import doubtful_payments
from common import clock
from common.portal_values import show_amount, show_energy
from config.admin.customer_page import UNPAID_STATES
from config.charts import BarChart, bar_chart
from locations.models import ChargePoint, Connector
from ocpp_gateway.models import ParkedReport

DAYS = 14
# A hold this close to its end is worth a look.
HOLD_SOON = timedelta(hours=2)
FAILED_STATES = (FundingLeg.State.RETRYING, FundingLeg.State.REQUIRES_ACTION, FundingLeg.State.UNCOLLECTIBLE)


@dataclass(frozen=True)
class Figure:
    """One number with its name; `link` leads to what it counts, `is_alert` says somebody should look."""

    label: str
    value: str
    note: str = ""
    link: str = ""
    is_alert: bool = False


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows; money only to people who may see money."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = clock.local_date(clock.now(), settings.TIME_ZONE)
    sees_money = request.user.has_perm("billing.view_cdr")
    context |= {"today": list(_today(today, zone, sees_money)), "queues": list(_queues()), "charts": []}
    if request.user.has_perm("billing.view_ledgeraccount"):
        context["balances"] = list(_balances())
    days = _by_day(today, zone)
    context["charts"].append((_("Energy per day, kWh"), _energy_chart(days, today)))
    if sees_money:
        currency = settings.DEFAULT_CURRENCY
        title = _("Revenue per day with VAT, %(currency)s") % {"currency": currency}
        context["charts"].append((title, _revenue_chart(days, today, currency)))
    context["running"] = (
        ChargingSession.objects.filter(status__in=["active", "finishing"])
        .select_related("driver", "charge_point__location", "connector")
        .order_by("-started_at")[:8]
    )
    return context


def sessions_in_review_badge(request: HttpRequest) -> int | str:
    return _badge(ChargingSession.objects.filter(outcome=ChargingSession.Outcome.IN_REVIEW).count())


def parked_reports_badge(request: HttpRequest) -> int | str:
    return _badge(ParkedReport.objects.filter(resolved_at__isnull=True).count())


def failed_payments_badge(request: HttpRequest) -> int | str:
    return _badge(FundingLeg.objects.filter(state__in=FAILED_STATES).count())


def failed_refunds_badge(request: HttpRequest) -> int | str:
    return _badge(Refund.objects.filter(status=Refund.Status.FAILED, retried_as=None).count())


def doubtful_payments_badge(request: HttpRequest) -> int | str:
    return _badge(doubtful_payments(clock.now()).count())


def disputes_badge(request: HttpRequest) -> int | str:
    return _badge(disputes_to_answer(Dispute.objects.all()).count())


def discrepancies_badge(request: HttpRequest) -> int | str:
    return _badge(Discrepancy.objects.filter(status=Discrepancy.Status.OPEN).count())


def pending_charge_points_badge(request: HttpRequest) -> int | str:
    return _badge(ChargePoint.objects.filter(admission=ChargePoint.Admission.PENDING).count())


def _badge(count: int) -> int | str:
    return count or ""


def _today(today: date, zone: ZoneInfo, sees_money: bool) -> Iterator[Figure]:
    begin, end = _bounds(today, zone)
    sessions = reverse("admin:billing_chargingsession_changelist")
    begun = ChargingSession.objects.filter(started_at__gte=begin, started_at__lt=end)
    running = ChargingSession.objects.filter(status__in=["active", "finishing"])
    delivered = begun.aggregate(energy=Sum("energy_wh"), count=Count("pk"))
    yield Figure(_("Energy today"), show_energy(delivered["energy"] or Decimal(0)), link=sessions)
    if sees_money:
        revenue = _sum_by_currency(Cdr.objects.filter(created_at__gte=begin, created_at__lt=end), "gross")
        yield Figure(
            _("Revenue today"),
            revenue,
            note=_("with VAT, sessions priced today"),
            link=reverse("admin:billing_cdr_changelist"),
        )
    yield Figure(
        _("Sessions today"),
        str(delivered["count"]),
        note=_("%(count)s running now") % {"count": running.count()},
        link=sessions,
    )
    points = ChargePoint.objects.filter(admission=ChargePoint.Admission.ADMITTED).aggregate(
        total=Count("pk"), connected=Count("pk", filter=Q(is_connected=True))
    )
    yield Figure(
        _("Charge points connected"),
        f"{points['connected']} / {points['total']}",
        link=reverse("admin:locations_chargepoint_live"),
        is_alert=points["connected"] < points["total"],
    )


def _queues() -> Iterator[Figure]:
    """Work that waits for a person, most pressing first."""
    sessions = reverse("admin:billing_chargingsession_changelist")
    legs = reverse("admin:billing_fundingleg_changelist")
    in_review = ChargingSession.objects.filter(outcome=ChargingSession.Outcome.IN_REVIEW).count()
    yield _queue(_("Sessions in review"), in_review, f"{sessions}?outcome__exact=in_review")
    parked = ParkedReport.objects.filter(resolved_at__isnull=True).count()
    yield _queue(_("Parked reports"), parked, f"{reverse('admin:ocpp_gateway_parkedreport_changelist')}?decision=open")
    failed = FundingLeg.objects.filter(state__in=FAILED_STATES).count()
    yield _queue(_("Failed payments"), failed, f"{legs}?queue=failed")
    doubtful = doubtful_payments(clock.now()).count()
    yield _queue(_("Payments in doubt"), doubtful, f"{reverse('admin:billing_payment_changelist')}?queue=doubtful")
    disputed = disputes_to_answer(Dispute.objects.all()).count()
    yield _queue(_("Disputes to answer"), disputed, f"{reverse('admin:billing_dispute_changelist')}?queue=answer")
    different = Discrepancy.objects.filter(status=Discrepancy.Status.OPEN).count()
    yield _queue(
        _("Provider differences"),
        different,
        f"{reverse('admin:billing_discrepancy_changelist')}?status__exact=open",
    )
    faulted = Connector.objects.filter(status=Connector.Status.FAULTED).count()
    yield _queue(
        _("Connectors out of order"),
        faulted,
        f"{reverse('admin:locations_connector_changelist')}?status__exact=Faulted",
    )
    expiring = Hold.objects.filter(status=Hold.Status.ACTIVE, expires_at__lt=clock.now() + HOLD_SOON).count()
    yield _queue(
        _("Holds about to expire"), expiring, f"{reverse('admin:billing_hold_changelist')}?status__exact=active"
    )
    pending = ChargePoint.objects.filter(admission=ChargePoint.Admission.PENDING).count()
    yield _queue(
        _("Charge points to approve"),
        pending,
        f"{reverse('admin:locations_chargepoint_changelist')}?admission__exact=pending",
    )


def _queue(label: str, count: int, link: str) -> Figure:
    return Figure(label, str(count), link=link, is_alert=count > 0)


def _balances() -> Iterator[Figure]:
    unpaid = FundingLeg.objects.filter(state__in=UNPAID_STATES)
    count = unpaid.count()
    rows = unpaid.values("cdr__currency").annotate(total=Sum(F("amount") - F("refunded"))).order_by("cdr__currency")
    words = ", ".join(show_amount(row["total"], row["cdr__currency"]) for row in rows)
    yield Figure(
        _("Unpaid by drivers"),
        words or show_amount(Decimal(0), settings.DEFAULT_CURRENCY),
        note=ngettext("%(count)s open part of a session", "%(count)s open parts of sessions", count) % {"count": count},
        link=f"{reverse('admin:billing_fundingleg_changelist')}?queue=open",
    )
    wallets = LedgerAccount.objects.filter(code=LedgerAccount.Code.WALLET)
    yield Figure(
        _("Owed to drivers in wallets"),
        _sum_by_currency(wallets, "posted"),
        note=_("of it reserved: %(amount)s") % {"amount": _sum_by_currency(wallets, "pending")},
        link=f"{reverse('admin:billing_ledgeraccount_changelist')}?code__exact=wallet",
    )


def _sum_by_currency(rows: Any, column: str) -> str:
    sums = rows.values("currency").annotate(total=Sum(column)).order_by("currency")
    words = ", ".join(show_amount(row["total"], row["currency"]) for row in sums if row["currency"])
    return words or show_amount(Decimal(0), settings.DEFAULT_CURRENCY)


def _by_day(today: date, zone: ZoneInfo) -> dict[tuple[date, str], dict[str, Any]]:
    """Energy, gross and sessions of the last days by local day of the start and currency."""
    begin, _end = _bounds(today - timedelta(days=DAYS - 1), zone)
    rows = (
        Cdr.objects.filter(charging_session__started_at__gte=begin)
        .annotate(day=TruncDate("charging_session__started_at", tzinfo=zone))
        .values("day", "currency")
        .annotate(energy=Sum("energy_wh"), gross_sum=Sum("gross"), count=Count("pk"))
        .order_by("day")
    )
    return {(row["day"], row["currency"]): dict(row) for row in rows}


def _days(today: date) -> list[date]:
    return [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def _energy_chart(rows: dict[tuple[date, str], dict[str, Any]], today: date) -> BarChart:
    columns = []
    for day in _days(today):
        of_day = [row for (when, _currency), row in rows.items() if when == day]
        energy = sum((row["energy"] for row in of_day), Decimal(0))
        count = sum(row["count"] for row in of_day)
        title = ngettext("%(day)s: %(energy)s, %(count)s session", "%(day)s: %(energy)s, %(count)s sessions", count) % {
            "day": date_format(day, "j M"),
            "energy": show_energy(energy),
            "count": count,
        }
        columns.append((str(day.day), energy / 1000, title))
    return bar_chart(columns)


def _revenue_chart(rows: dict[tuple[date, str], dict[str, Any]], today: date, currency: str) -> BarChart:
    columns = []
    for day in _days(today):
        gross = rows[day, currency]["gross_sum"] if (day, currency) in rows else Decimal(0)
        title = _("%(day)s: %(amount)s") % {"day": date_format(day, "j M"), "amount": show_amount(gross, currency)}
        columns.append((str(day.day), gross, title))
    return bar_chart(columns)


def _bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A local day as two moments in UTC; 23 or 25 hours apart when the clocks change."""
    begin = datetime.combine(day, time(0), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(0), zone).astimezone(UTC)
    return begin, end
