"""What the operator sees of one customer. A tab reads only what it shows, in a fixed number of queries."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet, Sum

from accounts.errors import NoContract
from accounts.models import AuditEvent, Contract, Driver
from accounts.selectors.contracts import contract_in_force
from accounts.words import contract_sentences
from billing.models import ChargingSession, ContractMigration, ContractMigrationRow, FundingLeg, Payment
from billing.selectors.auto_top_ups import auto_top_up_of
from billing.selectors.corrections import with_final_price
from billing.selectors.debts import debt_standing
from billing.selectors.disputes import disputes_of
from billing.selectors.payments import open_debt
from billing.selectors.receivables import owed_by
from billing.selectors.wallets import statement, wallet_of
from common import clock
from common.portal_values import show_amount
from config.selectors.auto_top_up_words import plan_words, standing_words
from config.selectors.wallet_words import event_words
from invoicing.models import Document

# How many rows a tab shows before it points to the full list.
ROWS = 25

UNPAID_STATES = (
    FundingLeg.State.DUE,
    FundingLeg.State.ATTEMPTING,
    FundingLeg.State.REQUIRES_ACTION,
    FundingLeg.State.RETRYING,
    FundingLeg.State.UNCOLLECTIBLE,
)


@dataclass(frozen=True)
class Unpaid:
    """What a driver still has to pay in one currency."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return show_amount(self.amount, self.currency)


def unpaid_of(driver: Driver) -> list[Unpaid]:
    rows = (
        FundingLeg.objects.filter(cdr__charging_session__driver=driver, state__in=UNPAID_STATES)
        .values("cdr__currency")
        .annotate(amount=Sum(F("amount") - F("refunded")))
        .order_by("cdr__currency")
    )
    return [Unpaid(row["amount"], row["cdr__currency"]) for row in rows]


def sessions_of(driver: Driver) -> QuerySet[ChargingSession]:
    return (
        with_final_price(ChargingSession.objects.filter(driver=driver))
        .select_related("charge_point__location", "connector", "cdr")
        .order_by("-pk")
    )


def current_contract(driver: Driver) -> Contract | None:
    try:
        return contract_in_force(driver.pk, clock.now())
    except NoContract:
        return None


def heading(driver: Driver) -> dict[str, Any]:
    """What stands above every tab."""
    contract = current_contract(driver)
    return {
        "contract": contract,
        "wallet": wallet_of(driver.pk),
        "unpaid": unpaid_of(driver),
        "session_total": ChargingSession.objects.filter(driver=driver).count(),
    }


def _overview(driver: Driver) -> dict[str, Any]:
    contract = current_contract(driver)
    return {
        "sentences": contract_sentences(contract.contract_type) if contract else [],
        "contracts": _contracts(driver),
        "planned_moves": driver.contract_migrations.filter(
            state=ContractMigrationRow.State.PENDING, migration__state=ContractMigration.State.SCHEDULED
        ).select_related("migration__target"),
        "sessions": sessions_of(driver)[:5],
        "memberships": driver.partner_memberships.select_related("partner"),
    }


def _contracts(driver: Driver) -> list[tuple[Contract, ContractMigrationRow | None, bool]]:
    """Contracts, newest first, with the migration each came from, and whether that was its undoing. Two queries."""
    moves: dict[int, tuple[ContractMigrationRow, bool]] = {}
    for row in driver.contract_migrations.filter(moved_at__isnull=False).select_related("migration"):
        moves |= {contract_id: (row, is_back) for contract_id, is_back in _made_by(row)}
    contracts = driver.contracts.select_related("contract_type")[:ROWS]
    return [(contract, *moves.get(contract.pk, (None, False))) for contract in contracts]


def _made_by(row: ContractMigrationRow) -> list[tuple[int, bool]]:
    made = [(row.new_contract_id, False), (row.restored_contract_id, True)]
    return [(contract_id, is_back) for contract_id, is_back in made if contract_id is not None]


def _wallet(driver: Driver) -> dict[str, Any]:
    newest_first = statement(driver.pk)[-ROWS:][::-1]
    named = [row.reference for row in newest_first if row.event.startswith("session_")]
    found = ChargingSession.objects.filter(driver=driver, public_id__in=named).values_list("public_id", "pk")
    sessions = {str(public_id): pk for public_id, pk in found}
    contract = current_contract(driver)
    automatic = auto_top_up_of(driver.pk, contract.contract_type if contract else None)
    return {
        "statement": [(row, event_words(row.event), sessions.get(row.reference)) for row in newest_first],
        "automatic": automatic,
        "plan_words": plan_words(automatic.plan) if automatic else "",
        "standing_words": standing_words(automatic) if automatic else "",
    }


def _sessions(driver: Driver) -> dict[str, Any]:
    return {"sessions": sessions_of(driver)[:ROWS]}


def _payments(driver: Driver) -> dict[str, Any]:
    contract = current_contract(driver)
    return {
        "disputes": disputes_of(driver.pk)[:ROWS],
        "owed": owed_by(driver.pk, str(wallet_of(driver.pk).balance.currency)),
        "payments": Payment.objects.filter(driver=driver).select_related(
            "method", "funding_leg__cdr__charging_session"
        )[:ROWS],
        "open_debt": open_debt(driver.pk)[:ROWS],
        "debt": debt_standing(driver.pk, contract.contract_type, clock.now()) if contract else None,
    }


def _means(driver: Driver) -> dict[str, Any]:
    return {"tokens": driver.tokens.all()[:ROWS], "methods": driver.payment_methods.all()[:ROWS]}


def _documents(driver: Driver) -> dict[str, Any]:
    return {"documents": Document.objects.filter(driver=driver).order_by("-pk")[:ROWS]}


def _mails(driver: Driver) -> dict[str, Any]:
    return {"mails": driver.mails.all()[:ROWS]}


def _audit(driver: Driver) -> dict[str, Any]:
    events = AuditEvent.objects.filter(subject_type="accounts.driver", subject_id=str(driver.pk))
    return {"events": events.select_related("actor")[:ROWS]}


TABS: dict[str, Callable[[Driver], dict[str, Any]]] = {
    "overview": _overview,
    "wallet": _wallet,
    "sessions": _sessions,
    "payments": _payments,
    "means": _means,
    "documents": _documents,
    "mails": _mails,
    "audit": _audit,
}
