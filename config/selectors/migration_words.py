"""A contract migration in sentences an operator can check before confirming it, and read again years later."""

from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import ContractType
from accounts.words import terms_sentences
from billing.models import ContractMigration, ContractMigrationRow
from billing.selectors.contract_migrations import counts_of
from billing.selectors.migration_previews import Holdings, holdings_of, reasons_to_stay, types_left
from common import clock
from common.portal_values import show_amount

WalletUse = ContractType.WalletUse
BillingModel = ContractType.BillingModel


def changes(migration: ContractMigration) -> list[dict[str, Any]]:
    """For each type that is left: what no longer holds for its drivers, and what holds from then on."""
    after = terms_sentences(migration.target)
    found = []
    for kind, drivers in types_left(migration):
        before = terms_sentences(kind)
        found.append(
            {
                "kind": kind,
                "drivers": drivers,
                "ends": [sentence for sentence in before if sentence not in after],
                "begins": [sentence for sentence in after if sentence not in before],
            }
        )
    return found


def consequences(migration: ContractMigration) -> list[str]:
    """What the change does to the money and the sessions of those who move."""
    sentences = [_each(migration.target, held) for held in holdings_of(migration)]
    return [sentence for group in sentences for sentence in group]


def _each(target: ContractType, held: Holdings) -> list[str]:
    balance = show_amount(held.balance, held.currency)
    sentences = [_balances(target, held, balance)] if held.with_balance else []
    if held.debt:
        sentences.append(
            _("%(amount)s that is unpaid stays due, and is collected as before.")
            % {"amount": show_amount(held.debt, held.currency)}
        )
    if held.open_sessions:
        sentences.append(
            ngettext(
                "%(count)s session that is running finishes on the old contract.",
                "%(count)s sessions that are running finish on the old contract.",
                held.open_sessions,
            )
            % {"count": held.open_sessions}
        )
    if held.without_card and target.billing_model in (BillingModel.POSTPAID, BillingModel.PREAUTH):
        sentences.append(_without_card(target, held.without_card))
    return sentences


def _balances(target: ContractType, held: Holdings, balance: str) -> str:
    words = {
        WalletUse.NONE: ngettext(
            "%(balance)s in %(count)s wallet is frozen: it is kept and stays visible, and is not drawn.",
            "%(balance)s in %(count)s wallets is frozen: it is kept and stays visible, and is not drawn.",
            held.with_balance,
        ),
        WalletUse.DRAW_FIRST: ngettext(
            "%(balance)s in %(count)s wallet is kept to the cent. From then on it is drawn first, before the card.",
            "%(balance)s in %(count)s wallets is kept to the cent. From then on it is drawn first, before the card.",
            held.with_balance,
        ),
        WalletUse.ONLY: ngettext(
            "%(balance)s in %(count)s wallet is kept to the cent. From then on sessions are paid from it alone.",
            "%(balance)s in %(count)s wallets is kept to the cent. From then on sessions are paid from it alone.",
            held.with_balance,
        ),
    }[WalletUse(target.wallet_use)]
    return words % {"balance": balance, "count": held.with_balance}


def _without_card(target: ContractType, count: int) -> str:
    if target.wallet_use == WalletUse.DRAW_FIRST:
        return ngettext(
            "%(count)s driver has no card: charging is possible as far as the balance goes.",
            "%(count)s drivers have no card: charging is possible as far as their balance goes.",
            count,
        ) % {"count": count}
    return ngettext(
        "%(count)s driver has no card and cannot charge until one is saved.",
        "%(count)s drivers have no card and cannot charge until one is saved.",
        count,
    ) % {"count": count}


def confirmation(migration: ContractMigration) -> list[str]:
    """What confirming does, in the order it matters."""
    counts = counts_of(migration)
    moving = counts[ContractMigrationRow.State.PENDING]
    staying = counts[ContractMigrationRow.State.BLOCKED] + counts[ContractMigrationRow.State.EXCLUDED]
    sentences = [
        ngettext(
            "%(count)s driver moves to “%(target)s” %(when)s.",
            "%(count)s drivers move to “%(target)s” %(when)s.",
            moving,
        )
        % {"count": moving, "target": migration.target, "when": when(migration)},
        *consequences(migration),
    ]
    if staying:
        sentences.append(ngettext("%(count)s driver stays.", "%(count)s drivers stay.", staying) % {"count": staying})
    return sentences


def when(migration: ContractMigration) -> str:
    """The moment of the change as the end of a sentence."""
    if migration.scheduled_at is None or migration.scheduled_at <= clock.now():
        return _("as soon as this is confirmed")
    return _("at %(moment)s") % {"moment": date_format(localtime(migration.scheduled_at), "DATETIME_FORMAT")}


def undoing(migration: ContractMigration) -> list[str]:
    """What undoing would do now."""
    staying = reasons_to_stay(migration, clock.now())
    returning = counts_of(migration)[ContractMigrationRow.State.MIGRATED] - sum(staying.values())
    sentences = [
        ngettext(
            "%(count)s driver gets the former contract type again.",
            "%(count)s drivers get their former contract type again.",
            returning,
        )
        % {"count": returning}
    ]
    labels = dict(ContractMigrationRow.Kept.choices)
    for reason, count in staying.items():
        sentences.append(
            ngettext("%(count)s driver stays: %(reason)s", "%(count)s drivers stay: %(reason)s", count)
            % {"count": count, "reason": labels[reason]}
        )
    return [*sentences, _("Balances stay as they are now.")]
