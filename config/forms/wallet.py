"""What a driver is asked about their wallet."""

import uuid
from decimal import Decimal

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from billing.models import PaymentMethod
from common.formats import money_words
from common.money import exponent

MAX_DIGITS = 12


class TopUpForm(forms.Form):
    """An amount and a card. `key` is made with the page, so that a form sent twice charges once."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: QueryDict | None, *, currency: str, methods: list[PaymentMethod]) -> None:
        super().__init__(data)
        self.fields["amount"] = wallet_amount(_("Amount in %(currency)s") % {"currency": currency}, currency)
        self.fields["amount"].help_text = _("Between %(least)s and %(most)s.") % {
            "least": money_words(settings.TOP_UP_MIN, currency),
            "most": money_words(settings.TOP_UP_MAX, currency),
        }
        self.fields["method"] = forms.TypedChoiceField(
            label=_("Card"), coerce=int, choices=[(method.pk, str(method)) for method in methods]
        )
        self.initial.setdefault("key", uuid.uuid4())


def wallet_amount(label: str, currency: str) -> forms.DecimalField:
    places = exponent(currency)
    return forms.DecimalField(
        label=label, min_value=Decimal(1).scaleb(-places), max_digits=MAX_DIGITS, decimal_places=places, localize=True
    )
