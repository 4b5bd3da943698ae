"""Reserved money: placed once, resolved once, and never spent by anybody else meanwhile."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from billing.domain.postings import system
from billing.errors import CurrencyMismatch, InsufficientFunds
from billing.models import ChargingSession, Hold, LedgerTransaction
from billing.selectors.wallets import available_in_wallet, wallet_of
from billing.services.admission import admit
from billing.services.holds import capture_hold, expire_holds, place_hold, release_hold, release_session_holds
from billing.services.lots import expire_lots
from billing.services.wallets import adjust_wallet
from common import clock
from common.errors import BadInput, IdempotencyConflict, InvalidTransition
from common.money import Money
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet

pytestmark = pytest.mark.django_db

FEES = system("revenue_fees", "EUR")


@pytest.fixture
def session():
    """Ada is charging; her wallet holds 30.00."""
    session = EndedSessionFactory(contract_type__wallet=True, status="active", stopped_at=None, ended_at=None)
    fill_wallet(session.driver, "30.00")
    return session


def place(session, amount="25.00", key="hold:1", **extra):
    return place_hold(
        **{
            "driver_id": session.driver_id,
            "session_id": session.pk,
            "amount": eur(amount),
            "expires_at": clock.now() + timedelta(days=2),
            "idempotency_key": key,
            **extra,
        }
    )


def become(session, **state):
    ChargingSession.objects.filter(pk=session.pk).update(**state)


def figures(session):
    view = wallet_of(session.driver_id)
    return view.balance, view.reserved, view.available


class TestPlacing:
    def test_reserved_money_is_still_there_but_not_available(self, session):
        place(session)
        assert figures(session) == (eur("30.00"), eur("25.00"), eur("5.00"))
        with pytest.raises(InsufficientFunds):
            adjust_wallet(driver_id=session.driver_id, amount=eur("5.01"), reason="r", idempotency_key="a")

    def test_more_than_is_available_is_refused_and_changes_nothing(self, session):
        place(session)
        with pytest.raises(InsufficientFunds):
            place(session, "5.01", key="hold:2")
        assert figures(session) == (eur("30.00"), eur("25.00"), eur("5.00"))
        assert Hold.objects.count() == 1

    def test_the_same_key_with_the_same_terms_is_the_same_hold(self, session):
        assert place(session) == place(session)
        assert figures(session)[1] == eur("25.00")

    @pytest.mark.parametrize("other", [{"amount": "24.00"}, {"session_id": 0}])
    def test_the_same_key_with_other_terms_is_refused(self, session, other):
        place(session)
        with pytest.raises(IdempotencyConflict):
            place(session, **other)
        assert figures(session)[1] == eur("25.00")

    @pytest.mark.parametrize("amount", ["0.00", "-1.00", "0.001"])
    def test_only_whole_cents_above_zero(self, session, amount):
        with pytest.raises(BadInput):
            place(session, amount)

    def test_a_driver_without_a_wallet_has_nothing_to_reserve(self):
        with pytest.raises(InsufficientFunds):
            place(EndedSessionFactory(), "0.01")


class TestResolving:
    def test_released_it_is_available_again(self, session):
        hold = place(session)
        assert release_hold(hold_id=hold.pk).status == Hold.Status.RELEASED
        assert release_hold(hold_id=hold.pk).status == Hold.Status.RELEASED
        assert figures(session) == (eur("30.00"), eur("0"), eur("30.00"))

    def test_captured_in_part_the_rest_is_free(self, session):
        hold = place(session)
        captured = capture_hold(hold_id=hold.pk, amount=eur("10.20"), credit_to=FEES, idempotency_key="capture:1")
        assert (captured.status, captured.captured_amount) == (Hold.Status.CAPTURED, Decimal("10.20"))
        assert figures(session) == (eur("19.80"), eur("0"), eur("19.80"))
        capture_hold(hold_id=hold.pk, amount=eur("10.20"), credit_to=FEES, idempotency_key="capture:1")
        assert figures(session)[0] == eur("19.80")
        assert LedgerTransaction.objects.filter(event="hold_captured").count() == 1

    def test_it_is_captured_once_and_within_what_was_held(self, session):
        hold = place(session)
        with pytest.raises(BadInput):
            capture_hold(hold_id=hold.pk, amount=eur("25.01"), credit_to=FEES, idempotency_key="capture:1")
        with pytest.raises(CurrencyMismatch):
            capture_hold(hold_id=hold.pk, amount=Money(Decimal(1), "CHF"), credit_to=FEES, idempotency_key="capture:1")
        capture_hold(hold_id=hold.pk, amount=eur("25.00"), credit_to=FEES, idempotency_key="capture:1")
        with pytest.raises(InvalidTransition):
            capture_hold(hold_id=hold.pk, amount=eur("1.00"), credit_to=FEES, idempotency_key="capture:2")
        with pytest.raises(InvalidTransition):
            release_hold(hold_id=hold.pk)
        assert figures(session) == (eur("5.00"), eur("0"), eur("5.00"))

    def test_a_session_that_came_to_nothing_frees_all_its_holds(self, session):
        place(session, "10.00", key="hold:1")
        place(session, "5.00", key="hold:2")
        assert release_session_holds(session_id=session.pk) == 2
        assert release_session_holds(session_id=session.pk) == 0
        assert figures(session)[1] == eur("0")

    def test_past_its_deadline_it_expires(self, session):
        hold = place(session)
        become(session, status="ended", outcome="discarded", ended_at=clock.now())
        assert expire_holds(now=hold.expires_at - timedelta(seconds=1)) == 0
        assert expire_holds(now=hold.expires_at) == 1
        hold.refresh_from_db()
        assert (hold.status, hold.resolved_at is not None) == (Hold.Status.EXPIRED, True)
        assert figures(session)[1] == eur("0")
        with pytest.raises(InvalidTransition):
            capture_hold(hold_id=hold.pk, amount=eur("1.00"), credit_to=FEES, idempotency_key="capture:1")

    @pytest.mark.parametrize(
        "state",
        [
            {"status": "requested", "started_at": None},
            {"status": "active"},
            {"status": "finishing"},
            {"status": "ended", "ended_at": NOON},
            {"status": "ended", "ended_at": NOON, "outcome": "in_review", "review_reason": "no_tariff"},
        ],
        ids=lambda state: f"{state['status']}-{state.get('outcome', 'pending')}",
    )
    def test_the_hold_of_a_session_still_to_be_decided_outlives_its_deadline(self, session, state):
        hold = place(session)
        become(session, **state)
        assert expire_holds(now=hold.expires_at + timedelta(days=30)) == 0
        assert figures(session) == (eur("30.00"), eur("25.00"), eur("5.00"))

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE billing_hold SET amount = 1",
            "UPDATE billing_hold SET captured_amount = amount + 1",
            "UPDATE billing_hold SET status = 'active', resolved_at = NULL",
            "DELETE FROM billing_hold",
        ],
    )
    def test_the_database_keeps_its_terms_and_its_end(self, session, sql):
        release_hold(hold_id=place(session).pk)
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


class TestPromotionsThatExpireMeanwhile:
    def test_past_its_date_it_cannot_be_reserved(self, session):
        now = clock.now()
        fill_wallet(session.driver, "5.00", kind="promo", expires_at=now)
        assert available_in_wallet(session.driver_id, "EUR", now - timedelta(seconds=1)) == Decimal("35.00")
        assert available_in_wallet(session.driver_id, "EUR", now) == Decimal("30.00")
        assert figures(session) == (eur("35.00"), eur("0"), eur("30.00"))
        with pytest.raises(InsufficientFunds):
            place(session, "30.01")
        assert place(session, "30.01", key="hold:2", at=now - timedelta(seconds=1)).amount == Decimal("30.01")

    def test_a_wallet_of_nothing_but_expired_promotions_is_refused(self):
        ada = EndedSessionFactory(contract_type__wallet=True)
        fill_wallet(ada.driver, "5.00", kind="promo", expires_at=clock.now())
        assert available_in_wallet(ada.driver_id, "EUR") == 0
        with pytest.raises(InsufficientFunds):
            place(ada, "0.01")
        with pytest.raises(InsufficientFunds):
            admit(driver_id=ada.driver_id, at=clock.now(), power_class="AC")
        assert not Hold.objects.exists()

    def test_a_promotion_waits_for_the_session_that_may_draw_it(self, session):
        now = clock.now()
        fill_wallet(session.driver, "5.00", kind="promo", expires_at=now)
        assert expire_lots(now=now + timedelta(days=1)) == 0
        type(session).objects.filter(pk=session.pk).update(status="ended", outcome="billed", ended_at=now)
        assert expire_lots(now=now + timedelta(days=1)) == 1
        assert figures(session)[0] == eur("30.00")
