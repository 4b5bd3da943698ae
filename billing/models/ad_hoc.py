"""Charging without an account: what a stranger at a connector agreed to, and the session it became."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import amount_field
from billing.models.sessions import ChargingSession
from locations.models import Connector
from tariffs.models import TariffAssignment, TariffVersion


class AdHocSession(models.Model):
    """One person pays for one stay without an account: nobody's driver, no contract, no wallet.

    The price is the one they were shown and agreed to, kept here until the session begins; `price_digest` names it.
    Nothing is reserved and no connector is kept while they type in their card: the first whose card is there gets the
    connector. `public_id`, signed, is the only key to their pages (billing.selectors.ad_hoc).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    connector = models.ForeignKey(
        Connector, on_delete=models.PROTECT, related_name="ad_hoc_sessions", verbose_name=_("connector")
    )
    email = models.EmailField(_("e-mail address for the receipt"), blank=True)
    language = models.CharField(_("language"), max_length=10, default="en")

    # The price, as a ChargingSession keeps it.
    tariff_version = models.ForeignKey(TariffVersion, on_delete=models.PROTECT, related_name="+", db_index=False)
    tariff_assignment = models.ForeignKey(
        TariffAssignment, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    tariff_trace = models.JSONField(_("why this tariff"), default=list, blank=True)
    rating_inputs = models.JSONField(default=dict, blank=True, editable=False)
    currency = models.CharField(_("currency"), max_length=3)
    vat_percent = models.DecimalField(max_digits=6, decimal_places=3)
    hold_amount = amount_field(_("to be reserved on the card"))
    price_digest = models.CharField(_("fingerprint of the price"), max_length=64)

    agreed_at = models.DateTimeField(_("agreed at"), default=timezone.now, editable=False)
    pay_by = models.DateTimeField(_("price good until"))
    charging_session = models.OneToOneField(
        ChargingSession, on_delete=models.PROTECT, null=True, blank=True, related_name="ad_hoc"
    )
    # Why it came to nothing before any session, in words for who agreed.
    refusal_code = models.CharField(_("refused because"), max_length=40, blank=True)
    refusal_words = models.TextField(blank=True)

    class Meta:
        verbose_name = _("ad hoc session")
        verbose_name_plural = _("ad hoc sessions")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(hold_amount__gt=0), name="ad_hoc_hold_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(pay_by__gt=models.F("agreed_at")), name="ad_hoc_price_is_good_for_a_while"
            ),
            models.CheckConstraint(
                condition=models.Q(charging_session__isnull=True) | models.Q(refusal_code=""),
                name="ad_hoc_begins_or_is_refused",
            ),
        ]
        indexes = [
            # How many agreed at a connector lately (billing.services.ad_hoc.agree).
            models.Index(fields=["connector", "agreed_at"], name="ad_hoc_by_connector_and_time"),
        ]

    def __str__(self) -> str:
        return f"A{self.pk}"
