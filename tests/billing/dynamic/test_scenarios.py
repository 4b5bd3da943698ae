"""Market prices and volume plans through time: authorised, metered live, settled, each with the same figures."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.samples import MeterSample
from billing.models import Cdr, ChargingSession, CostLine
from billing.services import books
from billing.services.rating import rate_session
from billing.services.sessions import record_meter_values, start_session, stop_session
from billing.services.settlement import settle_session
from tariffs.domain.price_file import PricePoint
from tariffs.models import PriceSeries, TariffAssignment
from tariffs.services.price_series import import_prices
from tests.billing.sessions.conftest import Stand, save_card, stand_with
from tests.factories import (
    ConnectorFactory,
    PriceSeriesFactory,
    TariffVersionFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
# 1.1 × value + 0.10, at least 0.12, at most 0.80, else 0.45; before 19 % VAT.
SPOT = {
    "series": "DE-LU", "factor": Decimal("1.1"), "markup": Decimal("0.10"), "floor": Decimal("0.12"),
    "cap": Decimal("0.80"), "fallback": Decimal("0.45"),
}  # fmt: skip
# Up to 100 kWh a month at 0.50, then 0.40.
TIERS = {"per": "MONTH", "tiers": [{"up_to_kwh": 100, "price": Decimal("0.50")}, {"price": Decimal("0.40")}]}


def priced_by(**extensions: Any) -> str:
    return tariff_document(element(component("ENERGY", "0.49")), voltledger=extensions)


def stand_by(**extensions: Any) -> Stand:
    stand = stand_with(priced_by(**extensions))
    save_card(stand)
    return stand


def bring_in(series: PriceSeries, start_at: datetime, *prices: str | None) -> None:
    rows = [
        PricePoint(start_at + index * HOUR, Decimal(price)) for index, price in enumerate(prices) if price is not None
    ]
    import_prices(series_id=series.pk, rows=rows, source="test", actor_id=None)


@dataclass
class Visit:
    """One session at a stand, told hour by hour."""

    stand: Stand
    started_at: datetime
    session_id: int = 0
    used_wh: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        result = self.stand.start(started_at=self.started_at, reported_at=self.started_at, received_at=self.started_at)
        assert result.accepted, result.code
        self.session_id = result.session_id or 0

    @property
    def session(self) -> ChargingSession:
        return ChargingSession.objects.get(pk=self.session_id)

    def charge(self, *kwh: int) -> None:
        """So many kWh in each hour that follows, one meter value at its end."""
        for hour, energy in enumerate(kwh, 1):
            self.used_wh += energy * 1000
            at = self.started_at + hour * HOUR
            record_meter_values(
                charge_point_id=self.stand.connector.charge_point_id,
                session_id=self.session_id,
                connector_number=1,
                samples=[MeterSample(at, at, "energy_wh", 1000 + self.used_wh)],
                received_at=at,
            )

    def end(self, hours: int) -> Cdr:
        at = self.started_at + hours * HOUR
        stop_session(
            charge_point_id=self.stand.connector.charge_point_id,
            session_id=self.session_id,
            meter_stop_wh=1000 + self.used_wh,
            stopped_at=at,
            reported_at=at,
            received_at=at,
        )
        live = rate_session(self.session)
        cdr = settle_session(session_id=self.session_id)
        assert cdr is not None
        assert cdr.rating_digest == live.digest
        return cdr


def lines_of(cdr: Cdr) -> list[tuple[Decimal, Decimal, str]]:
    """(kWh, price, why) per line."""
    return [
        (line.quantity, line.unit_price, line.explanation["matched"][0]["words"])
        for line in CostLine.objects.filter(cdr=cdr).order_by("seq")
    ]


MIDDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_each_hour_has_its_market_price():
    bring_in(PriceSeriesFactory(), MIDDAY, "0.20", "-0.05", "0.90")
    visit = Visit(stand_by(spot=SPOT), MIDDAY)
    visit.charge(10, 10, 10)
    cdr = visit.end(3)
    assert lines_of(cdr) == [
        (10, Decimal("0.32"), "DE-LU 0.2 × 1.1 + 0.1"),
        (10, Decimal("0.12"), "DE-LU -0.05 × 1.1 + 0.1, at least 0.12"),
        (10, Decimal("0.80"), "DE-LU 0.9 × 1.1 + 0.1, at most 0.8"),
    ]
    # 3.20 + 1.20 + 8.00 and 19 %
    assert (cdr.net, cdr.gross) == (Decimal("12.40"), Decimal("14.76"))
    assert visit.session.live_gross == Decimal("14.76")
    books.assert_books()


def test_prices_that_change_while_it_runs_are_for_the_next_session():
    series = PriceSeriesFactory()
    bring_in(series, MIDDAY, "0.20", "0.20")
    stand = stand_by(spot=SPOT)
    visit = Visit(stand, MIDDAY)
    visit.charge(10)
    before = visit.session.live_gross
    bring_in(series, MIDDAY, "0.70", "0.70", "0.70")
    visit.charge()
    record_meter_values(
        charge_point_id=stand.connector.charge_point_id,
        session_id=visit.session_id,
        connector_number=1,
        samples=[MeterSample(MIDDAY + HOUR, MIDDAY + HOUR, "energy_wh", Decimal(11_000))],
        received_at=MIDDAY + HOUR,
    )
    assert visit.session.live_gross == before == Decimal("3.81")
    cdr = visit.end(1)
    assert cdr.net == Decimal("3.20")
    following = Visit(stand, MIDDAY + 2 * HOUR)
    following.charge(10)
    # 0.70 × 1.1 + 0.10 = 0.87, capped
    assert following.end(1).net == Decimal("8.00")


def test_a_gap_is_the_fallback_and_the_line_says_so():
    bring_in(PriceSeriesFactory(), MIDDAY, "0.20", None, "0.30")
    visit = Visit(stand_by(spot=SPOT), MIDDAY)
    visit.charge(10, 10, 10)
    cdr = visit.end(3)
    assert lines_of(cdr) == [
        (10, Decimal("0.32"), "DE-LU 0.2 × 1.1 + 0.1"),
        (10, Decimal("0.45"), "DE-LU has no price from 2026-11-20 14:00 until 2026-11-20 15:00: fallback"),
        (10, Decimal("0.43"), "DE-LU 0.3 × 1.1 + 0.1"),
    ]
    assert cdr.net == Decimal("12.00")


def test_prices_that_arrive_after_the_start_do_not_fill_its_gap():
    series = PriceSeriesFactory()
    bring_in(series, MIDDAY, "0.20")
    visit = Visit(stand_by(spot=SPOT), MIDDAY)
    bring_in(series, MIDDAY + HOUR, "0.01")
    visit.charge(10, 10)
    assert [price for _kwh, price, _why in lines_of(visit.end(2))] == [Decimal("0.32"), Decimal("0.45")]


def test_a_day_of_25_hours_has_25_prices():
    midnight = datetime(2026, 10, 24, 22, tzinfo=UTC)  # 00:00 in Berlin
    bring_in(PriceSeriesFactory(), midnight, *[f"0.{10 + hour}" for hour in range(25)])
    visit = Visit(stand_by(spot=SPOT), midnight)
    visit.charge(*[1] * 25)
    cdr = visit.end(25)
    lines = lines_of(cdr)
    assert len(lines) == 25
    # 02:00 comes twice, at 0.12 and at 0.13: 1.1 × value + 0.10
    assert [price for _kwh, price, _why in lines[2:4]] == [Decimal("0.232"), Decimal("0.243")]
    # 1.1 × (0.10 + … + 0.34) + 25 × 0.10 = 1.1 × 5.50 + 2.50
    assert cdr.net == Decimal("8.55")


def test_a_charge_point_of_its_own_rates_during_the_day():
    """Different rates at one station: an assignment at its scope; a series at its scope goes before the region's."""
    stand = stand_by(spot=SPOT)
    bring_in(PriceSeriesFactory(), MIDDAY, "0.20")
    own = TariffVersionFactory(
        document=tariff_document(
            element(component("ENERGY", "0.30"), start_time="13:00", end_time="14:00"),
            element(component("ENERGY", "0.60")),
        )
    )
    elsewhere = ConnectorFactory(evse__charge_point__location=stand.connector.charge_point.location)
    TariffAssignment.objects.create(
        tariff=own.tariff, scope="charge_point", charge_point=stand.connector.charge_point, valid_from=MIDDAY - HOUR
    )
    visit = Visit(stand, MIDDAY)
    visit.charge(10, 10)
    # 13:00 to 14:00 and 14:00 to 15:00 in Berlin
    assert [price for _kwh, price, _why in _prices(visit.end(2))] == [Decimal("0.30"), Decimal("0.60")]
    bring_in(PriceSeriesFactory(charge_point=elsewhere.charge_point), MIDDAY, "0.10")
    other = Visit(Stand(elsewhere, stand.token, stand.contract), MIDDAY)
    other.charge(10)
    assert other.end(1).net == Decimal("2.10")


