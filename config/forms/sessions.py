"""Narrowing the list of sessions."""

from datetime import date, datetime, time, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SessionFilter(forms.Form):
    """Both days count whole, in the site's time zone."""

    q = forms.CharField(label=_("Place"), required=False, max_length=100)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def words(self) -> str:
        return str(self.cleaned_data.get("q") or "")

    def since_at(self) -> datetime | None:
        day: date | None = self.cleaned_data.get("since")
        return None if day is None else timezone.make_aware(datetime.combine(day, time.min))

    def until_at(self) -> datetime | None:
        day: date | None = self.cleaned_data.get("until")
        return None if day is None else timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
