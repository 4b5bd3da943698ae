"""What is frozen into a session: the market prices of its place, and the driver's month before it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import Contract
from billing.models import ChargingSession
from billing.selectors.rating_inputs import month_to_date_wh, resolve_inputs
from locations.models import ChargePoint, Region
from tariffs.domain.compiled import CompiledTariff, compile_document
from tariffs.models import PriceSeries, PriceSeriesValue
from tests.billing.factories import EndedSessionFactory
from tests.factories import ChargePointFactory, ContractFactory, DriverFactory, component, element, tariff_document

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def tariff(**extensions: object) -> CompiledTariff:
    extra = {"voltledger": extensions} if extensions else {}
    return compile_document(tariff_document(element(component("TIME", "1.20")), **extra), BERLIN)


def spot_tariff() -> CompiledTariff:
    return tariff(spot={"series": "DE-LU", "fallback": Decimal("0.45")})


def series(price: str, *, minutes: int = 60, steps: int = 1, **fields: object) -> PriceSeries:
    """DE-LU at `price` from noon on, for as many steps."""
    made = PriceSeries.objects.create(
        **{"code": "DE-LU", "name": "Day ahead", "currency": "EUR", "step_minutes": minutes, "time_zone": BERLIN}
        | fields
    )
    PriceSeriesValue.objects.bulk_create(
        PriceSeriesValue(series=made, start_at=NOON + index * timedelta(minutes=minutes), price=Decimal(price))
        for index in range(steps)
    )
    return made


@pytest.fixture
def charge_point(db) -> ChargePoint:
    return ChargePoint.objects.select_related("location").get(pk=ChargePointFactory().pk)


class TestMarketPrices:
    def frozen(self, charge_point, at=NOON):
        return resolve_inputs(tariff=spot_tariff(), driver_id=None, charge_point=charge_point, at=at).spot_prices

    def test_other_tariffs_ask_nothing(self, charge_point, django_assert_num_queries):
        with django_assert_num_queries(0):
            frozen = resolve_inputs(tariff=tariff(), driver_id=1, charge_point=charge_point, at=NOON)
        assert frozen.to_json() == {}

    def test_one_query_whatever_the_number_of_steps(self, charge_point, django_assert_num_queries):
        series("0.20", minutes=15, steps=100)
        with django_assert_num_queries(1):
            assert len(self.frozen(charge_point)) == 100

    def test_the_step_that_runs_and_two_days_of_it(self, charge_point):
        series("0.20", steps=60)
        frozen = self.frozen(charge_point, at=NOON + timedelta(minutes=59))
        assert frozen[0].start_at == NOON
        assert frozen[-1].start_at == NOON + timedelta(hours=48)

    def test_a_clock_slightly_ahead_of_the_station_s_keeps_the_step_before(self, charge_point):
        series("0.20", steps=3)
        assert self.frozen(charge_point, at=NOON + timedelta(hours=1))[0].start_at == NOON

    def test_the_most_specific_series_of_a_code_applies(self, charge_point):
        everywhere = series("0.20")
        assert self.frozen(charge_point)[0].price == Decimal("0.20")
        series("0.21", region=charge_point.location.region)
        assert self.frozen(charge_point)[0].price == Decimal("0.21")
        series("0.22", charge_point=charge_point)
        assert self.frozen(charge_point)[0].price == Decimal("0.22")
        elsewhere = ChargePointFactory(
            location__region=Region.objects.create(code="wien", name="Wien", country="AT"), location__country="AT"
        )
        assert self.frozen(elsewhere)[0].price == Decimal("0.20")
        assert resolve_inputs(tariff=spot_tariff(), driver_id=None, charge_point=None, at=NOON).spot_prices[
            0
        ].price == Decimal("0.20")
        assert everywhere.values.count() == 1

    def test_a_gap_is_not_filled_from_another_series(self, charge_point):
        series("0.20", steps=4)
        series("0.22", charge_point=charge_point, steps=1)
        assert len(self.frozen(charge_point)) == 1

    def test_a_series_in_another_currency_is_not_meant(self, charge_point):
        series("0.20", currency="CHF")
        assert self.frozen(charge_point) == ()

    @pytest.mark.parametrize("place", ["nowhere", "region", "charge_point"])
    def test_one_series_per_code_and_place(self, charge_point, place):
        where = {"nowhere": {}, "region": {"region": charge_point.location.region}}.get(
            place, {"charge_point": charge_point}
        )
        series("0.20", **where)
        with pytest.raises(IntegrityError), transaction.atomic():
            series("0.20", **where)


class TestMonthToDate:
    def ended(self, driver, started_at, used_wh=10_000, **fields):
        contract = Contract.objects.filter(driver=driver).first() or ContractFactory(driver=driver)
        return EndedSessionFactory(contract=contract, started_at=started_at, used_wh=used_wh, **fields)

    def test_the_local_month_decides(self, db):
        driver = DriverFactory()
        # Both are November in UTC; in Berlin the second began on 1 December.
        self.ended(driver, datetime(2026, 11, 30, 22, 59, tzinfo=UTC), 7_000)
        self.ended(driver, datetime(2026, 11, 30, 23, 0, tzinfo=UTC), 9_000)
        noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
        assert month_to_date_wh(driver_id=driver.pk, at=noon, time_zone=BERLIN) == 9_000
        assert month_to_date_wh(driver_id=driver.pk, at=noon, time_zone="UTC") == 0
        november = datetime(2026, 11, 30, 23, tzinfo=UTC) - timedelta(seconds=1)
        assert month_to_date_wh(driver_id=driver.pk, at=november, time_zone=BERLIN) == 7_000

    def test_sessions_that_run_count_with_what_they_have_used(self, db, django_assert_num_queries):
        driver = DriverFactory()
        self.ended(driver, NOON - timedelta(hours=5), 10_000)
        self.ended(driver, NOON - timedelta(hours=1), 2_500, status="active", ended_at=None, stopped_at=None)
        with django_assert_num_queries(1):
            assert month_to_date_wh(driver_id=driver.pk, at=NOON, time_zone=BERLIN) == 12_500

    def test_what_others_used_what_came_later_and_what_was_discarded_does_not_count(self, db):
        driver = DriverFactory()
        self.ended(DriverFactory(), NOON - timedelta(hours=5))
        self.ended(driver, NOON)
        self.ended(driver, NOON - timedelta(hours=3), outcome="discarded")
        assert month_to_date_wh(driver_id=driver.pk, at=NOON, time_zone=BERLIN) == 0
        assert month_to_date_wh(driver_id=None, at=NOON, time_zone=BERLIN) == 0


class TestFrozen:
    def test_a_session_keeps_what_it_was_authorised_with(self, db):
        session = EndedSessionFactory(rating_inputs={"month_to_date_wh": "500"})
        sessions = ChargingSession.objects.filter(pk=session.pk)
        with pytest.raises(DatabaseError), transaction.atomic():
            sessions.update(rating_inputs={"month_to_date_wh": "0"})
        assert sessions.get().rating_inputs == {"month_to_date_wh": "500"}
        session.save()

    def test_a_session_given_to_its_customer_gets_theirs(self, db):
        session = EndedSessionFactory()
        contract = session.contract
        session.contract = None
        session.save()
        session.contract, session.rating_inputs = contract, {"month_to_date_wh": "500"}
        session.save()
        session.refresh_from_db()
        assert session.rating_inputs == {"month_to_date_wh": "500"}
