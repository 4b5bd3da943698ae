"""The credit mechanism, sentence by sentence: drawn first whatever it came from, frozen and never deleted."""

from decimal import Decimal

import pytest

from accounts.errors import WalletUseNotPossible
from accounts.models import AuditEvent, Contract, ContractType, Driver
from accounts.services.contract_types import set_wallet_use
from billing.errors import SelfTopUpNotOffered
from billing.models import LedgerTransaction, WalletLot
from billing.selectors.wallets import wallet_of
from billing.services.bulk_credits import apply_credits, read_credits
from billing.services.settlement import settle_session
from billing.services.top_ups import claim_top_up
from billing.services.wallets import credit_wallet
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.sessions.conftest import stand_with
from tests.billing.wallets.world import broken
from tests.factories import ContractFactory, ContractTypeFactory, StaffFactory

pytestmark = pytest.mark.django_db

NONE, DRAW_FIRST = ContractType.WalletUse.NONE, ContractType.WalletUse.DRAW_FIRST


@pytest.fixture
def ada() -> Driver:
    """With the credit mechanism."""
    contract: Contract = ContractFactory(contract_type=ContractTypeFactory(credit=True))
    return contract.driver


def settled(driver: Driver, **terms: object) -> list[tuple[str, Decimal]]:
    """10.20 to pay; the legs it was paid by."""
    session = EndedSessionFactory(contract=driver.contracts.get(), **terms)
    return list(settle_session(session_id=session.pk).legs.values_list("source", "amount"))


def switched(driver: Driver, wallet_use: str) -> ContractType:
    return set_wallet_use(
        contract_type_id=driver.contracts.get().contract_type_id, wallet_use=wallet_use, reason="new terms"
    )


@pytest.mark.parametrize(
    ("kind", "origin"),
    [("cash", "operator"), ("cash", "card_top_up"), ("cash", "gift"), ("promo", "gift"), ("promo", "voucher")],
)
def test_the_wallet_is_drawn_first_whatever_its_money_came_from(ada: Driver, kind: str, origin: str) -> None:
    credit_wallet(
        driver_id=ada.pk, amount=eur("4.00"), kind=kind, origin=origin, reason="goodwill", idempotency_key="credit"
    )
    assert settled(ada) == [(f"wallet_{kind}", Decimal("4.00")), ("card", Decimal("6.20"))]
    assert wallet_of(ada.pk).balance == eur("0.00")


def test_switched_off_it_freezes_and_switched_on_it_is_drawn_again(ada: Driver) -> None:
    fill_wallet(ada, "14.00")
    fill_wallet(ada, "1.00", kind="promo")
    assert settled(ada) == [("wallet_promo", Decimal("1.00")), ("wallet_cash", Decimal("9.20"))]
    assert switched(ada, NONE).wallet_use == NONE
    assert settled(ada) == [("card", Decimal("10.20"))]
    view = wallet_of(ada.pk)
    assert (view.balance, view.available, [lot.remaining for lot in view.lots]) == (
        eur("4.80"),
        eur("4.80"),
        [Decimal("4.80")],
    )
    switched(ada, DRAW_FIRST)
    assert settled(ada) == [("wallet_cash", Decimal("4.80")), ("card", Decimal("5.40"))]
    events = AuditEvent.objects.filter(action="wallet_use_changed").order_by("pk").values_list("reason", "data")
    assert list(events) == [
        ("new terms", {"from": "draw_first", "to": "none"}),
        ("new terms", {"from": "none", "to": "draw_first"}),
    ]


def test_a_session_finishes_as_it_began(ada: Driver) -> None:
    """Ada has no card: she was let start because her balance carries her."""
    stand = stand_with(credit=True)
    driver = stand.contract.driver
    fill_wallet(driver, "20.00")
    began = stand.session(stand.start().session_id or 0)
    switched(driver, NONE)
    stand.stop(began.pk, 90, "13025")
    began.refresh_from_db()
    assert list(settle_session(session_id=began.pk).legs.values_list("source", "amount")) == [
        ("wallet_cash", Decimal("6.20"))
    ]
    assert wallet_of(driver.pk).balance == eur("13.80")
    later = stand.session(stand.start(reported_at=began.ended_at, started_at=began.ended_at).session_id or 0)
    assert (began.wallet_use, later.review_reason) == (DRAW_FIRST, "no_payment_method")


def test_a_session_from_before_it_was_kept_asks_its_contract_type(ada: Driver) -> None:
    fill_wallet(ada, "4.00")
    assert settled(ada, wallet_use="")[0] == ("wallet_cash", Decimal("4.00"))


def test_switching_moves_no_money_and_a_repeat_does_nothing(ada: Driver) -> None:
    fill_wallet(ada, "4.00")
    posted = LedgerTransaction.objects.count()
    switched(ada, NONE)
    switched(ada, NONE)
    assert (LedgerTransaction.objects.count(), WalletLot.objects.get().remaining) == (posted, Decimal("4.00"))
    assert AuditEvent.objects.filter(action="wallet_use_changed").count() == 1
    assert broken() == []


@pytest.mark.parametrize(("trait", "wallet_use"), [("wallet", "none"), ("wallet", "draw_first"), ("credit", "only")])
def test_a_wallet_type_has_nothing_else_to_pay_with(trait: str, wallet_use: str) -> None:
    kind = ContractTypeFactory(**{trait: True})
    before = kind.wallet_use
    with pytest.raises(WalletUseNotPossible):
        set_wallet_use(contract_type_id=kind.pk, wallet_use=wallet_use, reason="?")
    kind.refresh_from_db()
    assert kind.wallet_use == before


def test_the_driver_cannot_top_up_and_the_operator_can_for_many_at_once(ada: Driver) -> None:
    with pytest.raises(SelfTopUpNotOffered):
        claim_top_up(driver_id=ada.pk, amount=eur("25.00"), key=ada.public_id)
    text = f"reference,customer,amount,currency,kind,expires_on,reason\na,{ada.email},25.00,EUR,cash,,paid in\n"
    apply_credits(read_credits(text), actor_id=StaffFactory().pk)
    assert wallet_of(ada.pk).balance == eur("25.00")
