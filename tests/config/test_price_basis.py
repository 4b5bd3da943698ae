"""What a price was made of, for the driver and the operator: registers, market prices, the month, the hash."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.models import ChargingSession
from billing.services.settlement import settle_session
from config.selectors.price_basis import price_basis
from tests.billing.factories import NOON, EndedSessionFactory, meter
from tests.factories import TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db


def test_registers_market_prices_the_month_and_a_hash_that_comes_out_again(django_assert_num_queries) -> None:
    document = tariff_document(
        element(component("FLAT", "0")),
        voltledger={
            "spot": {"series": "DE-LU", "fallback": Decimal("0.6")},
            "energy_tiers": {"per": "MONTH", "tiers": [{"price": Decimal("0.3"), "up_to_kwh": 20}]},
        },
    )
    hours = {"start": "2025-06-16T11:00:00+00:00", "minutes": 60, "prices": ["0.1", "0.2", "0.3"]}
    session = EndedSessionFactory(
        started_at=NOON,
        tariff_version=TariffVersionFactory(document=document),
        rating_inputs={"spot_prices": [hours], "month_to_date_wh": "12000"},
    )
    cdr = settle_session(session_id=session.pk)
    session = ChargingSession.objects.select_related("charge_point__location", "tariff_version").get(pk=session.pk)

    with django_assert_num_queries(2):  # the connector, whose rating judges the meter, and the meter values
        basis = price_basis(session, cdr)

    assert (basis.register_from_kwh, basis.register_to_kwh) == (1, 16)
    assert [(step.starts_at, step.price) for step in basis.spot_steps] == [
        (datetime(2025, 6, 16, 12, tzinfo=UTC), Decimal("0.2"))
    ]
    assert basis.month_to_date_kwh == 12
    assert (basis.is_reproduced, basis.digest) == (True, cdr.rating_digest)


def test_a_meter_value_that_turned_up_later_is_noticed() -> None:
    document = tariff_document(
        element(component("ENERGY", "0.20"), start_time="00:00", end_time="14:30"), element(component("ENERGY", "0.60"))
    )
    session = EndedSessionFactory(started_at=NOON, tariff_version=TariffVersionFactory(document=document))
    cdr = settle_session(session_id=session.pk)
    session.refresh_from_db()
    assert price_basis(session, cdr).is_reproduced

    meter(session, 30, "3000")

    assert not price_basis(session, cdr).is_reproduced
