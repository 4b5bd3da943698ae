"""The card form of the fake provider's hosted page. It takes test cards only and keeps no number."""

import calendar
import re
from datetime import date

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.providers.fake.cards import TestCard, find_by_number
from common import clock

_EXPIRY = re.compile(r"(0[1-9]|1[0-2])\s*/\s*(?:20)?([0-9]{2})")


class CardForm(forms.Form):
    """`number` is cleaned to the TestCard it names, `expires_on` to the last day the card is good for."""

    number = forms.CharField(
        label=_("Card number"),
        max_length=30,
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "off", "placeholder": "4242 4242 4242 4242"}
        ),
    )
    expires_on = forms.CharField(
        label=_("Expires"),
        max_length=9,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "placeholder": "MM/YY"}),
    )
    cvc = forms.RegexField(
        label=_("Security code"),
        regex=r"^[0-9]{3,4}$",
        error_messages={"invalid": _("The three digits on the back of the card.")},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "placeholder": "123"}),
    )

    @staticmethod
    def example(card: TestCard | None) -> dict[str, str]:
        """A test card filled in, good for three more years."""
        if card is None:
            return {}
        return {
            "number": card.grouped_number,
            "expires_on": f"12/{(clock.now().year + 3) % 100:02}",
            "cvc": "123",
        }

    def clean_number(self) -> TestCard:
        card = find_by_number(self.cleaned_data["number"])
        if card is None:
            raise forms.ValidationError(
                _("Only the test cards below are accepted here. Never type in a real card."), code="not_a_test_card"
            )
        return card

    def clean_expires_on(self) -> date:
        match = _EXPIRY.fullmatch(self.cleaned_data["expires_on"].strip())
        if match is None:
            raise forms.ValidationError(_("Month and year as on the card, such as 04/29."), code="invalid")
        month, year = int(match[1]), 2000 + int(match[2])
        last_day = date(year, month, calendar.monthrange(year, month)[1])
        if last_day < clock.now().date():
            raise forms.ValidationError(_("This card has expired."), code="expired")
        return last_day
