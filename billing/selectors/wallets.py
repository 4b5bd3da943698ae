"""Reading wallets: the balance, what of it is reserved, its lots and its statement."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from accounts.errors import NoContract
from accounts.models import Contract, ContractType
from accounts.selectors.contracts import contract_in_force
from billing.domain.postings import natural_change, wallet
from billing.domain.waterfall import Lot as LotValue
from billing.domain.waterfall import spending_order
from billing.models import LedgerAccount, LedgerEntry, PaymentMethod, WalletLot
from common import clock
from common.money import Money


@dataclass(frozen=True)
class WalletView:
    """A driver's wallet at one moment, its lots in spending order.

    `available` is the balance less what holds reserve and less promotional money past its date.
    """

    currency: str
    balance: Money
    reserved: Money
    available: Money
    lots: list[WalletLot]


@dataclass(frozen=True)
class StatementRow:
    """One movement: `change` is signed, `balance` is what the wallet held after it; `hash` chains it to the last."""

    number: int
    at: datetime
    event: str
    reference: str
    note: str
    change: Money
    balance: Money
    previous_hash: str
    hash: str


def wallet_of(driver_id: int, currency: str = "") -> WalletView:
    """The driver's wallet in `currency` (default: that of the contract in force); empty when there is none."""
    code = currency or wallet_currency(driver_id)
    account = LedgerAccount.objects.filter(key=wallet(driver_id, code).key).first()
    expired = expired_promo(account.pk, clock.now()) if account else Decimal(0)
    posted, pending = (account.posted, account.pending) if account else (Decimal(0), Decimal(0))
    rows = {lot.pk: lot for lot in WalletLot.objects.filter(account=account, remaining__gt=0)} if account else {}
    order = spending_order(LotValue(lot.pk, lot.kind, lot.remaining, lot.expires_at) for lot in rows.values())
    return WalletView(
        currency=code,
        balance=Money(posted, code),
        reserved=Money(pending, code),
        available=Money(max(posted - pending - expired, Decimal(0)), code),
        lots=[rows[lot.id] for lot in order],
    )


def available_in_wallet(driver_id: int, currency: str, at: datetime | None = None) -> Decimal:
    """What a new session may reserve at `at` (default: now), in `currency`.

    Promotional money past its date is left out, although sessions that began before may still draw it.
    """
    key = wallet(driver_id, currency).key
    row = LedgerAccount.objects.filter(key=key).values_list("pk", "posted", "pending").first()
    if row is None:
        return Decimal(0)
    account_id, posted, pending = row
    available: Decimal = posted - pending - expired_promo(account_id, at or clock.now())
    return max(available, Decimal(0))


@dataclass(frozen=True, slots=True)
class TypeBalances:
    """What customers of a contract type have in their wallets, in its currency; `without_card` among them."""

    with_balance: int
    total: Decimal
    without_card: int


def balances_under(contract_type: ContractType) -> TypeBalances:
    """Of whoever has a contract of this type in force now."""
    now = clock.now()
    in_force = Contract.objects.filter(contract_type=contract_type, starts_at__lte=now).filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    )
    cards = PaymentMethod.objects.filter(driver=OuterRef("driver"), status=PaymentMethod.Status.ACTIVE)
    found = (
        LedgerAccount.objects.filter(
            code=LedgerAccount.Code.WALLET,
            currency=contract_type.currency,
            posted__gt=0,
            driver__in=in_force.values("driver"),
        )
        .annotate(has_card=Exists(cards))
        .aggregate(wallets=Count("pk"), total=Sum("posted"), without_card=Count("pk", filter=Q(has_card=False)))
    )
    return TypeBalances(
        with_balance=found["wallets"], total=found["total"] or Decimal(0), without_card=found["without_card"]
    )


def expired_promo(account_id: int, at: datetime) -> Decimal:
    """What is left in a wallet of promotional lots expired at `at`: no session that begins then may draw it."""
    lots = WalletLot.objects.filter(
        account_id=account_id, kind=WalletLot.Kind.PROMO, remaining__gt=0, expires_at__lte=at
    )
    return sum(lots.values_list("remaining", flat=True), Decimal(0))


def wallet_currency(driver_id: int) -> str:
    """The currency of the contract in force; without a contract the installation's."""
    try:
        return contract_in_force(driver_id, clock.now()).contract_type.currency
    except NoContract:
        return str(settings.DEFAULT_CURRENCY)


def statement(driver_id: int, currency: str = "") -> list[StatementRow]:
    """Every movement of the wallet, oldest first, with the running balance the ledger keeps."""
    code = currency or wallet_currency(driver_id)
    entries = (
        LedgerEntry.objects.filter(account__key=wallet(driver_id, code).key)
        .order_by("sequence")
        .annotate(
            at=F("transaction__occurred_at"),
            event=F("transaction__event"),
            reference=F("transaction__reference"),
            note=F("transaction__note"),
        )
    )
    return [
        StatementRow(
            number=entry.sequence or 0,
            at=entry.at,
            event=entry.event,
            reference=entry.reference,
            note=entry.note,
            change=Money(natural_change("wallet", entry.side, entry.amount), code),
            balance=Money(entry.balance_after or Decimal(0), code),
            previous_hash=entry.previous_hash,
            hash=entry.hash,
        )
        for entry in entries
    ]
