"""Past sessions under a tariff that needs what was not frozen with them: market prices, the month's energy."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import ChargingSession
from billing.selectors.rating_inputs import resolve_inputs
from billing.services.repricing import Selection, reprice
from billing.services.settlement import settle_session
from tariffs.domain.compiled import compile_document
from tariffs.models import PriceSeries, PriceSeriesValue
from tests.billing.factories import NOON, EndedSessionFactory
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


def spot(code: str = "DE-LU", **terms: object) -> str:
    """The market price and ten cents, before tax; the fallback is a euro."""
    formula = {"series": code, "factor": 1, "markup": Decimal("0.10"), "fallback": 1, **terms}
    return tariff_document(element(component("TIME", "0")), voltledger={"spot": formula})


def monthly() -> str:
    tiers = [{"up_to_kwh": 20, "price": Decimal("0.50")}, {"price": Decimal("0.40")}]
    return tariff_document(
        element(component("TIME", "0")), voltledger={"energy_tiers": {"per": "MONTH", "tiers": tiers}}
    )


def prices(*values: str, **fields: object) -> PriceSeries:
    series = PriceSeriesFactory(**fields)
    for hour, price in enumerate(values):
        PriceSeriesValue.objects.create(series=series, start_at=NOON + hour * HOUR, price=Decimal(price))
    return series


def billed(**terms: object) -> ChargingSession:
    session = EndedSessionFactory(**terms)
    assert settle_session(session_id=session.pk) is not None
    return session


def nets(document: str, chunk_size: int = 200) -> list[Decimal]:
    found = reprice(selection=Selection(), document=document, chunk_size=chunk_size)
    return [one.payable.net for one in found]


def test_market_prices_of_its_start_are_found():
    prices("0.20", "0.40")
    billed(started_at=NOON, minutes=120, used_wh=20_000)
    # 10 kWh x 0.30 and 10 kWh x 0.50.
    assert nets(spot()) == [Decimal("8.00")]


def test_the_series_of_the_place_answers_for_each_session():
    here, there = billed(started_at=NOON), billed(started_at=NOON)
    prices("0.20")
    prices("0.30", charge_point=there.charge_point)
    # 15 kWh x 0.30, 15 kWh x 0.40.
    assert nets(spot()) == [Decimal("4.50"), Decimal("6.00")]
    prices("0.40", region=here.charge_point.location.region)
    assert nets(spot()) == [Decimal("7.50"), Decimal("6.00")]


def test_hours_without_a_price_and_a_series_nobody_has_cost_the_fallback():
    prices("0.20")
    billed(started_at=NOON, minutes=120, used_wh=20_000)
    assert nets(spot()) == [Decimal("13.00")]
    assert nets(spot("NL")) == [Decimal("20.00")]


def test_what_was_frozen_with_the_session_stays():
    series = prices("0.20")
    point = ConnectorFactory()
    frozen = resolve_inputs(
        tariff=compile_document(spot(), "Europe/Berlin"), driver_id=None, charge_point=point.charge_point, at=NOON
    )
    billed(
        started_at=NOON,
        connector=point,
        tariff_version=TariffVersionFactory(document=spot()),
        rating_inputs=frozen.to_json(),
    )
    PriceSeriesValue.objects.filter(series=series).update(price=Decimal("0.90"))
    prices("0.50", code="NL")
    # 15 kWh x (0.20 + 0.20): the price it was authorised with. Another series is looked up.
    assert nets(spot(markup=Decimal("0.20"))) == [Decimal("6.00")]
    assert nets(spot("NL")) == [Decimal("9.00")]
    (again,) = reprice(selection=Selection())
    assert (again.payable.net, again.difference) == (Decimal("4.50"), Decimal(0))


def test_the_month_counts_on_from_session_to_session():
    first = billed(started_at=NOON)
    second = billed(started_at=NOON + 3 * HOUR, contract=first.contract)
    EndedSessionFactory(
        started_at=NOON + 4 * HOUR, contract=first.contract, outcome="discarded", status="ended", used_wh=50_000
    )
    # The month began at 22:00 UTC the evening before the first; this one is of May.
    billed(started_at=NOON.replace(day=1, hour=0) - 3 * HOUR, contract=first.contract)
    third = billed(started_at=NOON + 5 * HOUR, contract=first.contract)
    somebody_else = billed(started_at=NOON + 6 * HOUR)
    found = {one.past.session_id: one.payable.net for one in reprice(selection=Selection(), document=monthly())}
    assert [found[session.pk] for session in (first, second, third, somebody_else)] == [
        Decimal("7.50"),  # 15 x 0.50
        Decimal("6.50"),  # 5 x 0.50 + 10 x 0.40
        Decimal("6.00"),  # 15 x 0.40
        Decimal("7.50"),
    ]


@pytest.mark.parametrize("chunk_size", [1, 2, 200])
def test_the_size_of_a_chunk_changes_nothing(chunk_size):
    prices("0.20", "0.40")
    first = billed(started_at=NOON)
    billed(started_at=NOON + HOUR, contract=first.contract)
    assert nets(spot(), chunk_size=chunk_size) == [Decimal("4.50"), Decimal("7.50")]
    assert nets(monthly(), chunk_size=chunk_size) == [Decimal("7.50"), Decimal("6.50")]


@pytest.mark.parametrize(("document", "more"), [(spot(), 2), (monthly(), 1)])
def test_so_many_queries_a_chunk_however_many_sessions(document, more):
    prices("0.20")
    for _ in range(5):
        billed()
    with CaptureQueriesContext(connection) as queries:
        assert len(nets(document, chunk_size=5)) == 5
    assert len(queries) == 4 + more + 1
