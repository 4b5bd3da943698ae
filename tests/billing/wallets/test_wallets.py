"""Wallet money comes in as lots and leaves in spending order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEvent
from billing.errors import CurrencyMismatch, InsufficientFunds, ReasonMissing, SelfTopUpNotOffered
from billing.models import LedgerEntry, LedgerTransaction, WalletLot
from billing.selectors.wallets import available_in_wallet, statement, wallet_of
from billing.services.lots import expire_lots
from billing.services.wallets import adjust_wallet, assert_may_top_up, credit_wallet
from common import clock
from common.errors import BadInput, IdempotencyConflict
from common.money import Money
from tests.factories import ContractFactory, DriverFactory, StaffFactory

pytestmark = pytest.mark.django_db

SOON = datetime(2100, 1, 1, tzinfo=UTC)
LATER = datetime(2101, 1, 1, tzinfo=UTC)


def eur(amount):
    return Money(Decimal(amount), "EUR")


def credit(driver, amount, kind="cash", origin="operator", key=None, **extra):
    return credit_wallet(
        driver_id=driver.pk,
        amount=eur(amount),
        kind=kind,
        origin=origin,
        reason="goodwill",
        idempotency_key=key or f"test:{driver.pk}:{LedgerTransaction.objects.count()}",
        **extra,
    )


def entries_of(posted):
    return sorted(posted.entries.values_list("account__key", "side", "amount"))


class TestCreditWallet:
    def test_an_operators_cash_comes_from_the_bank_and_leaves_a_trace(self):
        ada, otto = DriverFactory(), StaffFactory()
        lot = credit(ada, "25.00", actor_id=otto.pk)
        assert entries_of(lot.ledger_transaction) == [
            ("bank_clearing:EUR", "debit", Decimal("25.00")),
            (f"wallet:EUR:driver-{ada.pk}", "credit", Decimal("25.00")),
        ]
        event = AuditEvent.objects.get(action="wallet_credited")
        assert (event.actor, event.subject_id, event.reason) == (otto, str(ada.pk), "goodwill")
        assert event.data["amount"] == "25.00"

    @pytest.mark.parametrize(
        ("kind", "origin", "contra"),
        [
            ("promo", "operator", "promo_expense:EUR"),
            ("promo", "gift", "promo_expense:EUR"),
            ("cash", "gift", "promo_expense:EUR"),
            ("promo", "voucher", "promo_expense:EUR"),
            ("cash", "card_top_up", "psp_clearing:EUR"),
        ],
    )
    def test_the_other_side_says_where_the_money_came_from(self, kind, origin, contra):
        lot = credit(DriverFactory(), "5.00", kind=kind, origin=origin)
        assert entries_of(lot.ledger_transaction)[0] == (contra, "debit", Decimal("5.00"))

    def test_only_card_money_can_go_back_to_its_source(self):
        ada = DriverFactory()
        assert credit(ada, "5.00", origin="card_top_up").is_refundable
        assert not credit(ada, "5.00").is_refundable
        assert not credit(ada, "5.00", kind="promo").is_refundable

    def test_the_same_key_with_the_same_terms_is_the_same_lot(self):
        ada = DriverFactory()
        assert credit(ada, "5.00", key="top-up:1") == credit(ada, "5.00", key="top-up:1")
        assert wallet_of(ada.pk).balance == eur("5.00")
        assert AuditEvent.objects.filter(action="wallet_credited").count() == 1

    @pytest.mark.parametrize(
        "other", [{"amount": "6.00"}, {"kind": "promo"}, {"origin": "gift"}, {"kind": "promo", "expires_at": SOON}]
    )
    def test_the_same_key_with_other_terms_is_refused_and_changes_nothing(self, other):
        ada = DriverFactory()
        credit(ada, "5.00", key="top-up:1")
        with pytest.raises(IdempotencyConflict):
            credit(ada, **{"amount": "5.00", "key": "top-up:1", **other})
        assert wallet_of(ada.pk).balance == eur("5.00")

    def test_an_operator_says_why(self):
        ada = DriverFactory()
        with pytest.raises(ReasonMissing):
            credit_wallet(
                driver_id=ada.pk, amount=eur("5"), kind="cash", origin="operator", reason=" ", idempotency_key="k"
            )
        assert not LedgerTransaction.objects.exists()

    @pytest.mark.parametrize(
        "terms",
        [
            {"amount": "0.00"},
            {"amount": "-1.00"},
            {"amount": "1.005"},
            {"amount": "1.00", "expires_at": SOON},
            {"amount": "1.00", "origin": "refund"},
        ],
    )
    def test_what_cannot_be_booked_is_refused(self, terms):
        with pytest.raises(BadInput):
            credit(DriverFactory(), **terms)
        assert not LedgerTransaction.objects.exists()


class TestReading:
    def test_an_empty_wallet_is_no_error(self):
        ada = DriverFactory()
        view = wallet_of(ada.pk)
        assert (view.balance, view.reserved, view.available, view.lots) == (eur("0"), eur("0"), eur("0"), [])
        assert available_in_wallet(ada.pk, "EUR") == 0
        assert statement(ada.pk) == []

    def test_lots_are_shown_in_spending_order(self):
        ada = DriverFactory()
        cash = credit(ada, "1.00")
        late = credit(ada, "2.00", kind="promo", expires_at=LATER)
        endless = credit(ada, "3.00", kind="promo")
        soon = credit(ada, "4.00", kind="promo", expires_at=SOON)
        assert wallet_of(ada.pk).lots == [soon, late, endless, cash]

    def test_the_statement_runs_through_every_movement(self):
        ada = DriverFactory()
        credit(ada, "10.00")
        adjust_wallet(driver_id=ada.pk, amount=eur("2.50"), reason="entered twice", idempotency_key="a")
        rows = statement(ada.pk)
        assert [(row.event, row.change, row.balance, row.note) for row in rows] == [
            ("wallet_credited", eur("10.00"), eur("10.00"), "goodwill"),
            ("wallet_adjusted", eur("-2.50"), eur("7.50"), "entered twice"),
        ]

    def test_the_contract_in_force_names_the_currency(self):
        contract = ContractFactory(contract_type__currency="CHF")
        assert wallet_of(contract.driver_id).currency == "CHF"


class TestAdjustWallet:
    def test_promotional_money_goes_first_and_each_kind_returns_to_its_own_account(self):
        ada, otto = DriverFactory(), StaffFactory()
        credit(ada, "10.00")
        promo = credit(ada, "3.00", kind="promo")
        posted = adjust_wallet(
            driver_id=ada.pk, amount=eur("5.00"), reason="wrong customer", idempotency_key="a", actor_id=otto.pk
        )
        assert entries_of(posted) == [
            ("bank_clearing:EUR", "credit", Decimal("2.00")),
            ("promo_expense:EUR", "credit", Decimal("3.00")),
            (f"wallet:EUR:driver-{ada.pk}", "debit", Decimal("5.00")),
        ]
        promo.refresh_from_db()
        assert promo.remaining == 0
        assert wallet_of(ada.pk).balance == eur("8.00")
        assert AuditEvent.objects.get(action="wallet_adjusted").actor == otto

    def test_repeated_it_happens_once(self):
        ada = DriverFactory()
        credit(ada, "10.00")
        first, again = (
            adjust_wallet(driver_id=ada.pk, amount=eur("5.00"), reason="r", idempotency_key="a") for _ in range(2)
        )
        assert first == again
        assert wallet_of(ada.pk).balance == eur("5.00")
        with pytest.raises(IdempotencyConflict):
            adjust_wallet(driver_id=ada.pk, amount=eur("4.00"), reason="r", idempotency_key="a")

    def test_more_than_there_is_changes_nothing(self):
        ada = DriverFactory()
        lot = credit(ada, "4.00")
        with pytest.raises(InsufficientFunds):
            adjust_wallet(driver_id=ada.pk, amount=eur("4.01"), reason="r", idempotency_key="a")
        lot.refresh_from_db()
        assert lot.remaining == Decimal("4.00")
        assert LedgerTransaction.objects.count() == 1

    def test_it_needs_a_reason(self):
        with pytest.raises(ReasonMissing):
            adjust_wallet(driver_id=DriverFactory().pk, amount=eur("1"), reason="", idempotency_key="a")


class TestSelfTopUp:
    def test_a_wallet_driver_may_top_up(self):
        contract = ContractFactory(contract_type__wallet=True)
        assert_may_top_up(driver_id=contract.driver_id, amount=eur("20.00"))

    @pytest.mark.parametrize("trait", ["credit", "open_access", "preauth"])
    def test_a_driver_whose_contract_does_not_offer_it_may_not_but_the_operator_can(self, trait):
        contract = ContractFactory(**{f"contract_type__{trait}": True})
        with pytest.raises(SelfTopUpNotOffered) as refusal:
            assert_may_top_up(driver_id=contract.driver_id, amount=eur("20.00"))
        assert refusal.value.code == "self_topup_not_offered"
        credit(contract.driver, "20.00")
        assert wallet_of(contract.driver_id).balance == eur("20.00")

    def test_it_is_in_the_contracts_currency(self):
        contract = ContractFactory(contract_type__wallet=True)
        with pytest.raises(CurrencyMismatch):
            assert_may_top_up(driver_id=contract.driver_id, amount=Money(Decimal("20"), "CHF"))


class TestExpiry:
    def test_what_is_left_of_an_expired_promotion_leaves_the_wallet(self):
        ada = DriverFactory()
        credit(ada, "1.00")
        credit(ada, "2.00", kind="promo", expires_at=LATER)
        gone = credit(ada, "4.00", kind="promo", expires_at=SOON)
        assert expire_lots(now=SOON - timedelta(seconds=1)) == 0
        assert expire_lots(now=SOON) == 1
        gone.refresh_from_db()
        assert gone.remaining == 0
        assert wallet_of(ada.pk).balance == eur("3.00")
        assert entries_of(LedgerTransaction.objects.get(event="promo_expired")) == [
            ("promo_expense:EUR", "credit", Decimal("4.00")),
            (f"wallet:EUR:driver-{ada.pk}", "debit", Decimal("4.00")),
        ]
        assert expire_lots(now=SOON) == 0


class TestGuards:
    def refused(self, sql):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE billing_walletlot SET amount = amount + 1",
            "UPDATE billing_walletlot SET remaining = amount + 1",
            "UPDATE billing_walletlot SET remaining = -1",
            "UPDATE billing_walletlot SET kind = 'promo'",
            "DELETE FROM billing_walletlot",
            "UPDATE billing_ledgerentry SET amount = amount + 1",
            "DELETE FROM billing_ledgerentry",
            "UPDATE billing_ledgertransaction SET note = 'x'",
            "DELETE FROM billing_ledgertransaction",
            "UPDATE billing_ledgeraccount SET posted = -1 WHERE code = 'wallet'",
            "UPDATE billing_ledgeraccount SET pending = posted + 1 WHERE code = 'wallet'",
            "UPDATE billing_ledgeraccount SET posted = 1 WHERE code = 'bank_clearing'",
            "UPDATE billing_ledgeraccount SET key = 'x' WHERE code = 'wallet'",
            "DELETE FROM billing_ledgeraccount",
        ],
    )
    def test_the_database_itself_refuses(self, sql):
        lot = credit(DriverFactory(), "5.00")
        self.refused(sql)
        lot.refresh_from_db()
        assert (lot.kind, lot.amount, lot.remaining) == ("cash", Decimal("5.00"), Decimal("5.00"))
        assert LedgerEntry.objects.count() == 2
        assert WalletLot.objects.count() == 1

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_an_unbalanced_transaction_cannot_be_committed(self):
        lot = credit(DriverFactory(), "5.00")
        entry = lot.ledger_transaction.entries.filter(side="debit").get()
        with pytest.raises(IntegrityError), transaction.atomic():
            LedgerEntry.objects.create(
                transaction=entry.transaction, account=entry.account, side="debit", amount=Decimal(1)
            )
        assert LedgerEntry.objects.count() == 2


def test_times_are_now():
    lot = credit(DriverFactory(), "5.00")
    assert abs(clock.now() - lot.ledger_transaction.occurred_at) < timedelta(minutes=1)
