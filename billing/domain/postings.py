"""What is posted: accounts, sides and amounts. Pure; `docs/chart-of-accounts.md` shows every recipe."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from billing.domain.errors import Unbalanced
from common.currencies import quantize_amount

# Accounts that belong to somebody: locked before they are written, with a balance and a chain of entries.
OWNER_CODES = frozenset({"wallet", "receivable", "host_payable"})
# Accounts whose balance grows on the debit side; every other grows on the credit side.
DEBIT_CODES = frozenset(
    {
        "receivable",
        "receivable_ad_hoc",
        "psp_clearing",
        "disputed",
        "bank_clearing",
        "promo_expense",
        "open_access_expense",
        "psp_fees",
        "bad_debt",
    }
)
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Side(StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"


# Asked for a dozen times for every posting, of a few accounts again and again.
@lru_cache(maxsize=4096)
def _key(code: str, currency: str, driver_id: int | None, partner_id: int | None, qualifier: str) -> str:
    owner = ""
    if driver_id is not None:
        owner = f"driver-{driver_id}"
    elif partner_id is not None:
        owner = f"partner-{partner_id}"
    return ":".join(part for part in (code, currency, owner, qualifier) if part)


@dataclass(frozen=True, slots=True)
class AccountRef:
    """Names one ledger account. `qualifier` tells VAT accounts apart: country and rate, such as DE-19."""

    code: str
    currency: str
    driver_id: int | None = None
    partner_id: int | None = None
    qualifier: str = ""

    @property
    def key(self) -> str:
        """The account's unique name, such as wallet:EUR:driver-7 or vat_payable:EUR:DE-19."""
        return _key(self.code, self.currency, self.driver_id, self.partner_id, self.qualifier)

    @property
    def has_owner(self) -> bool:
        return self.code in OWNER_CODES


def wallet(driver_id: int, currency: str) -> AccountRef:
    return AccountRef("wallet", currency, driver_id=driver_id)


def receivable(driver_id: int | None, currency: str) -> AccountRef:
    """What a driver owes. Who pays ad hoc (None) has no account: what all of them owe stands on one of ours."""
    if driver_id is None:
        return system("receivable_ad_hoc", currency)
    return AccountRef("receivable", currency, driver_id=driver_id)


def system(code: str, currency: str, qualifier: str = "") -> AccountRef:
    return AccountRef(code, currency, qualifier=qualifier)


def vat_account(country: str, percent: Decimal, currency: str) -> AccountRef:
    """VAT owed to a country at a rate: vat_payable:EUR:DE-19."""
    return system("vat_payable", currency, f"{country}-{plain(percent)}")


def plain(number: Decimal) -> str:
    """A Decimal without exponent and trailing zeros: 19.000 -> 19, 5.50 -> 5.5."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a transaction: `amount` > 0 in the account's currency, quantised to its exponent."""

    account: AccountRef
    side: Side
    amount: Decimal


def debit(account: AccountRef, amount: Decimal) -> Posting:
    return Posting(account, Side.DEBIT, amount)


def credit(account: AccountRef, amount: Decimal) -> Posting:
    return Posting(account, Side.CREDIT, amount)


def natural_change(code: str, side: str, amount: Decimal) -> Decimal:
    """By how much an entry moves its account's balance, counted on the side on which it grows."""
    return amount if (side == Side.DEBIT) == (code in DEBIT_CODES) else -amount


def check_balanced(postings: Sequence[Posting], currency: str) -> None:
    """Raises Unbalanced unless debits and credits are whole amounts of `currency` above zero that sum to the same."""
    debits = sum((posting.amount for posting in postings if posting.side == Side.DEBIT), Decimal(0))
    credits = sum((posting.amount for posting in postings if posting.side == Side.CREDIT), Decimal(0))
    if debits != credits or not debits:
        raise Unbalanced(f"Debits are {debits} and credits {credits} {currency}. Nothing was posted.")
    for posting in postings:
        amount = posting.amount
        if amount <= 0 or amount != quantize_amount(amount, currency) or posting.account.currency != currency:
            raise Unbalanced(f"{amount} on {posting.account.key} cannot be posted in {currency}.")


def content_hash(event: str, currency: str, reference: str, postings: Iterable[tuple[str, str, Decimal]]) -> str:
    """SHA-256 of what a transaction says: (account key, side, amount) in any order, event, currency, reference.

    When it happened and its note are left out: a repeated request comes later and is still the same request.
    """
    rows = sorted([key, str(side), plain(amount)] for key, side, amount in postings)
    return hashlib.sha256(_compact([event, currency, reference, rows]).encode()).hexdigest()
