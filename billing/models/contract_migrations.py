"""Contract migrations: a batch of drivers moves from one contract type to another, and proves that no balance moved."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Contract, ContractType, Driver
from billing.models.ledger import amount_field


class ContractMigration(models.Model):
    """A batch. Its terms never change: a wrong one is cancelled and another one made.

    `sums` is {currency: {"drivers": n, "before": amount, "after": amount, "lots_before": amount, "lots_after": amount}}
    over the drivers that moved, written when the batch is done.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Being computed")
        PREVIEWED = "previewed", _("Waits for confirmation")
        SCHEDULED = "scheduled", _("Scheduled")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")

    TRANSITIONS = {
        State.DRAFT: {State.PREVIEWED, State.CANCELLED},
        State.PREVIEWED: {State.SCHEDULED, State.RUNNING, State.CANCELLED},
        State.SCHEDULED: {State.RUNNING, State.CANCELLED},
        State.RUNNING: {State.DONE},
        State.DONE: {State.UNDOING},
        State.CANCELLED: set[str](),
        State.UNDOING: {State.UNDONE},
        State.UNDONE: set[str](),
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Empty: the drivers were chosen one by one.
    source = models.ForeignKey(
        ContractType,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="migrations_from",
        verbose_name=_("from"),
    )
    target = models.ForeignKey(
        ContractType, on_delete=models.PROTECT, related_name="migrations_to", verbose_name=_("to")
    )
    # Empty: as soon as it is confirmed.
    scheduled_at = models.DateTimeField(_("not before"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("made by"),
        help_text=_("Empty when it was made from the command line."),
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("confirmed by"),
    )
    created_at = models.DateTimeField(_("made at"), default=timezone.now, editable=False)
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    undo_until = models.DateTimeField(_("can be undone until"), null=True, blank=True)
    sums = models.JSONField(_("sums"), default=dict, blank=True)

    class Meta:
        verbose_name = _("contract migration")
        verbose_name_plural = _("contract migrations")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(source__isnull=True) | ~models.Q(source=models.F("target")),
                name="contract_migration_goes_elsewhere",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["draft", "previewed", "cancelled"])
                | models.Q(confirmed_at__isnull=False) & ~models.Q(reason=""),
                name="contract_migration_confirmed_with_its_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["done", "undoing", "undone"], finished_at__isnull=False, undo_until__isnull=False
                )
                | ~models.Q(state__in=["done", "undoing", "undone"]) & models.Q(finished_at__isnull=True),
                name="contract_migration_done_has_its_moment",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} → {self.target}"


class ContractMigrationRow(models.Model):
    """One driver of a batch. Amounts are in `currency`, that of the contract the driver leaves.

    `balance`, `promo`, `lot_count`, `debt` and `open_sessions` are what the preview saw; `balance_before` and
    `balance_after` stand around the change itself, as do the sums of the wallet's lots. `wallet_entries` is how many
    entries the wallet had then: the ledger says the same balance for that entry, for ever.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Will move")
        MIGRATED = "migrated", _("Moved")
        BLOCKED = "blocked", _("Cannot move")
        EXCLUDED = "excluded", _("Left out")
        UNDONE = "undone", _("Moved back")

    TRANSITIONS = {
        State.PENDING: {State.MIGRATED, State.BLOCKED, State.EXCLUDED},
        State.EXCLUDED: {State.PENDING},
        State.MIGRATED: {State.UNDONE},
        State.BLOCKED: set[str](),
        State.UNDONE: set[str](),
    }

    class Blocked(models.TextChoices):
        CLOSED = "closed", _("The customer account is closed.")
        NO_CONTRACT = "no_contract", _("No contract is in force. Choose one on the customer's page.")
        SAME_TYPE = "same_type", _("Has this contract type already.")
        PLANNED = "planned", _("Another change of contract is planned already.")
        OTHER_CURRENCY = "other_currency", _("Has money or debt in another currency than the new contract type's.")
        CHANGED = "changed", _("The contract was changed since the preview.")
        FAILED = "failed", _("The change was refused by the database. The contract is as it was.")

    class Kept(models.TextChoices):
        USED = "used", _("Has charged under the new contract.")
        CHANGED = "changed", _("The contract was changed since.")

    migration = models.ForeignKey(ContractMigration, on_delete=models.PROTECT, related_name="rows", db_index=False)
    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, related_name="contract_migrations", verbose_name=_("driver")
    )
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.PENDING)
    blocked_reason = models.CharField(_("because"), max_length=14, choices=Blocked.choices, blank=True)
    kept_reason = models.CharField(_("not moved back because"), max_length=8, choices=Kept.choices, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    old_contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    new_contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    restored_contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    balance = amount_field(_("balance"), default=0)
    promo = amount_field(_("of it promotional"), default=0)
    lot_count = models.PositiveIntegerField(_("lots"), default=0)
    debt = amount_field(_("unpaid"), default=0)
    open_sessions = models.PositiveIntegerField(_("running sessions"), default=0)
    has_card = models.BooleanField(_("card on file"), default=False)
    moved_at = models.DateTimeField(_("moved at"), null=True, blank=True)
    balance_before = amount_field(_("balance before"), null=True, blank=True)
    balance_after = amount_field(_("balance after"), null=True, blank=True)
    lots_before = amount_field(_("lots before"), null=True, blank=True)
    lots_after = amount_field(_("lots after"), null=True, blank=True)
    wallet_entries = models.PositiveIntegerField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("migrated contract")
        verbose_name_plural = _("migrated contracts")
        ordering = ["migration_id", "driver_id"]
        constraints = [
            models.UniqueConstraint(fields=["migration", "driver"], name="contract_migration_driver_once"),
            models.CheckConstraint(
                condition=models.Q(state="blocked") & ~models.Q(blocked_reason="")
                | ~models.Q(state="blocked") & models.Q(blocked_reason=""),
                name="contract_migration_row_blocked_says_why",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["migrated", "undone"],
                    old_contract__isnull=False,
                    new_contract__isnull=False,
                    moved_at__isnull=False,
                    balance_before__isnull=False,
                    balance_after__isnull=False,
                    lots_before__isnull=False,
                    lots_after__isnull=False,
                )
                | ~models.Q(state__in=["migrated", "undone"]) & models.Q(moved_at__isnull=True),
                name="contract_migration_row_moved_has_its_proof",
            ),
            models.CheckConstraint(
                condition=models.Q(state="undone", restored_contract__isnull=False)
                | ~models.Q(state="undone") & models.Q(restored_contract__isnull=True),
                name="contract_migration_row_undone_has_its_contract",
            ),
        ]
        indexes = [
            # Running goes through what is still pending.
            models.Index(
                fields=["migration", "driver"],
                condition=models.Q(state="pending"),
                name="contract_migration_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.migration_id} {self.driver_id}"
