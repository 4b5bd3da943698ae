"""Certificates of stations: what they ask us to sign, and what was signed."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint
from ocpp_gateway.models.commands import Command


class CertificateRequest(models.Model):
    """A certificate signing request of a station, and the certificate it led to.

    `certificate_sha256` is of the station's own certificate (DER), by which a client certificate is recognised.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting for a certificate")
        SIGNED = "signed", _("Signed")
        REFUSED = "refused", _("Refused")

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="certificate_requests", verbose_name=_("charge point")
    )
    csr = models.TextField(_("request"))
    csr_sha256 = models.CharField(max_length=64, editable=False)
    subject = models.CharField(_("made out to"), max_length=200, blank=True)
    received_at = models.DateTimeField(_("received at"))
    status = models.CharField(_("status"), max_length=7, choices=Status.choices, default=Status.WAITING)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty when the system acted by itself."),
    )
    certificate_chain = models.TextField(_("certificate chain"), blank=True)
    certificate_sha256 = models.CharField(_("fingerprint"), max_length=64, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    command = models.OneToOneField(
        Command, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("sent with")
    )

    class Meta:
        verbose_name = _("certificate request")
        verbose_name_plural = _("certificate requests")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "csr_sha256"], name="certificate_request_once"),
            models.CheckConstraint(
                condition=models.Q(
                    status="waiting", decided_at__isnull=True, certificate_chain="", valid_until__isnull=True
                )
                | models.Q(status="refused", decided_at__isnull=False, certificate_chain="", valid_until__isnull=True)
                | models.Q(status="signed", decided_at__isnull=False, valid_until__isnull=False)
                & ~models.Q(certificate_chain="")
                & ~models.Q(certificate_sha256=""),
                name="certificate_request_status_has_its_facts",
            ),
        ]
        indexes = [
            # A client certificate at the door.
            models.Index(fields=["charge_point", "certificate_sha256"], name="certificate_by_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} {self.received_at:%Y-%m-%d}"
