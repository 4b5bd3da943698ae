"""What somebody without an account fills in before they pay."""

from django import forms
from django.utils.translation import gettext_lazy as _


class PayForm(forms.Form):
    """`price` is the fingerprint of the offer the page showed."""

    email = forms.EmailField(
        label=_("E-mail for the receipt (optional)"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )
    price = forms.RegexField(regex=r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
