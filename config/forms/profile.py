"""A driver's own particulars."""

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver
from accounts.services.profile import OWN_FIELDS
from common.formats import babel_locale

# Two-letter codes of CLDR that are groups of countries, outlying seas or placeholders.
_NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})


class ProfileForm(forms.ModelForm):
    """Checks what `change_profile` writes; it saves nothing itself."""

    class Meta:
        model = Driver
        fields = list(OWN_FIELDS)
        labels = {
            "address": _("Street and number"),
            "wants_receipts_by_mail": _("Send me receipts by e-mail"),
            "wants_notices_by_mail": _("Tell me by e-mail of a low balance and of released amounts"),
        }
        help_texts = {
            "wants_notices_by_mail": _("What asks you to do something, such as a failed payment, is always mailed."),
        }
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "phone": forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
            "address": forms.TextInput(attrs={"autocomplete": "street-address"}),
            "postal_code": forms.TextInput(attrs={"autocomplete": "postal-code"}),
            "city": forms.TextInput(attrs={"autocomplete": "address-level2"}),
        }

    def __init__(self, data: QueryDict | None, *, driver: Driver) -> None:
        super().__init__(data, instance=driver)
        self.fields["country"] = forms.ChoiceField(label=_("Country"), choices=_countries)
        self.fields["language"] = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)


def _countries() -> list[tuple[str, str]]:
    """Countries by name in the reader's language."""
    territories: dict[str, str] = dict(babel_locale().territories)
    named = [(code, name) for code, name in territories.items() if len(code) == 2 and code not in _NO_COUNTRIES]
    return sorted(named, key=lambda country: country[1])
