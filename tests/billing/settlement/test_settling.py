"""An ended session becomes a Cdr with its legs and its posting; or is free by a rule; or is parked."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django_q.models import OrmQ

from billing.domain.settlement import EARNED_IN, REVENUE_CODES
from billing.models import Cdr, ChargingSession, CostLine, FundingLeg, Hold, LedgerTransaction
from billing.selectors.wallets import wallet_of
from billing.services.holds import place_hold
from billing.services.review import discard_session, release_from_review
from billing.services.settlement import settle_overdue, settle_session
from billing.services.wallets import credit_wallet
from common import clock
from tariffs.domain.result import LineKind
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet, meter
from tests.factories import StaffFactory, TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db


def settle(session):
    cdr = settle_session(session_id=session.pk)
    session.refresh_from_db()
    return cdr


def legs_of(cdr):
    return list(cdr.legs.values_list("source", "amount", "state"))


def posted(cdr):
    return {
        (entry.account.key, entry.side): entry.amount
        for entry in cdr.ledger_transaction.entries.select_related("account")
    }


class TestTheCreditMechanism:
    def test_the_wallet_pays_first_and_the_card_the_rest(self):
        session = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(session.driver, "4.00")
        cdr = settle(session)
        assert (cdr.net, cdr.vat, cdr.gross) == (Decimal("8.57"), Decimal("1.63"), Decimal("10.20"))
        assert legs_of(cdr) == [("wallet_cash", Decimal("4.00"), "paid"), ("card", Decimal("6.20"), "due")]
        assert wallet_of(session.driver_id).balance == eur("0.00")
        assert posted(cdr) == {
            (f"wallet:EUR:driver-{session.driver_id}", "debit"): Decimal("4.00"),
            (f"receivable:EUR:driver-{session.driver_id}", "debit"): Decimal("6.20"),
            ("revenue_energy:EUR", "credit"): Decimal("8.57"),
            ("vat_payable:EUR:DE-19", "credit"): Decimal("1.63"),
        }
        assert (session.outcome, session.payment_status) == ("billed", "partially_paid")
        card_leg = cdr.legs.get(source="card")
        assert [task.task["args"] for task in OrmQ.objects.all()] == [(card_leg.pk,)]
        assert OrmQ.objects.get().task["func"] == "billing.tasks.collect_leg"

    def test_switched_off_the_card_pays_all_and_the_wallet_keeps_its_balance(self):
        session = EndedSessionFactory()
        fill_wallet(session.driver, "4.00")
        cdr = settle(session)
        assert legs_of(cdr) == [("card", Decimal("10.20"), "due")]
        assert wallet_of(session.driver_id).balance == eur("4.00")
        assert session.payment_status == "due"

    def test_promotional_money_goes_before_cash_and_the_earliest_expiry_first(self):
        session = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(session.driver, "20.00")
        fill_wallet(session.driver, "3.00", kind="promo", expires_at=NOON + timedelta(days=60))
        fill_wallet(session.driver, "2.00", kind="promo", expires_at=NOON + timedelta(days=30))
        fill_wallet(session.driver, "9.00", kind="promo", expires_at=NOON - timedelta(days=1))
        cdr = settle(session)
        assert legs_of(cdr) == [
            ("wallet_promo", Decimal("2.00"), "paid"),
            ("wallet_promo", Decimal("3.00"), "paid"),
            ("wallet_cash", Decimal("5.20"), "paid"),
        ]
        assert session.payment_status == "paid"
        assert wallet_of(session.driver_id).balance == eur("23.80")

    def test_what_another_session_reserved_is_not_drawn(self):
        session = EndedSessionFactory(contract_type__credit=True)
        other = EndedSessionFactory(contract=session.contract, status="active", stopped_at=None, ended_at=None)
        fill_wallet(session.driver, "10.00")
        place_hold(
            driver_id=session.driver_id,
            session_id=other.pk,
            amount=eur("7.00"),
            expires_at=clock.now() + timedelta(days=2),
            idempotency_key="h",
        )
        assert legs_of(settle(session)) == [
            ("wallet_cash", Decimal("3.00"), "paid"),
            ("card", Decimal("7.20"), "due"),
        ]


class TestOtherContracts:
    def test_a_wallet_driver_pays_from_the_hold_and_gets_the_rest_of_it_back(self):
        session = EndedSessionFactory(contract_type__wallet=True)
        fill_wallet(session.driver, "30.00")
        hold = place_hold(
            driver_id=session.driver_id,
            session_id=session.pk,
            amount=eur("25.00"),
            expires_at=clock.now() + timedelta(days=2),
            idempotency_key="h",
        )
        assert legs_of(settle(session)) == [("wallet_cash", Decimal("10.20"), "paid")]
        hold.refresh_from_db()
        assert (hold.status, hold.captured_amount) == (Hold.Status.CAPTURED, Decimal("10.20"))
        view = wallet_of(session.driver_id)
        assert (view.balance, view.reserved) == (eur("19.80"), eur("0"))
        assert session.payment_status == "paid"

    def test_what_a_wallet_does_not_cover_is_debt_not_a_card(self):
        session = EndedSessionFactory(contract_type__wallet=True)
        fill_wallet(session.driver, "10.00")
        cdr = settle(session)
        assert legs_of(cdr) == [("wallet_cash", Decimal("10.00"), "paid"), ("debt", Decimal("0.20"), "due")]
        assert not OrmQ.objects.exists()

    def test_open_access_is_paid_by_the_operator(self):
        session = EndedSessionFactory(contract_type__open_access=True)
        cdr = settle(session)
        assert legs_of(cdr) == [("open_access", Decimal("10.20"), "paid")]
        assert posted(cdr)["open_access_expense:EUR", "debit"] == Decimal("10.20")
        assert session.payment_status == "paid"

    def test_a_preauthorised_driver_pays_by_card(self):
        assert legs_of(settle(EndedSessionFactory(contract_type__preauth=True))) == [("card", Decimal("10.20"), "due")]

    def test_a_driver_without_a_wallet_owes_nothing_to_it(self):
        assert legs_of(settle(EndedSessionFactory(contract_type__credit=True))) == [("card", Decimal("10.20"), "due")]


class TestTheCdr:
    def test_every_kind_of_line_is_earned_in_its_own_account(self):
        document = tariff_document(
            element(component("FLAT", "0.50"), component("ENERGY", "0.40"), component("PARKING_TIME", "6.00", vat="7"))
        )
        session = EndedSessionFactory(
            tariff_version=TariffVersionFactory(document=document), ended_at=NOON + timedelta(hours=2), started_at=NOON
        )
        meter(session, 60, "0", "charging")
        cdr = settle(session)
        assert [(line.seq, line.kind, line.quantity, line.net) for line in cdr.lines.all()] == [
            (1, "FLAT", Decimal(1), Decimal("0.5")),
            (2, "ENERGY", Decimal(15), Decimal(6)),
            (3, "PARKING_TIME", Decimal(1), Decimal(6)),
        ]
        assert cdr.vat_totals == [
            {"percent": "19", "net": "6.50", "vat": "1.24", "gross": "7.74"},
            {"percent": "7", "net": "6.00", "vat": "0.42", "gross": "6.42"},
        ]
        assert posted(cdr) == {
            (f"receivable:EUR:driver-{session.driver_id}", "debit"): Decimal("14.16"),
            ("revenue_energy:EUR", "credit"): Decimal("6.00"),
            ("revenue_time:EUR", "credit"): Decimal("6.00"),
            ("revenue_fees:EUR", "credit"): Decimal("0.50"),
            ("vat_payable:EUR:DE-19", "credit"): Decimal("1.24"),
            ("vat_payable:EUR:DE-7", "credit"): Decimal("0.42"),
        }
        assert (cdr.energy_wh, cdr.duration_seconds) == (Decimal(15_000), 7_200)
        assert cdr.tariff_digest
        assert cdr.lines.get(kind="ENERGY").explanation["unit_price"] == "0.4000"

    def test_fees_and_the_cap_on_idle_time_are_earned_with_their_own_kind(self):
        document = tariff_document(
            element(component("ENERGY", "0.40"), component("PARKING_TIME", "6.00")),
            voltledger={
                "connection_fee": {"price": 2, "after_minutes": 30},
                "idle": {"max_amount": Decimal("4.50")},
                "service_fee": {"flat": 1},
            },
        )
        session = EndedSessionFactory(
            tariff_version=TariffVersionFactory(document=document), ended_at=NOON + timedelta(hours=2), started_at=NOON
        )
        meter(session, 60, "0", "charging")
        cdr = settle(session)
        assert [(line.kind, line.net) for line in cdr.lines.all()] == [
            ("ENERGY", Decimal(6)),
            ("PARKING_TIME", Decimal(6)),
            ("IDLE_CAP", Decimal("-1.5")),
            ("CONNECTION_FEE", Decimal(2)),
            ("SERVICE_FEE", Decimal(1)),
        ]
        assert posted(cdr) == {
            (f"receivable:EUR:driver-{session.driver_id}", "debit"): Decimal("16.07"),
            ("revenue_energy:EUR", "credit"): Decimal("6.00"),
            ("revenue_time:EUR", "credit"): Decimal("4.50"),
            ("revenue_fees:EUR", "credit"): Decimal("3.00"),
            ("vat_payable:EUR:DE-19", "credit"): Decimal("2.57"),
        }

    @pytest.mark.parametrize("kind", LineKind)
    def test_every_kind_of_line_has_its_account(self, kind):
        assert kind in EARNED_IN
        assert (EARNED_IN[kind] in REVENUE_CODES) is (kind is not LineKind.MAX_PRICE)

    def test_a_maximum_price_lowers_every_revenue_in_proportion(self):
        document = tariff_document(
            element(component("FLAT", "4.00"), component("ENERGY", "0.40")), max_price={"excl_vat": Decimal("5.00")}
        )
        cdr = settle(EndedSessionFactory(tariff_version=TariffVersionFactory(document=document)))
        assert posted(cdr)["revenue_energy:EUR", "credit"] == Decimal("3.00")
        assert posted(cdr)["revenue_fees:EUR", "credit"] == Decimal("2.00")

    def test_a_price_of_zero_is_billed_and_not_posted(self):
        document = tariff_document(element(component("ENERGY", "0.00")))
        session = EndedSessionFactory(tariff_version=TariffVersionFactory(document=document))
        cdr = settle(session)
        assert (cdr.gross, cdr.ledger_transaction, list(cdr.legs.all())) == (0, None, [])
        assert (session.outcome, session.payment_status) == ("billed", "nothing_due")

    def test_registers_that_fall_back_or_run_ahead_are_not_billed(self):
        session = EndedSessionFactory()
        for minutes, register in ((10, "3000"), (20, "0"), (30, "99999999"), (40, "9000"), (50, "8000")):
            meter(session, minutes, register)
        cdr = settle(session)
        assert [period["energy_wh"] for period in cdr.periods] == ["2000", "6000", "7000"]
        assert cdr.gross == Decimal("10.20")

    def test_it_is_never_changed(self):
        settle(EndedSessionFactory())
        for sql in (
            "UPDATE billing_cdr SET gross = 0",
            "DELETE FROM billing_cdr",
            "UPDATE billing_costline SET net = 0",
            "DELETE FROM billing_costline",
            "UPDATE billing_fundingleg SET amount = 1",
            "UPDATE billing_fundingleg SET source = 'debt'",
            "DELETE FROM billing_fundingleg",
        ):
            with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql)
        assert Cdr.objects.get().gross == Decimal("10.20")


class TestSettlingTwice:
    def test_the_second_time_changes_nothing(self):
        session = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(session.driver, "4.00")
        assert settle(session) == settle(session)
        assert (Cdr.objects.count(), CostLine.objects.count(), FundingLeg.objects.count()) == (1, 1, 2)
        assert LedgerTransaction.objects.filter(event="session_settled").count() == 1
        assert OrmQ.objects.count() == 1

    @pytest.mark.parametrize("status", ["active", "finishing"])
    def test_a_session_that_is_not_over_is_left_alone(self, status):
        session = EndedSessionFactory(status=status, ended_at=None)
        assert settle(session) is None
        assert session.outcome == "pending"


class TestFreeByRule:
    @pytest.mark.parametrize(
        ("minutes", "used_wh", "rule"),
        [
            (60, 0, "no_energy"),
            (1, 15_000, "below_least_duration"),
            (60, 199, "below_least_energy"),
        ],
    )
    def test_it_names_its_rule_and_makes_no_documents(self, minutes, used_wh, rule):
        session = EndedSessionFactory(minutes=minutes, used_wh=used_wh, contract_type__wallet=True)
        fill_wallet(session.driver, "30.00")
        hold = place_hold(
            driver_id=session.driver_id,
            session_id=session.pk,
            amount=eur("25.00"),
            expires_at=clock.now() + timedelta(days=2),
            idempotency_key="h",
        )
        assert settle(session) is None
        assert (session.outcome, session.free_rule, session.payment_status) == ("free", rule, "nothing_due")
        hold.refresh_from_db()
        assert hold.status == Hold.Status.RELEASED
        assert wallet_of(session.driver_id).available == eur("30.00")
        assert not Cdr.objects.exists()

    @pytest.mark.parametrize(("used_wh", "rule"), [(0, "no_energy"), (199, "below_least_energy")])
    def test_a_place_that_costs_something_is_paid_for_without_energy(self, used_wh, rule):
        """Energy 0.40, a start fee of 1.00, parking 6.00 per hour with 15 minutes of grace."""
        document = tariff_document(
            element(component("FLAT", "1.00"), component("ENERGY", "0.40"), component("PARKING_TIME", "6.00")),
            voltledger={"idle": {"grace_minutes": 15}},
        )
        version = TariffVersionFactory(document=document)

        def stay(minutes: int) -> ChargingSession:
            session = EndedSessionFactory(minutes=minutes, used_wh=used_wh, tariff_version=version)
            meter(session, 0, "0", "charging")
            return session

        blocked = settle(stay(300))
        # 1.00 + 4.75 h × 6.00 + what little energy there was
        assert blocked.net == Decimal("29.50") + (Decimal("0.08") if used_wh else 0)
        # Ten minutes of trying cost nothing, nor does a stay within the grace: no time is charged for either.
        for minutes in (10, 15):
            session = stay(minutes)
            assert settle(session) is None
            assert (session.outcome, session.free_rule) == ("free", rule)
        assert settle(stay(16)).net == Decimal("1.10") + (Decimal("0.08") if used_wh else 0)

    def test_a_cap_of_nothing_charges_no_time(self):
        document = tariff_document(
            element(component("FLAT", "1.00"), component("PARKING_TIME", "6.00")),
            voltledger={"idle": {"max_amount": 0}},
        )
        session = EndedSessionFactory(minutes=300, used_wh=0, tariff_version=TariffVersionFactory(document=document))
        meter(session, 0, "0", "charging")
        assert settle(session) is None
        assert session.free_rule == "no_energy"

    def test_nobody_s_long_stay_at_a_paid_place_is_looked_at(self):
        document = tariff_document(element(component("TIME", "1.20")))
        version = TariffVersionFactory(document=document)
        nobody = {"driver": None, "contract": None, "used_wh": 0}
        session = EndedSessionFactory(minutes=60, tariff_version=version, **nobody)
        assert settle(session) is None
        assert (session.outcome, session.review_reason) == ("in_review", "no_driver")
        session = EndedSessionFactory(minutes=60, tariff_version=None, tariff_digest="", **nobody)
        assert settle(session) is None
        assert (session.outcome, session.free_rule) == ("free", "no_energy")

    @pytest.mark.parametrize(("minutes", "used_wh"), [(2, 15_000), (60, 200)])
    def test_at_the_limit_it_is_billed(self, minutes, used_wh):
        assert settle(EndedSessionFactory(minutes=minutes, used_wh=used_wh)) is not None


class TestReview:
    @pytest.mark.parametrize(
        ("doubt", "reason"),
        [
            ({"review_reason": "unknown_token"}, "unknown_token"),
            ({"driver": None, "contract": None}, "no_driver"),
            ({"tariff_version": None, "tariff_digest": ""}, "no_tariff"),
            ({"vat_percent": None}, "vat_unknown"),
            ({"meter_stop_wh": None}, "meter_missing"),
            ({"meter_stop_wh": Decimal(500)}, "meter_stop_invalid"),
            ({"currency": "CHF"}, "tariff_currency_mismatch"),
        ],
    )
    def test_a_doubtful_session_is_parked_with_its_reason_and_not_billed(self, doubt, reason):
        session = EndedSessionFactory(**doubt)
        assert settle(session) is None
        assert (session.outcome, session.review_reason) == ("in_review", reason)
        assert not Cdr.objects.exists()
        assert not LedgerTransaction.objects.exists()

    def test_a_parked_session_keeps_what_it_reserved_until_it_is_decided(self):
        session = EndedSessionFactory(contract_type__wallet=True, review_reason="clock_doubtful")
        fill_wallet(session.driver, "30.00")
        hold = place_hold(
            driver_id=session.driver_id,
            session_id=session.pk,
            amount=eur("25.00"),
            expires_at=clock.now() + timedelta(days=2),
            idempotency_key="h",
        )
        assert settle(session) is None
        hold.refresh_from_db()
        assert hold.status == Hold.Status.ACTIVE
        assert wallet_of(session.driver_id).available == eur("5.00")

        release_from_review(session_id=session.pk, actor_id=StaffFactory().pk, reason="the clock was right")
        assert legs_of(settle(session)) == [("wallet_cash", Decimal("10.20"), "paid")]
        hold.refresh_from_db()
        assert (hold.status, hold.captured_amount) == (Hold.Status.CAPTURED, Decimal("10.20"))

    def test_discarded_it_gives_back_what_it_reserved(self):
        session = EndedSessionFactory(contract_type__wallet=True, review_reason="clock_doubtful")
        fill_wallet(session.driver, "30.00")
        place_hold(
            driver_id=session.driver_id,
            session_id=session.pk,
            amount=eur("25.00"),
            expires_at=clock.now() + timedelta(days=2),
            idempotency_key="h",
        )
        settle(session)
        discard_session(session_id=session.pk, actor_id=StaffFactory().pk, reason="a test drive")
        assert wallet_of(session.driver_id).available == eur("30.00")

    def test_a_session_without_a_contract_is_parked(self):
        session = EndedSessionFactory()
        ChargingSession.objects.filter(pk=session.pk).update(contract=None)
        assert settle(session) is None
        assert session.review_reason == "no_contract"


class TestTheSweep:
    def test_a_session_whose_task_was_lost_is_settled(self):
        session = EndedSessionFactory()
        assert settle_overdue(now=session.ended_at + timedelta(seconds=59)) == 0
        assert settle_overdue(now=session.ended_at + timedelta(seconds=60)) == 1
        session.refresh_from_db()
        assert session.outcome == "billed"
        assert settle_overdue(now=session.ended_at + timedelta(days=1)) == 0


def test_money_paid_in_while_the_session_runs_counts():
    session = EndedSessionFactory(contract_type__wallet=True)
    credit_wallet(
        driver_id=session.driver_id,
        amount=eur("50.00"),
        kind="cash",
        origin="card_top_up",
        reason="",
        idempotency_key="payment:1",
    )
    assert legs_of(settle(session)) == [("wallet_cash", Decimal("10.20"), "paid")]
