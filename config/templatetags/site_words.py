"""How the driver site writes amounts, energy, time and states."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField, CheckboxInput
from django.template.defaultfilters import date as format_date
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.models import ChargingSession
from common import formats
from config.selectors.refund_words import given_back_words
from invoicing.services.wording import PLUGS
from locations.models import Connector

register = template.Library()


@dataclass(frozen=True)
class Badge:
    """A state in words; `kind` is good, warn, bad or empty and picks the badge's look."""

    words: str | Promise
    kind: str = ""


_CONNECTOR_BADGES = {
    Connector.Status.AVAILABLE: Badge(_("Free"), "good"),
    Connector.Status.PREPARING: Badge(_("Vehicle connected"), "warn"),
    Connector.Status.FINISHING: Badge(_("Vehicle still connected"), "warn"),
    Connector.Status.CHARGING: Badge(_("In use"), "warn"),
    Connector.Status.SUSPENDED_EV: Badge(_("In use"), "warn"),
    Connector.Status.SUSPENDED_EVSE: Badge(_("In use"), "warn"),
    Connector.Status.RESERVED: Badge(_("Reserved"), "warn"),
    Connector.Status.FAULTED: Badge(_("Out of order"), "bad"),
    Connector.Status.UNAVAILABLE: Badge(_("Out of service"), "bad"),
    Connector.Status.UNKNOWN: Badge(_("State not known")),
}


@register.filter
def connector_badge(connector: Connector) -> Badge:
    """The live state of a connector; what an unreachable charge point said last is not passed on as news."""
    if not connector.charge_point.is_connected:
        return Badge(_("Not reachable"))
    return _CONNECTOR_BADGES[Connector.Status(connector.status)]


@register.filter
def session_badge(session: ChargingSession) -> Badge:
    """Where a session stands, for its driver: does it run, then is it priced, then is it paid."""
    status, outcome = ChargingSession.Status, ChargingSession.Outcome
    if session.status == status.CANCELLED:
        return Badge(_("Never started"))
    if session.status == status.REQUESTED:
        return Badge(_("Starting"), "warn")
    if session.status in (status.ACTIVE, status.FINISHING):
        return Badge(session.get_status_display(), "good")
    if session.outcome == outcome.IN_REVIEW:
        return Badge(_("Being checked"), "warn")
    if session.outcome == outcome.PENDING:
        return Badge(_("Being priced"), "warn")
    if session.outcome in (outcome.FREE, outcome.DISCARDED):
        return Badge(_("Free"), "good")
    return {
        ChargingSession.PaymentStatus.PAID: Badge(_("Paid"), "good"),
        ChargingSession.PaymentStatus.NOTHING_DUE: Badge(_("Nothing due"), "good"),
        ChargingSession.PaymentStatus.PARTIALLY_PAID: Badge(_("Partly paid"), "warn"),
        ChargingSession.PaymentStatus.DUE: Badge(_("To be paid"), "warn"),
    }[ChargingSession.PaymentStatus(session.payment_status)]


register.filter("given_back", given_back_words)


@register.filter
def plug(standard: str) -> str:
    return PLUGS.get(standard, standard.replace("_", " "))


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    return "–" if amount is None or not currency else formats.money_words(amount, currency)


@register.filter
def amount(text: str, currency: str) -> str:
    """An amount that was stored as text."""
    return formats.money_words(Decimal(text), currency)


@register.filter
def signed_money(value: Decimal, currency: str) -> str:
    """A movement, with its sign: “+5.00 €”, “−4.00 €”."""
    words = formats.money_words(abs(value), currency)
    return f"−{words}" if value < 0 else f"+{words}"


@register.filter
def number(text: str, places: int) -> str:
    """A number that was stored as text."""
    return formats.number_words(Decimal(text), places)


@register.filter
def unlocalized(value: Decimal) -> str:
    return f"{value:f}"


@register.filter
def energy(energy_wh: Decimal | None) -> str:
    return "–" if energy_wh is None else formats.energy_words(energy_wh)


@register.filter
def power(power_w: Decimal | int | None) -> str:
    return "–" if power_w is None else formats.power_words(Decimal(power_w))


@register.filter
def duration(seconds: int | None) -> str:
    return "–" if seconds is None else formats.duration_words(seconds)


@register.filter
def percent(value: Decimal) -> str:
    return formats.percent_words(value)


@register.filter
def moment(at: datetime | None, zone: str = "") -> str:
    """A moment where `zone` is kept (default: the site's time zone): “20 Nov 2026, 14:05”."""
    if at is None:
        return "–"
    local = at.astimezone(ZoneInfo(zone)) if zone else timezone.localtime(at)
    return f"{format_date(local, 'j M Y')}, {local:%H:%M}"


@register.filter
def clock_time(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M}"


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)
