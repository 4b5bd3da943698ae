"""Documents people and tax offices get. Drafts have no number; an issued document is never changed."""

import uuid

from django.db import models
from django.db.models.functions import Round
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver
from billing.models import Cdr
from billing.models.ledger import amount_field
from common.money import MONEY_PLACES
from invoicing.models.numbers import DocumentKind, NumberSeries
from locations.models import LegalEntity


def _parts_make_the_whole() -> models.Q:
    """net + vat = gross; rounded, because SQLite adds amounts as doubles."""
    return models.Q(gross=Round(models.F("net") + models.F("vat"), precision=MONEY_PLACES))


class Document(models.Model):
    """One receipt (a simplified invoice, EU VAT Directive art. 226b). Amounts in `currency`, at its exponent.

    Once issued, nothing changes but the three `pdf_*` columns and `rendered_at`, which are filled once (database
    trigger). Seller and buyer are copied, so that a later change of address does not rewrite the past. The PDF is a
    function of this row, its lines and its VAT totals; shape of `content`: invoicing.services.facts.
    """

    Kind = DocumentKind

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ISSUED = "issued", _("Issued")

    TRANSITIONS = {Status.DRAFT: {Status.ISSUED}, Status.ISSUED: set[str]()}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=12, choices=DocumentKind.choices)
    status = models.CharField(_("status"), max_length=6, choices=Status.choices, default=Status.DRAFT)
    legal_entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, related_name="documents", verbose_name=_("seller")
    )
    # Empty where somebody without an account paid.
    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, null=True, blank=True, related_name="documents", verbose_name=_("driver")
    )
    cdr = models.OneToOneField(
        Cdr, on_delete=models.PROTECT, null=True, blank=True, related_name="receipt", verbose_name=_("session")
    )

    series = models.ForeignKey(NumberSeries, on_delete=models.PROTECT, null=True, blank=True, related_name="documents")
    sequence = models.PositiveIntegerField(_("number in the series"), null=True, blank=True)
    number = models.CharField(_("number"), max_length=40, blank=True)
    issued_at = models.DateTimeField(_("issued at"), null=True, blank=True)
    issued_on = models.DateField(_("issued on"), null=True, blank=True, help_text=_("Date where the seller is."))
    supplied_on = models.DateField(_("supplied on"), help_text=_("Date where the energy was delivered."))

    currency = models.CharField(_("currency"), max_length=3)
    net = amount_field(_("net"))
    vat = amount_field(_("VAT"))
    gross = amount_field(_("gross"))
    language = models.CharField(_("language"), max_length=10)
    seller = models.JSONField(_("seller"))
    buyer = models.JSONField(_("buyer"))
    content = models.JSONField(_("content"))

    pdf_claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    pdf_file = models.CharField(_("PDF"), max_length=200, blank=True, editable=False)
    pdf_digest = models.CharField(_("SHA-256 of the PDF"), max_length=64, blank=True, editable=False)
    rendered_at = models.DateTimeField(_("PDF made at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    status="draft",
                    number="",
                    series__isnull=True,
                    sequence__isnull=True,
                    issued_at__isnull=True,
                    issued_on__isnull=True,
                )
                | models.Q(
                    status="issued",
                    series__isnull=False,
                    sequence__isnull=False,
                    issued_at__isnull=False,
                    issued_on__isnull=False,
                )
                & ~models.Q(number=""),
                name="document_numbered_exactly_when_issued",
            ),
            models.UniqueConstraint(fields=["number"], condition=~models.Q(number=""), name="document_number_once"),
            models.UniqueConstraint(fields=["series", "sequence"], name="document_place_in_series_once"),
            models.CheckConstraint(
                condition=~models.Q(kind="receipt") | models.Q(cdr__isnull=False, gross__gt=0),
                name="document_receipt_is_for_a_priced_session",
            ),
            models.CheckConstraint(condition=_parts_make_the_whole(), name="document_net_and_vat_make_gross"),
            models.CheckConstraint(
                condition=models.Q(pdf_digest="", pdf_file="", rendered_at__isnull=True)
                | models.Q(status="issued", rendered_at__isnull=False)
                & ~models.Q(pdf_digest="")
                & ~models.Q(pdf_file=""),
                name="document_rendered_has_its_file",
            ),
        ]
        indexes = [
            # The driver's receipts, newest first.
            models.Index(fields=["driver", "-issued_at"], name="document_by_driver"),
            # The sweep: issued, not rendered.
            models.Index(
                fields=["issued_at"],
                condition=models.Q(status="issued", rendered_at__isnull=True),
                name="document_to_render",
            ),
        ]

    def __str__(self) -> str:
        return self.number or str(self.public_id)


class DocumentLine(models.Model):
    """One priced thing: `quantity` in `unit` (kWh, h, 1), `unit_price` and `gross` with VAT, as the consumer saw them.

    `net` is exact and unrounded, because VAT is computed on the total of a rate and never summed per line (EN 16931,
    BR-CO-17). `gross` is rounded; where the rounded lines of a rate miss its total, a line of kind "rounding" says so.
    """

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="lines")
    seq = models.PositiveSmallIntegerField(_("line"))
    kind = models.CharField(_("kind"), max_length=20)
    description = models.CharField(_("description"), max_length=100)
    detail = models.CharField(_("when it applied"), max_length=300, blank=True)
    quantity = models.DecimalField(_("quantity"), max_digits=24, decimal_places=9)
    unit = models.CharField(_("unit"), max_length=10)
    unit_price = models.DecimalField(_("unit price with VAT"), max_digits=20, decimal_places=9)
    vat_percent = models.DecimalField(_("VAT (%)"), max_digits=6, decimal_places=3)
    net = models.DecimalField(_("net, unrounded"), max_digits=24, decimal_places=9)
    gross = amount_field(_("gross"))

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        ordering = ["document", "seq"]
        constraints = [models.UniqueConstraint(fields=["document", "seq"], name="document_line_number_once")]

    def __str__(self) -> str:
        return self.description


class DocumentVatTotal(models.Model):
    """What a document taxes at one rate, as the Cdr has it. `country` is where the energy was delivered."""

    class Category(models.TextChoices):
        """EN 16931, code list UNTDID 5305."""

        STANDARD = "S", _("Standard rate")
        ZERO = "Z", _("Zero rate")

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="vat_totals")
    category = models.CharField(_("category"), max_length=2, choices=Category.choices)
    country = models.CharField(_("country"), max_length=2)
    percent = models.DecimalField(_("VAT (%)"), max_digits=6, decimal_places=3)
    net = amount_field(_("net"))
    vat = amount_field(_("VAT"))
    gross = amount_field(_("gross"))

    class Meta:
        verbose_name = _("VAT total")
        verbose_name_plural = _("VAT totals")
        ordering = ["document", "-percent"]
        constraints = [
            models.UniqueConstraint(fields=["document", "category", "percent"], name="document_vat_total_once"),
            models.CheckConstraint(condition=_parts_make_the_whole(), name="document_vat_net_and_vat_make_gross"),
        ]

    def __str__(self) -> str:
        return f"{self.percent.normalize():f} %"
