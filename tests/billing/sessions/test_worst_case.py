"""What a session can cost at most decides whether it starts, how much is set aside for it, and when it is stopped.

Ada stands at an 11 kW connector; its first minute is 184 Wh at most. Prices hold 19 % VAT unless said otherwise.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.admission_errors import NoPaymentMethod
from billing.domain.admission import Exposure, limit_for
from billing.domain.holds import fitted, usable_part
from billing.domain.samples import MeterSample
from billing.errors import InsufficientFunds
from billing.models import ChargingSession, Hold
from billing.selectors.exposure import exposure_of
from billing.selectors.hold_policies import amount_to_hold
from billing.selectors.wallets import available_in_wallet
from billing.services.sessions import request_start
from locations.models import Connector
from tests.billing.sessions.conftest import NOON, Stand, save_card, stand_with
from tests.billing.sessions.test_starting import top_up
from tests.factories import component, element, tariff_document

CENT = Decimal("0.01")
D = Decimal


def gross(*components: dict[str, Any], **extra: Any) -> str:
    return tariff_document(element(*components), tax_included="YES", **extra)


ENERGY = component("ENERGY", "0.50")
PLAIN = gross(ENERGY)
START_FEE = gross(ENERGY, component("FLAT", "2"))


def wallet(document: str, amount: str, **traits: Any) -> Stand:
    stand = stand_with(document, wallet=True, **traits)
    top_up(stand.contract.driver_id, amount)
    return stand


def reserved(stand: Stand) -> tuple[Decimal | None, list[Decimal]]:
    session = stand.session(stand.start().session_id or 0)
    return session.spend_limit, list(Hold.objects.values_list("amount", flat=True))


# --- What is set aside --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usual", "opening", "longest", "limit"),
    [
        ("25", "0.10", "264.00", "25"),
        ("25", "24.99", "264.00", "25"),
        # At its limit a session stops: it is passed by a cent.
        ("25", "25.00", "264.00", "25.01"),
        ("25", "30.00", "264.00", "30.01"),
        ("25", "0.10", "10.00", "10.01"),
        ("25", "0.00", "0.00", "0.01"),
    ],
)
def test_the_usual_amount_is_raised_to_the_first_minute_and_lowered_to_the_longest_stay(
    usual: str, opening: str, longest: str, limit: str
) -> None:
    assert limit_for(D(usual), Exposure(D(opening), D(longest)), CENT) == D(limit)


@pytest.mark.parametrize(
    ("stated", "opening", "longest", "held"),
    [
        ("25", "0.10", "264.00", "25"),
        ("25", "24.49", "264.00", "25"),  # of 25.00 a session may use 24.50
        ("25", "24.50", "264.00", "25.02"),
        ("25", "30.00", "264.00", "30.63"),
        ("25", "0.10", "10.00", "10.22"),
        ("25", "0.00", "0.00", "0.50"),  # the least a card is charged
        ("0.30", "0.00", "0.00", "0.30"),
    ],
)
def test_a_hold_follows_and_keeps_its_buffer(stated: str, opening: str, longest: str, held: str) -> None:
    exposure = Exposure(D(opening), D(longest))
    assert fitted(D(stated), exposure, "EUR", least=D("0.50")) == D(held)
    assert usable_part(D(held), "EUR") >= limit_for(usable_part(D(stated), "EUR"), exposure, CENT)


def test_yen_have_no_cents() -> None:
    assert fitted(D(4000), Exposure(D(10), D(1500)), "JPY", least=D(50)) == D(1532)


@pytest.mark.django_db
class TestExposure:
    def of(self, document: str, **changes: Any) -> Exposure | None:
        session = stand_with(document)
        found = session.session(session.start().session_id or 0)
        for name, value in changes.items():
            setattr(found, name, value)
        return exposure_of(found)

    def test_a_minute_and_two_days_at_the_rated_power(self) -> None:
        # 184 Wh, 11 kW being 183.3 a minute; 528 kWh.
        assert self.of(PLAIN) == Exposure(D("0.09"), D("264.00"))

    def test_fees_blocks_and_the_highest_price_count(self) -> None:
        blocks = gross(component("FLAT", "2"), component("TIME", "6", step_size=3600))
        assert self.of(blocks) == Exposure(D("8.00"), D("290.00"))
        capped = gross(component("FLAT", "2"), ENERGY, max_price={"after_taxes": 12})
        assert self.of(capped) == Exposure(D("2.09"), D("12.00"))

    def test_without_a_price_nothing_is_known(self) -> None:
        assert self.of(PLAIN, tariff_version=None) is None


# --- Wallets ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestWallet:
    def test_one_that_covers_the_first_minute_starts(self) -> None:
        # 2.00 and 184 Wh at 0.50 are 2.09; it takes a cent more, or the session would stop as it starts.
        assert reserved(wallet(START_FEE, "2.10")) == (D("2.10"), [D("2.10")])

    def test_one_that_does_not_is_refused_and_nothing_is_held(self) -> None:
        stand = wallet(START_FEE, "2.09")
        answer = stand.start()
        assert (answer.accepted, answer.code) == (False, "insufficient_funds")
        assert answer.message.replace("\N{NO-BREAK SPACE}", " ") == (
            "A session here needs at least 2.10 € in the wallet when it starts, and there are 2.09 €. Please top it up "
            "first, or choose another charge point."
        )
        assert not Hold.objects.exists()

    def test_a_start_from_the_site_leaves_nothing_behind(self) -> None:
        stand = wallet(START_FEE, "2.09")
        with pytest.raises(InsufficientFunds):
            request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
        assert not ChargingSession.objects.exists()
        assert not Hold.objects.exists()
        top_up(stand.contract.driver_id, "0.01")
        session = request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
        assert (session.spend_limit, Hold.objects.get().amount) == (D("2.10"), D("2.10"))

    def test_more_than_usual_is_reserved_where_the_start_alone_costs_more(self) -> None:
        assert reserved(wallet(gross(component("FLAT", "30")), "100")) == (D("30.01"), [D("30.01")])

    def test_no_more_is_reserved_than_a_session_can_cost(self) -> None:
        stand = wallet(gross(ENERGY, max_price={"after_taxes": 10}), "40")
        assert reserved(stand) == (D("10.01"), [D("10.01")])
        assert available_in_wallet(stand.contract.driver_id, "EUR") == D("29.99")
        # Above the highest price there is nothing to stop for.
        session_id = ChargingSession.objects.get().pk
        answer = stand.meter(session_id, 300, "50000")
        assert (stand.session(session_id).live_gross, answer.stop) == (D("10.00"), False)

    def test_the_power_of_the_connector_counts(self) -> None:
        # 400 kW for a minute: 6.667 kWh, 3.33 at 0.50.
        stand = wallet(PLAIN, "3.33")
        Connector.objects.update(max_power_w=400_000)
        assert stand.start().code == "insufficient_funds"
        top_up(stand.contract.driver_id, "0.01")
        assert stand.start(reported_at=NOON + timedelta(seconds=9)).accepted

    def test_the_smallest_balance_of_the_contract_type_counts_as_well(self) -> None:
        assert wallet(START_FEE, "4.99", min_balance_to_start="5").start().code == "insufficient_funds"

    def test_the_credit_mechanism_without_a_card_is_held_to_the_same(self) -> None:
        stand = stand_with(START_FEE, credit=True)
        with pytest.raises(NoPaymentMethod):
            request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
        top_up(stand.contract.driver_id, "2.09")
        assert stand.start().code == "insufficient_funds"


@pytest.mark.django_db
def test_a_card_on_file_has_no_limit() -> None:
    stand = stand_with(gross(component("FLAT", "30")), credit=True)
    save_card(stand)
    assert stand.session(stand.start().session_id or 0).spend_limit is None


@pytest.mark.django_db
def test_the_hold_on_a_card_is_fitted_to_the_price() -> None:
    stand = stand_with(gross(ENERGY, max_price={"after_taxes": 10}), wallet=True)
    top_up(stand.contract.driver_id, "40")
    assert amount_to_hold(stand.session(stand.start().session_id or 0)) == D("10.22")


# --- While it runs ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestStanding:
    """10 kWh are 5.00; standing costs 0.10 a minute after a quarter of an hour of grace."""

    document = gross(
        ENERGY, component("PARKING_TIME", "6"), voltledger={"idle": {"grace_minutes": 15, "max_amount": 5}}
    )

    def parked(self, amount: str) -> tuple[Stand, int]:
        """Charged for an hour with 11 kW reported, then the vehicle asks for no power any more."""
        stand = wallet(self.document, amount)
        session_id = stand.start().session_id or 0
        measured = {"energy_wh": "11000", "power_w": "11000", "charging": "0"}
        stand.meter(session_id, 60, "10000", samples=[sample(60, name, value) for name, value in measured.items()])
        return stand, session_id

    def test_the_grace_costs_nothing_ahead_either(self) -> None:
        stand, session_id = self.parked("5.05")
        for minutes in (61, 74):
            assert not stand.meter(session_id, minutes, "10000").stop
        # The 16th minute is the first that costs.
        stopped = stand.meter(session_id, 75, "10000")
        assert (stopped.stop, stopped.reason) == (True, "limit_reached")
        assert stand.session(session_id).live_gross == D("5.00")

    def test_the_idle_cap_is_looked_at_ahead(self) -> None:
        stand, session_id = self.parked("10.01")
        assert not stand.meter(session_id, 400, "10000").stop
        assert stand.session(session_id).live_gross == D("10.00")


def sample(minutes: int, measurand: str, value: str) -> MeterSample:
    at = NOON + timedelta(minutes=minutes)
    return MeterSample(at, at, measurand, D(value))
