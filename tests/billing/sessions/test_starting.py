"""Starts: recorded once, priced at once, refused in words, never lost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from djmoney.money import Money

from accounts.models import Token
from billing.models import ChargingSession, FundingLeg, Hold
from billing.selectors.wallets import available_in_wallet
from billing.services.review import release_from_review
from billing.services.sessions import authorize, request_start
from billing.services.settlement import settle_session
from billing.services.wallets import credit_wallet
from locations.models import Connector
from tariffs.models import TariffAssignment, TariffVersion
from tests.billing.sessions.conftest import NOON, save_card, stand_with
from tests.factories import (
    ConnectorFactory,
    NetworkAssignmentFactory,
    StaffFactory,
    TariffVersionFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db


def test_a_start_freezes_the_price_and_the_vat_of_the_country(stand):
    result = stand.start()
    session = stand.session(result.session_id)
    version = TariffVersion.objects.get()
    assert (result.accepted, session.status, session.channel) == (True, "active", "rfid")
    assert (session.tariff_version, session.tariff_digest) == (version, version.digest)
    assert (session.currency, session.vat_percent, session.spend_limit) == ("EUR", Decimal(19), None)
    assert session.tariff_trace[0]["result"] == "applies"
    assert session.contract == stand.contract


def test_a_later_price_does_not_reach_a_session_that_began(stand):
    session = stand.session(stand.start().session_id)
    before = session.tariff_version
    TariffVersion.objects.create(
        tariff=before.tariff,
        number=2,
        document=before.document,
        digest="2" * 64,
        status="published",
        valid_from=NOON - timedelta(hours=1),
        published_at=NOON,
    )
    stand.meter(session.pk, 5, "500")
    assert stand.session(session.pk).tariff_version == before


@pytest.mark.parametrize("later", [timedelta(0), timedelta(milliseconds=400)])
def test_the_same_start_again_is_the_same_session(stand, later):
    first = stand.start()
    again = stand.start(reported_at=NOON + later, started_at=NOON + timedelta(seconds=3), received_at=NOON + later)
    assert again == first
    assert ChargingSession.objects.count() == 1


def test_the_same_start_again_is_recognised_even_when_it_would_now_be_refused(stand):
    first = stand.start()
    Token.objects.update(status="blocked")
    assert stand.start() == first


def test_an_unknown_card_is_refused_and_the_report_kept(stand):
    result = stand.start(id_tag="04UNKNOWN")
    session = stand.session(result.session_id)
    assert (result.accepted, result.code) == (False, "unknown_token")
    assert (session.driver, session.review_reason) == (None, "unknown_token")
    stand.stop(session.pk, 10, "900")
    assert stand.session(session.pk).outcome == "in_review"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda s: Token.objects.update(status="blocked"), "token_blocked"),
        (lambda s: Token.objects.update(valid_until=NOON), "token_expired"),
        (lambda s: type(s.contract.driver).objects.update(status="blocked"), "driver_blocked"),
        (lambda s: s.contract.driver.payment_methods.update(status="removed", is_default=False), "no_payment_method"),
        (lambda s: type(s.contract).objects.update(ends_at=NOON), "no_contract"),
        (lambda s: type(s.contract.contract_type).objects.update(billing_model="subscription_only"), "no_subscription"),
    ],
)
def test_each_refusal_has_its_code_at_authorise_and_at_start(stand, spoil, code):
    spoil(stand)
    answer = authorize(charge_point_id=stand.connector.charge_point_id, id_tag=stand.token.id_tag, at=NOON)
    assert (answer.accepted, answer.code) == (False, code)
    assert answer.message
    assert stand.start().code == code


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda s: TariffAssignment.objects.all().delete(), "no_tariff"),
        (lambda s: type(s.contract.contract_type).objects.update(currency="CHF"), "tariff_currency_mismatch"),
    ],
)
def test_without_a_price_nothing_starts_for_free(stand, spoil, code):
    spoil(stand)
    result = stand.start()
    assert (result.accepted, result.code) == (False, code)
    assert stand.session(result.session_id).tariff_version is None


def test_authorise_accepts_a_welcome_driver(stand):
    answer = authorize(charge_point_id=stand.connector.charge_point_id, id_tag=stand.token.id_tag.lower(), at=NOON)
    assert (answer.accepted, answer.driver_id) == (True, stand.contract.driver_id)


def test_a_connector_the_network_does_not_know_is_parked(stand):
    result = stand.start(connector_number=9)
    assert (result.accepted, result.code) == (False, "unknown_connector")


def test_a_wallet_start_reserves_the_usual_amount_or_what_there_is():
    stand = stand_with(wallet=True)
    driver_id = stand.contract.driver_id
    top_up(driver_id, "40")
    session = stand.session(stand.start().session_id)
    hold = Hold.objects.get()
    assert (session.spend_limit, hold.amount, hold.status) == (25, 25, "active")
    assert available_in_wallet(driver_id, "EUR") == 15


def test_an_empty_wallet_is_refused_and_nothing_is_held():
    stand = stand_with(wallet=True)
    assert stand.start().code == "insufficient_funds"
    assert not Hold.objects.exists()


def test_the_minimum_balance_of_the_contract_type_counts():
    stand = stand_with(wallet=True, min_balance_to_start="5")
    top_up(stand.contract.driver_id, "4.99")
    assert stand.start().code == "insufficient_funds"
    top_up(stand.contract.driver_id, "0.01")
    assert stand.start(reported_at=NOON + timedelta(seconds=9)).accepted


def test_the_credit_mechanism_starts_without_a_limit_when_a_card_stands_behind():
    stand = stand_with(credit=True)
    save_card(stand)
    top_up(stand.contract.driver_id, "4")
    session = stand.session(stand.start().session_id)
    assert session.spend_limit is None
    assert not Hold.objects.exists()


def test_the_credit_mechanism_without_a_card_goes_as_far_as_the_wallet():
    stand = stand_with(credit=True)
    top_up(stand.contract.driver_id, "4")
    assert stand.session(stand.start().session_id).spend_limit == 4


def test_a_new_start_ends_a_session_that_never_got_its_stop(stand):
    first = stand.start().session_id
    stand.meter(first, 10, "1500")
    second = stand.start(reported_at=NOON + timedelta(hours=2), started_at=NOON + timedelta(hours=2))
    old = stand.session(first)
    assert (old.status, old.outcome, old.review_reason) == ("ended", "in_review", "no_stop_report")
    assert old.ended_at == NOON + timedelta(minutes=10)
    assert stand.session(second.session_id).status == "active"


def test_another_connector_s_session_is_left_alone(stand):
    first = stand.start().session_id
    other = ConnectorFactory(evse__charge_point=stand.connector.charge_point, evse__number=2)
    assert isinstance(other, Connector)
    stand.start(connector_number=2, reported_at=NOON + timedelta(minutes=1))
    assert stand.session(first).status == "active"


def top_up(driver_id: int, amount: str) -> None:
    credit_wallet(
        driver_id=driver_id,
        amount=Money(amount, "EUR"),
        kind="cash",
        origin="operator",
        reason="test",
        idempotency_key=f"top-up:{driver_id}:{amount}",
    )


def test_the_owner_s_card_answers_a_request_made_on_the_phone():
    stand = stand_with(wallet=True)
    top_up(stand.contract.driver_id, "20")
    requested = request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
    result = stand.start()
    assert (result.accepted, result.session_id) == (True, requested.pk)
    assert Hold.objects.count() == 1


def test_unpaid_overrun_of_a_wallet_blocks_the_next_start():
    stand = stand_with(wallet=True)
    top_up(stand.contract.driver_id, "2")
    session_id = stand.start().session_id
    stand.stop(session_id, 60, "10000")
    settle_session(session_id=session_id)
    top_up(stand.contract.driver_id, "30")
    assert FundingLeg.objects.get(source="debt").amount == Decimal("2.76")
    assert stand.start(reported_at=NOON + timedelta(hours=2)).code == "open_debt"


def test_a_card_leg_nobody_can_charge_blocks_the_next_start(stand):
    session_id = stand.start().session_id
    stand.stop(session_id, 60, "10000")
    stand.contract.driver.payment_methods.update(status="removed", is_default=False)
    settle_session(session_id=session_id)
    assert stand.start(reported_at=NOON + timedelta(hours=2)).code == "open_debt"


def test_starts_at_two_connectors_the_network_does_not_know_are_two(stand):
    assert stand.start(connector_number=8).session_id != stand.start(connector_number=9).session_id
    assert stand.start(connector_number=8).session_id == stand.start(connector_number=8).session_id


def test_a_refused_start_released_later_is_billed_at_the_customer_s_own_price(stand):
    version = TariffVersionFactory(document=tariff_document(element(component("ENERGY", "0.10"))))
    NetworkAssignmentFactory(tariff=version.tariff, contract_type=stand.contract.contract_type)
    method = stand.contract.driver.payment_methods.get()
    type(method).objects.update(status="removed", is_default=False)
    session_id = stand.start().session_id
    stand.stop(session_id, 60, "10000")
    otto = StaffFactory()
    release_from_review(session_id=session_id, actor_id=otto.pk, reason="card entered by phone")
    cdr = settle_session(session_id=session_id)
    assert cdr is not None
    assert cdr.gross == Decimal("1.19")
