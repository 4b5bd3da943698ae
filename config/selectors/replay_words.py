"""The sums of a replay as the portal shows them: rows, reasons in words, the distribution as a chart."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import CustomerGroup
from billing.domain.replay import NotPriced, Replay, Revenue, replay_from_document
from billing.models import ChargingSession, TariffReplay
from common.formats import number_words
from common.portal_values import show_amount
from config.charts import BarChart, bar_chart
from locations.models import Location

REASONS = {
    "tariff_currency_mismatch": gettext_lazy("billed in another currency than the tariff's"),
    "meter_missing": gettext_lazy("no meter values"),
    "meter_values_inconsistent": gettext_lazy("meter values contradict each other"),
    "rating_inputs_missing": gettext_lazy(
        "a market price or the month's energy was not kept, and there is no fallback"
    ),
    "vat_unknown": gettext_lazy("the VAT rate is not known"),
    "price_below_zero": gettext_lazy("the price would be below zero"),
}


@dataclass(frozen=True, slots=True)
class RevenueRow:
    name: str
    revenue: Revenue


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Sessions that could not be priced for one reason, with what they were billed and a few of them by their id."""

    reason: str
    sessions: int
    billed: str
    examples: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class DistributionRow:
    words: str
    sessions: int


@dataclass(frozen=True, slots=True)
class ReplayWords:
    """Sums with VAT. `elsewhere` is what sessions were billed in currencies the tariff is not in."""

    totals: Replay
    locations: list[RevenueRow]
    customer_groups: list[RevenueRow]
    unpriced: list[Unpriced]
    unpriced_sessions: int
    elsewhere: list[tuple[str, Decimal]]
    distribution: list[DistributionRow]
    chart: BarChart
    chart_words: str
    percent: str


def replay_words(asked: TariffReplay) -> ReplayWords:
    """What came of a replay: three queries, however many sessions, places and groups."""
    totals = replay_from_document(asked.result)
    places = dict(Location.objects.filter(code__in=totals.locations).values_list("code", "name"))
    groups = dict(CustomerGroup.objects.filter(code__in=totals.customer_groups).values_list("code", "name"))
    groups[""] = _("In no customer group")
    rows, chart = _distribution(totals)
    return ReplayWords(
        totals=totals,
        locations=_rows(totals.locations, places),
        customer_groups=_rows(totals.customer_groups, groups),
        unpriced=_unpriced(totals.not_priced),
        unpriced_sessions=totals.sessions - totals.total.sessions,
        elsewhere=_elsewhere(totals),
        distribution=rows,
        chart=chart,
        chart_words=_chart_words(totals),
        percent=_percent(totals.total),
    )


def last_day(asked: TariffReplay) -> date:
    """The last day whose sessions are in it."""
    return timezone.localdate(asked.until - timedelta(microseconds=1))


def _rows(revenues: dict[str, Revenue], names: dict[str, str]) -> list[RevenueRow]:
    """Where most changes first."""
    rows = [RevenueRow(names.get(code, code), revenue) for code, revenue in revenues.items()]
    return sorted(rows, key=lambda row: (-abs(row.revenue.difference.gross), row.name))


def _unpriced(reasons: dict[str, NotPriced]) -> list[Unpriced]:
    wanted = [UUID(example) for entry in reasons.values() for example in entry.examples]
    known = {
        str(public_id): pk
        for public_id, pk in ChargingSession.objects.filter(public_id__in=wanted).values_list("public_id", "pk")
    }
    return [
        Unpriced(
            reason=capfirst(str(REASONS.get(code, code.replace("_", " ")))),
            sessions=entry.sessions,
            billed=_together(entry.billed.items()),
            examples=[(known[example], f"#{known[example]}") for example in entry.examples if example in known],
        )
        for code, entry in sorted(reasons.items(), key=lambda item: -item[1].sessions)
    ]


def _elsewhere(totals: Replay) -> list[tuple[str, Decimal]]:
    sums: dict[str, Decimal] = {}
    for entry in totals.not_priced.values():
        for currency, amount in entry.billed.items():
            if currency != totals.currency:
                sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sorted(sums.items())


def _together(amounts: Iterable[tuple[str, Decimal]]) -> str:
    return ", ".join(show_amount(amount, currency) for currency, amount in sorted(amounts))


def _distribution(totals: Replay) -> tuple[list[DistributionRow], BarChart]:
    """The classes with those that stay the same between them."""
    rows, columns = [], []
    for low, high, sessions in totals.distribution():
        if low == 0:
            rows.append(DistributionRow(_("the same"), totals.unchanged))
            columns.append(("0", totals.unchanged))
        rows.append(DistributionRow(_class_words(low, high, totals.currency), sessions))
        columns.append((_class_label(low, high), sessions))
    bars = [
        (label, Decimal(sessions), f"{row.words}: {_sessions(sessions)}")
        for row, (label, sessions) in zip(rows, columns, strict=True)
    ]
    return rows, bar_chart(bars)


def _class_words(low: Decimal | None, high: Decimal | None, currency: str) -> str:
    is_cheaper = low is None or low < 0
    near, far = (high, low) if is_cheaper else (low, high)
    amounts = {
        "near": show_amount(None if near is None else abs(near), currency),
        "far": show_amount(None if far is None else abs(far), currency),
    }
    if far is None:
        words = _("more than %(near)s cheaper") if is_cheaper else _("more than %(near)s dearer")
    else:
        words = _("%(near)s to %(far)s cheaper") if is_cheaper else _("%(near)s to %(far)s dearer")
    return words % amounts


def _class_label(low: Decimal | None, high: Decimal | None) -> str:
    """By its end away from zero, as short as it stands below a bar."""
    if low is None:
        return f"<{_signed(high)}"
    if high is None:
        return f">{_signed(low)}"
    return _signed(low) if low < 0 else _signed(high)


def _signed(amount: Decimal | None) -> str:
    if amount is None:
        return ""
    return f"{'−' if amount < 0 else '+'}{number_words(abs(amount), 2)}"


def _chart_words(totals: Replay) -> str:
    return _("Sessions by how much their price changes: %(winners)s cheaper, %(same)s the same, %(losers)s dearer.") % {
        "winners": totals.winners.sessions,
        "same": totals.unchanged,
        "losers": totals.losers.sessions,
    }


def _sessions(count: int) -> str:
    return ngettext("%(count)s session", "%(count)s sessions", count) % {"count": number_words(Decimal(count), 0)}


def _percent(revenue: Revenue) -> str:
    """By how much revenue changes, in percent of what it was; a dash without any."""
    if not revenue.before.gross:
        return "–"
    percent = revenue.difference.gross * 100 / revenue.before.gross
    return f"{'-' if percent < 0 else '+'}{number_words(abs(percent), 1)} %"
