"""What a driver is asked before the wallet is topped up by itself."""

from decimal import Decimal

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from billing.models import AutoTopUp
from common.formats import money_words
from common.money import quantize_amount
from config.forms.wallet import wallet_amount

# Suggested to who has none yet.
THRESHOLD, AMOUNT, MAX_PER_DAY, MAX_PER_MONTH = Decimal(10), Decimal(25), Decimal(50), Decimal(200)


class AutoTopUpForm(forms.Form):
    """Limits and the consent; what fits together is for the service to say."""

    def __init__(self, data: QueryDict | None, *, currency: str, plan: AutoTopUp | None) -> None:
        given = (plan.threshold, plan.amount, plan.max_per_day, plan.max_per_month) if plan else None
        threshold, amount, per_day, per_month = (
            quantize_amount(value, currency) for value in given or (THRESHOLD, AMOUNT, MAX_PER_DAY, MAX_PER_MONTH)
        )
        super().__init__(
            data,
            initial={"threshold": threshold, "amount": amount, "max_per_day": per_day, "max_per_month": per_month},
        )
        for name, label in (
            ("threshold", _("When the balance is below")),
            ("amount", _("Top up by")),
            ("max_per_day", _("At most in a day")),
            ("max_per_month", _("At most in a month")),
        ):
            self.fields[name] = wallet_amount(f"{label} ({currency})", currency)
        self.fields["amount"].help_text = _("Between %(least)s and %(most)s.") % {
            "least": money_words(settings.TOP_UP_MIN, currency),
            "most": money_words(settings.TOP_UP_MAX, currency),
        }
        self.fields["consent"] = forms.BooleanField(
            label=_("I agree to that."),
            error_messages={"required": _("Without your consent nothing is charged. Tick the box to switch it on.")},
        )
