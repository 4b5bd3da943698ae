"""Reading what of a session's price is left to be refunded, and what was."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from billing.domain.postings import AccountRef, natural_change, plain, system
from billing.domain.refunds import RateAmounts
from billing.models import Cdr, FundingLeg, LedgerEntry, Payment, Refund, SessionRefund

VAT = "vat_payable"


@dataclass(frozen=True, slots=True)
class PriceLeft:
    """What of a Cdr still stands: amounts by VAT rate, revenue and VAT by account."""

    currency: str
    rates: tuple[RateAmounts, ...]
    revenue: Mapping[AccountRef, Decimal]
    vat: Mapping[AccountRef, Decimal]

    def vat_account_of(self, percent: Decimal | None) -> AccountRef:
        """The account to which VAT of this rate was posted. Raises LookupError when none was."""
        ending = f"-{plain(percent or Decimal(0))}"
        for account in self.vat:
            if account.qualifier.endswith(ending):
                return account
        raise LookupError(f"no VAT of {percent} % was posted")


def price_left(cdr: Cdr) -> PriceLeft:
    """What the Cdr was posted as, less what its refunds took back. Two queries."""
    refunds = list(SessionRefund.objects.filter(cdr=cdr).values_list("vat_totals", "ledger_transaction_id"))
    transactions = [cdr.ledger_transaction_id, *(transaction_id for _, transaction_id in refunds)]
    balances = _earned(transactions)
    return PriceLeft(
        currency=cdr.currency,
        rates=_rates(cdr.vat_totals, [totals for totals, _ in refunds]),
        revenue={account: left for account, left in balances.items() if account.code != VAT},
        vat={account: left for account, left in balances.items() if account.code == VAT},
    )


def _rates(totals: list[dict[str, Any]], refunded: Iterable[list[dict[str, Any]]]) -> tuple[RateAmounts, ...]:
    left: dict[str | None, tuple[Decimal, Decimal]] = {
        row["percent"]: (Decimal(row["net"]), Decimal(row["vat"])) for row in totals
    }
    for rows in refunded:
        for row in rows:
            net, vat = left.get(row["percent"], (Decimal(0), Decimal(0)))
            left[row["percent"]] = (net - Decimal(row["net"]), vat - Decimal(row["vat"]))
    return tuple(
        RateAmounts(None if percent is None else Decimal(percent), net, vat) for percent, (net, vat) in left.items()
    )


def _earned(transaction_ids: list[int | None]) -> dict[AccountRef, Decimal]:
    """Revenue and VAT of these transactions by account, in the order in which they were posted."""
    entries = (
        LedgerEntry.objects.filter(transaction__in=[pk for pk in transaction_ids if pk is not None])
        .filter(account__code__in=["revenue_energy", "revenue_time", "revenue_fees", VAT])
        .order_by("pk")
        .values_list("account__code", "account__currency", "account__qualifier", "side", "amount")
    )
    balances: dict[AccountRef, Decimal] = {}
    for code, currency, qualifier, side, amount in entries:
        account = system(code, currency, qualifier)
        balances[account] = balances.get(account, Decimal(0)) + natural_change(code, side, amount)
    return balances


def refunds_of(cdr: Cdr) -> QuerySet[SessionRefund]:
    """The refunds of a session, oldest first, with who got what and how far the card refunds have come."""
    return (
        SessionRefund.objects.filter(cdr=cdr)
        .select_related("actor")
        .prefetch_related("legs__funding_leg__lot", "card_refunds__payment__method", "card_refunds__retried_as")
        .order_by("pk")
    )


def surplus_refunds(cdr: Cdr) -> QuerySet[Refund]:
    """What went back of this session because the provider took more than was owed."""
    return Refund.objects.filter(session_refund=None, payment__funding_leg__cdr=cdr).select_related(
        "payment__method", "retried_as"
    )


def refundable_payments(leg_id: int) -> QuerySet[Payment]:
    """The payments of a leg through which money can go back, latest first."""
    through = Q(funding_leg_id=leg_id) | Q(pk__in=FundingLeg.objects.filter(pk=leg_id).values("collected_with"))
    return Payment.objects.filter(through, status=Payment.Status.SUCCEEDED).order_by("-attempt")
