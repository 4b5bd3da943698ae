"""Who owes may not start, who is exempt may, and paying lifts the block in the same moment."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from accounts.models import AuditEvent, Contract, Driver
from billing.admission_errors import OpenDebt
from billing.errors import ExemptionOver, ReasonMissing
from billing.models import DebtExemption
from billing.providers.fake import bank
from billing.selectors.debts import debt_standing
from billing.services.admission import Admission, admit
from billing.services.debt_exemptions import end_exemptions, grant_exemption
from billing.services.payments import collect_leg
from common import clock
from tests.billing.payments.world import NOON, owe, save_card, work_off_queue
from tests.billing.sessions.conftest import stand_with
from tests.factories import ContractFactory, ContractTypeFactory, DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


def debtor(amount: str, **debt_policy: object) -> Driver:
    """A driver whose card was declined for `amount` at noon."""
    driver: Driver = DriverFactory()
    ContractFactory(driver=driver, contract_type=ContractTypeFactory(debt_policy=debt_policy))
    save_card(driver, "insufficient_funds")
    collect_leg(leg_id=owe(driver, amount).pk)
    return driver


def start(driver: Driver) -> Admission:
    return admit(driver_id=driver.pk, at=clock.now(), power_class="AC")


def exempt(driver: Driver, until: datetime, **changes: str) -> DebtExemption:
    terms = {"reason": "a new card is on its way", "idempotency_key": "exempt", **changes}
    return grant_exemption(driver_id=driver.pk, until=until, actor_id=None, **terms)


@pytest.mark.parametrize(
    ("policy", "amount", "is_blocked"),
    [
        ({}, "0.50", True),
        ({"block_above": "20.00"}, "20.00", False),
        ({"block_above": "20.00"}, "20.01", True),
        ({"block_above": None}, "900.00", False),
    ],
)
def test_the_contract_types_policy_decides(policy: dict[str, object], amount: str, is_blocked: bool) -> None:
    driver = debtor(amount, **policy)
    if is_blocked:
        with pytest.raises(OpenDebt):
            start(driver)
    else:
        assert start(driver).contract.driver == driver


def test_what_no_card_is_charged_alone_blocks_nobody(ada: Driver) -> None:
    """Not even where it is owed by a wallet that had too little."""
    save_card(ada)
    owe(ada, "0.30", source="debt")
    assert start(ada).contract.driver == ada
    owe(ada, "0.20", source="debt")
    with pytest.raises(OpenDebt):
        start(ada)


def test_paying_lifts_it_at_once() -> None:
    driver = debtor("6.20")
    with pytest.raises(OpenDebt):
        start(driver)
    save_card(driver, "mastercard")
    work_off_queue()
    assert start(driver).contract.driver == driver


class TestExemption:
    def test_it_lets_a_debtor_start_until_its_end(self) -> None:
        with time_machine.travel(NOON, tick=False) as clockwork:
            driver = debtor("6.20")
            first = exempt(driver, NOON + DAY)
            assert exempt(driver, NOON + DAY) == first
            assert start(driver).contract.driver == driver
            standing = debt_standing(driver.pk, Contract.objects.get().contract_type, clock.now())
            assert (standing.debt, standing.exemption, standing.blocks) == (Decimal("6.20"), first, False)
            clockwork.shift(DAY)
            with pytest.raises(OpenDebt):
                start(driver)
        event = AuditEvent.objects.get(action="debt_exemption_granted")
        assert (event.subject_id, event.reason) == (str(driver.pk), "a new card is on its way")
        assert event.data == {"until": "2026-11-21T12:00:00+00:00"}

    def test_ended_early_it_blocks_again(self) -> None:
        driver = debtor("6.20")
        exempt(driver, clock.now() + DAY)
        assert end_exemptions(driver_id=driver.pk, reason="card was saved", actor_id=None) == 1
        assert end_exemptions(driver_id=driver.pk, reason="card was saved", actor_id=None) == 0
        with pytest.raises(OpenDebt):
            start(driver)
        assert AuditEvent.objects.filter(action="debt_exemption_ended").count() == 1

    def test_it_is_one_drivers_alone_and_leaves_the_debt(self) -> None:
        driver, other = debtor("6.20"), debtor("6.20")
        exempt(driver, clock.now() + DAY)
        with pytest.raises(OpenDebt):
            start(other)
        bank.change_card(card_reference=driver.payment_methods.get().provider_reference, test_card="visa")
        payment = collect_leg(leg_id=driver.payments.get().funding_leg_id, is_early=True)
        assert (payment.amount, payment.status) == (Decimal("6.20"), "succeeded")

    def test_without_a_reason_or_for_the_past_nothing_is_granted(self, ada: Driver) -> None:
        with pytest.raises(ReasonMissing):
            exempt(ada, clock.now() + DAY, reason=" ")
        with pytest.raises(ExemptionOver):
            exempt(ada, clock.now() - DAY)
        assert not DebtExemption.objects.exists()


def test_a_running_session_is_never_cut_for_older_debt() -> None:
    with time_machine.travel(datetime.fromisoformat("2026-11-20T12:00Z"), tick=False):
        stand = stand_with()
        card = save_card(stand.contract.driver)
        session_id = stand.start().session_id
        bank.change_card(card_reference=card.provider_reference, test_card="insufficient_funds")
        collect_leg(leg_id=owe(stand.contract.driver, "500.00").pk)
        with pytest.raises(OpenDebt):
            start(stand.contract.driver)
        answer = stand.meter(session_id, 30, "5000")
    assert (answer.stop, answer.warn) == (False, False)
    assert stand.session(session_id).status == "active"