def _prices(cdr: Cdr) -> list[tuple[Decimal, Decimal, str]]:
    lines = CostLine.objects.filter(cdr=cdr).order_by("seq")
    return [(line.quantity, line.unit_price, line.kind) for line in lines]


class TestVolumePlan:
    def test_two_sessions_in_a_row_cross_a_tier(self):
        stand = stand_by(energy_tiers=TIERS)
        first = Visit(stand, MIDDAY)
        first.charge(11, 11, 11, 11, 11, 11, 11)
        assert first.end(7).net == Decimal("38.50")
        second = Visit(stand, MIDDAY + 8 * HOUR)
        assert second.session.rating_inputs == {"month_to_date_wh": "77000"}
        second.charge(10, 10, 10)
        cdr = second.end(3)
        # 23 kWh are left of the first hundred: 11.50, then 7 × 0.40
        assert [(kwh, price) for kwh, price, _why in lines_of(cdr)] == [
            (23, Decimal("0.50")),
            (7, Decimal("0.40")),
        ]
        assert cdr.net == Decimal("14.30")
        books.assert_books()

    def test_the_month_begins_at_local_midnight(self):
        stand = stand_by(energy_tiers=TIERS)
        late = Visit(stand, datetime(2026, 11, 30, 12, tzinfo=UTC))
        late.charge(*[11] * 10)
        # 100 × 0.50 + 10 × 0.40
        assert late.end(10).net == Decimal("54.00")
        still = Visit(stand, datetime(2026, 11, 30, 22, 30, tzinfo=UTC))
        still.charge(10, 10)
        # Began at 23:30 in November, and ends in December.
        assert still.end(2).net == Decimal("8.00")
        december = Visit(stand, datetime(2026, 12, 1, 0, 45, tzinfo=UTC))
        december.charge(10)
        assert december.end(1).net == Decimal("5.00")

    def test_what_another_session_uses_meanwhile_changes_nothing(self):
        stand = stand_by(energy_tiers=TIERS)
        second_plug = ConnectorFactory(evse__charge_point=stand.connector.charge_point, evse__number=2)
        visit = Visit(stand, MIDDAY)
        start = start_session(
            charge_point_id=second_plug.charge_point_id,
            connector_number=2,
            id_tag=stand.token.id_tag,
            meter_start_wh=Decimal(0),
            started_at=MIDDAY + HOUR,
            reported_at=MIDDAY + HOUR,
            received_at=MIDDAY + HOUR,
        )
        assert start.session_id is not None
        visit.charge(10, 10)
        assert visit.session.rating_inputs == {"month_to_date_wh": "0"}
        assert visit.end(2).net == Decimal("10.00")
