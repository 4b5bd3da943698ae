"""Amounts, energy and states on the operator portal's own pages."""

from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from djmoney.money import Money

from common.portal_values import show_amount, show_energy, show_money, show_number

register = template.Library()

# What a state means at a glance, over all state machines of the project.
_TONES = {
    "good": {
        "active", "paid", "succeeded", "billed", "Available", "accepted", "published", "issued", "admitted", "captured",
    },
    "bad": {
        "blocked", "failed", "uncollectible", "Faulted", "rejected", "timed_out", "refused", "in_review", "written_off",
    },
    "warn": {
        "retrying", "requires_action", "pending", "due", "partially_paid", "unanswered", "Unavailable", "queued",
        "sent", "expired",
    },
    "info": {"requested", "attempting", "finishing", "Charging", "Preparing", "Finishing", "SuspendedEV", "draft"},
}  # fmt: skip
TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}


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


@register.simple_tag
def state(value: str, words: str) -> SafeString:
    """A state as a coloured label."""
    return format_html('<span class="portal-label portal-label-{}">{}</span>', TONE_OF.get(value, "plain"), words)
