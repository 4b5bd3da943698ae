"""A driver's own particulars."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver
from accounts.services.profile import OWN_FIELDS
from common.formats import babel_locale


class ProfileForm(forms.ModelForm):
    """Checks what `change_profile` writes; it saves nothing itself."""

    class Meta:
        model = Driver
        fields = list(OWN_FIELDS)
        labels = {"address": _("Street and number")}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "phone": forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
            "address": forms.TextInput(attrs={"autocomplete": "street-address"}),
            "postal_code": forms.TextInput(attrs={"autocomplete": "postal-code"}),
            "city": forms.TextInput(attrs={"autocomplete": "address-level2"}),
        }

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        names = babel_locale().territories
        countries = [
            (code, name)
            for code, name in names.items()
            if len(code) == 2 and code not in ("XA", "XB", "ZZ", "EU", "EZ", "UN", "QO")
        ]
        self.fields["country"] = forms.ChoiceField(
            label=_("Country"), choices=sorted(countries, key=lambda pair: pair[1])
        )
        self.fields["language"] = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
