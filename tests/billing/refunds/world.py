"""Ada's sessions, settled and paid in every way, and how a refund of them stands everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.models import ChargingSession, FakeProviderObject, FundingLeg, LedgerEntry, Refund
from billing.services.payments import collect_leg
from billing.services.settlement import settle_session
from tests.billing.factories import NOON, EndedSessionFactory, fill_wallet
from tests.billing.payments.world import owed_by, save_card

FAR_OFF = NOON.replace(year=2040)


def paid_session(card: str = "visa", *, wallet: str = "", promo: str = "", **terms) -> ChargingSession:
    """10.20 with 19 % VAT: from the wallet as far as it goes, the rest by card, all of it paid."""
    session = billed_session(wallet=wallet, promo=promo, card=card, **terms)
    for leg in session.cdr.legs.filter(source="card"):
        collect_leg(leg_id=leg.pk)
    return session


def billed_session(*, wallet: str = "", promo: str = "", card: str = "", **terms) -> ChargingSession:
    """The same, and nothing was charged to a card yet."""
    session = EndedSessionFactory(**{"contract_type__credit": bool(wallet or promo), **terms})
    if promo:
        fill_wallet(session.driver, promo, kind="promo", expires_at=FAR_OFF)
    if wallet:
        fill_wallet(session.driver, wallet)
    if card:
        save_card(session.driver, card)
    settle_session(session_id=session.pk)
    return session


@dataclass(frozen=True)
class After:
    """`legs` are (source, state, refunded), `lots` (kind, remaining), `kept` what the bank took less what it gave."""

    legs: Sequence[tuple[str, str, Decimal]]
    lots: Sequence[tuple[str, Decimal]]
    refunds: Sequence[tuple[str, Decimal]]
    kept: Decimal
    owed: Decimal
    revenue: Decimal
    vat: Decimal


def after(session: ChargingSession) -> After:
    payments = FakeProviderObject.objects.filter(
        kind="payment", idempotency_key__startswith=f"session:{session.public_id}:"
    )
    return After(
        legs=[(leg.source, leg.state, leg.refunded) for leg in FundingLeg.objects.filter(cdr=session.cdr)],
        lots=[
            (lot.kind, lot.remaining)
            for account in session.driver.ledger_accounts.filter(code="wallet")
            for lot in account.lots.all()
        ],
        refunds=[
            (refund.status, refund.amount)
            for refund in Refund.objects.filter(payment__funding_leg__cdr=session.cdr).order_by("pk")
        ],
        kept=sum(
            (Decimal(payment.data["captured"]) - Decimal(payment.data["refunded"]) for payment in payments), Decimal(0)
        ),
        owed=owed_by(session.driver_id),
        revenue=_balance(session, "revenue_energy"),
        vat=_balance(session, "vat_payable"),
    )


def _balance(session: ChargingSession, code: str) -> Decimal:
    entries = LedgerEntry.objects.filter(account__code=code, transaction__reference=str(session.public_id))
    return sum((entry.amount if entry.side == "credit" else -entry.amount for entry in entries), Decimal(0))
