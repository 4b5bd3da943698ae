"""Amounts, energy and states on the operator portal's own pages."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from djmoney.money import Money

from common.formats import number_words
from common.portal_values import show_amount, show_energy, show_money, show_number
from config.selectors.refund_words import given_back_words

register = template.Library()

# What a state means at a glance, over all state machines of the project.
_TONES = {
    "good": {
        "active", "paid", "succeeded", "billed", "Available", "accepted", "published", "issued", "admitted", "captured",
        "done", "migrated", "on", "won",
    },
    "bad": {
        "blocked", "failed", "uncollectible", "Faulted", "rejected", "timed_out", "refused", "in_review", "written_off",
        "stopped", "needs_response", "lost",
    },
    "warn": {
        "retrying", "requires_action", "pending", "due", "partially_paid", "unanswered", "Unavailable", "queued",
        "sent", "expired", "previewed", "scheduled", "inquiry",
    },
    "info": {"requested", "attempting", "finishing", "Charging", "Preparing", "Finishing", "SuspendedEV", "draft",
        "running", "undoing", "under_review",
    },
}  # fmt: skip
TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}


register.filter("given_back", given_back_words)


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    return show_amount(amount, currency)


@register.filter
def shown(money: Money) -> str:
    return show_money(money)


@register.filter
def energy(energy_wh: Decimal | None) -> str:
    return show_energy(energy_wh)


@register.filter
def plain_number(number: Decimal | None) -> str:
    """A Decimal without its trailing zeros."""
    return show_number(number)


@register.filter
def number(value: Decimal | None) -> str:
    """A number with its thousands apart: 1,234,567.5; a dash where there is none."""
    return "–" if value is None else number_words(value, 3)


@register.filter
def to_the_second(moment: datetime | None) -> str:
    """A moment as the portal writes them, with its seconds; a dash where there is none."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATETIME_FORMAT')}:{local:%S}"


@register.filter
def words(code: str) -> str:
    """A code such as session_released as people read it: Session released."""
    return capfirst(code.replace("_", " "))


@register.simple_tag
def state(value: str, words: str) -> SafeString:
    """A state as a coloured label."""
    return format_html('<span class="portal-label portal-label-{}">{}</span>', TONE_OF.get(value, "plain"), words)
