"""The price a person reads before charging: gross, complete, and the same whoever counts the queries."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.utils import translation

from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import PriceSeries, PriceSeriesValue, TariffAssignment
from tariffs.selectors.price_card import PriceCard, price_card, price_cards
from tariffs.selectors.price_rows import SpotNow
from tests.factories import (
    LONG_AGO,
    ConnectorFactory,
    EvseFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)


def card(*elements: dict, vat: str = "19", **extra: object) -> PriceCard:
    return price_card(parse_tariff_text(tariff_document(*elements, **extra)), Decimal(vat), tariff_version_id=1)


def prices(found: PriceCard) -> list[tuple[str, str, str]]:
    return [(row.label, row.price, row.when) for row in found.rows]


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ([element(component("ENERGY", "0.40"))], "0.476 €/kWh"),
        ([element(component("ENERGY", "0.40", vat="7"))], "0.428 €/kWh"),
        ([element(component("ENERGY", "0.50"), component("FLAT", "1"))], "0.595 €/kWh, plus 1.19 € per session"),
        ([element(component("TIME", "6"))], "0.119 €/min while charging"),
        # 5.00 an hour, net, is no whole number of hundredths of a cent a minute.
        ([element(component("TIME", "5"))], "5.95 €/h while charging"),
        (
            [element(component("ENERGY", "0.40")), element(component("PARKING_TIME", "6"), min_duration=14_400)],
            "0.476 €/kWh, plus 0.119 €/min once charging has ended (after 4 h)",
        ),
        (
            [
                element(component("ENERGY", "0.20"), start_time="22:00", end_time="06:00"),
                element(component("ENERGY", "0.40")),
            ],
            "0.238 €/kWh to 0.476 €/kWh depending on the moment",
        ),
        ([element(component("ENERGY", "0"))], "Charging is free here."),
    ],
)
def test_the_sentence_is_gross_and_complete(elements: list[dict], sentence: str) -> None:
    assert plain(card(*elements).sentence) == sentence


def test_every_condition_has_its_row_and_the_rest_of_the_time_is_said() -> None:
    found = card(
        element(component("ENERGY", "0.20"), day_of_week=["SATURDAY", "SUNDAY"], start_time="22:00", end_time="06:00"),
        element(component("ENERGY", "0.40"), max_kwh=Decimal(20)),
        element(component("TIME", "6", step_size=900), min_duration=3_600),
    )

    assert [tuple(map(plain, row)) for row in prices(found)] == [
        ("Energy", "0.238 €/kWh", "Saturday and Sunday, 22:00 to 06:00"),
        ("Energy", "0.476 €/kWh", "below 20 kWh"),
        ("Energy", "free", "at all other times"),
        ("Time while charging", "0.119 €/min", "after 1 h"),
        ("Time while charging", "free", "at all other times"),
    ]
    assert found.rows[3].steps == "counted in steps of 15 min"


def test_an_element_that_can_never_be_reached_is_not_shown() -> None:
    found = card(element(component("ENERGY", "0.40")), element(component("ENERGY", "0.90")))
    assert [row.gross for row in found.rows] == [Decimal("0.476")]


def test_limits_are_gross_whichever_side_the_tariff_states() -> None:
    stated = card(
        element(component("ENERGY", "0.40")), max_price={"excl_vat": Decimal(10), "incl_vat": Decimal("11.9")}
    )
    net_only = card(element(component("ENERGY", "0.40")), min_price={"excl_vat": Decimal(1)})

    assert list(map(plain, stated.limits)) == ["at most 11.90 €"]
    assert list(map(plain, net_only.limits)) == ["at least 1.19 €"]
    assert plain(stated.sentence) == "0.476 €/kWh, at most 11.90 €"


def test_prices_that_hold_the_tax_are_shown_as_they_are() -> None:
    found = card(element(component("ENERGY", "0.49")), tax_included="YES")
    assert plain(found.sentence) == "0.49 €/kWh"
    assert found.tax_note == "All prices include VAT (19 %)."


def test_prices_follow_the_reader_s_language() -> None:
    with translation.override("de"):
        assert plain(card(element(component("ENERGY", "0.40"))).sentence) == "0,476 €/kWh"


@pytest.mark.django_db
def test_many_connectors_take_as_many_queries_as_one(django_assert_num_queries) -> None:
    VatRateFactory()
    version = TariffVersionFactory()
    NetworkAssignmentFactory(tariff=version.tariff)
    special = TariffVersionFactory(document=tariff_document(element(component("ENERGY", "0.10"))))
    connectors = [ConnectorFactory(evse=EvseFactory()) for _ in range(5)]
    NetworkAssignmentFactory(tariff=special.tariff, scope="connector", connector=connectors[3], valid_from=LONG_AGO)

    for some in (connectors[:1], connectors):
        with django_assert_num_queries(3):
            cards = price_cards(connectors=some, contract=None, channel="app", at=LONG_AGO)

    assert [plain(found.sentence) if found else None for found in cards.values()] == [
        "0.476 €/kWh",
        "0.476 €/kWh",
        "0.476 €/kWh",
        "0.119 €/kWh",
        "0.476 €/kWh",
    ]


@pytest.mark.django_db
def test_no_tariff_and_no_vat_rate_are_no_price_rather_than_free() -> None:
    connector = ConnectorFactory()
    VatRateFactory()
    assert price_cards(connectors=[connector], contract=None, channel="app", at=LONG_AGO) == {connector.pk: None}
    assert not TariffAssignment.objects.exists()

    version = TariffVersionFactory()
    NetworkAssignmentFactory(tariff=version.tariff)
    abroad = ConnectorFactory(evse__charge_point__location__country="FR")
    assert price_cards(connectors=[abroad], contract=None, channel="app", at=LONG_AGO) == {abroad.pk: None}


# --- Named extensions ---------------------------------------------------------------------------------------------


def named(*elements: dict, spot_now: SpotNow | None = None, **extensions: dict) -> PriceCard:
    document = tariff_document(*elements, tax_included="YES", voltledger=extensions)
    return price_card(parse_tariff_text(document), Decimal(19), tariff_version_id=1, spot_now=spot_now)


def table(found: PriceCard) -> list[tuple[str, ...]]:
    return [tuple(map(plain, row)) for row in prices(found)]


KWH = element(component("ENERGY", "0.49"))


def test_fees_stand_with_the_session_after_kwh_and_minute() -> None:
    found = named(
        element(component("ENERGY", "0.49"), component("TIME", "6"), component("PARKING_TIME", "3")),
        connection_fee={"price": 1, "after_minutes": 30, "after_kwh": 5, "needs": "ALL"},
        service_fee={"flat": Decimal("0.35"), "percent": 5, "of": "ENERGY"},
    )

    assert table(found) == [
        ("Energy", "0.49 €/kWh", ""),
        ("Time while charging", "0.10 €/min", ""),
        ("Connection fee", "1.00 €", "once, from 30 min and 5 kWh on"),
        ("Service fee", "0.35 €", ""),
        ("Service fee", "5 %", "of the price of the energy"),
        ("Time after charging has ended", "0.05 €/min", ""),
    ]
    assert plain(found.sentence) == (
        "0.49 €/kWh, plus 0.10 €/min while charging, plus 1.00 € connection fee (once, from 30 min and 5 kWh on), "
        "plus 0.35 € service fee, plus 5 % service fee (of the price of the energy), "
        "plus 0.05 €/min once charging has ended"
    )


def test_idle_rules_are_told_with_the_price_of_parking() -> None:
    found = named(
        element(component("ENERGY", "0.49"), component("PARKING_TIME", "6")),
        idle={"grace_minutes": 15, "max_amount": 12, "free_from": "22:00", "free_until": "06:00"},
    )

    assert table(found)[1:] == [
        ("Time after charging has ended", "free", "in the first 15 min after charging has ended"),
        ("Time after charging has ended", "free", "22:00 to 06:00"),
        ("Time after charging has ended", "0.10 €/min", ""),
        ("Time after charging has ended", "at most 12.00 €", "in one session"),
    ]
    assert plain(found.sentence) == (
        "0.49 €/kWh, plus 0.10 €/min once charging has ended; free in the first 15 min after charging has ended; "
        "free 22:00 to 06:00; at most 12.00 € (in one session)"
    )


def test_tiers_and_a_free_start_are_told_in_their_order() -> None:
    found = named(
        KWH,
        free={"kwh": 2},
        energy_tiers={
            "per": "MONTH",
            "tiers": [{"price": Decimal("0.60"), "up_to_kwh": 50}, {"price": Decimal("0.4")}],
        },
    )
    assert table(found) == [
        ("Energy", "free", "the first 2 kWh"),
        ("Energy", "0.60 €/kWh", "the first 50 kWh of the month"),
        ("Energy", "0.40 €/kWh", "from 50 kWh of the month on"),
    ]
    beyond = named(KWH, energy_tiers={"per": "SESSION", "tiers": [{"price": Decimal("0.60"), "up_to_kwh": 10}]})
    assert plain(beyond.sentence) == "0.60 €/kWh (the first 10 kWh of the session); 0.49 €/kWh (from 10 kWh on)"


def test_a_market_price_is_told_with_its_limits_the_price_of_now_and_the_fallback() -> None:
    spot = {"series": "DE-LU", "markup": Decimal("0.03"), "cap": Decimal("0.50"), "fallback": Decimal("0.40")}
    found = named(KWH, spot=spot, spot_now=SpotNow("Day ahead", Decimal("0.31")))

    assert plain(found.sentence) == (
        "market price of Day ahead plus 0.03 €/kWh (at most 0.50 €/kWh, now 0.31 €/kWh); "
        "0.40 €/kWh (if there is no market price)"
    )
    net = price_card(
        parse_tariff_text(tariff_document(KWH, voltledger={"spot": {**spot, "factor": Decimal("1.1")}})),
        Decimal(19),
        tariff_version_id=1,
    )
    assert plain(net.rows[0].price) == "110 % of the market price of DE-LU with VAT plus 0.0357 €/kWh"
    assert plain(net.rows[0].when) == "at most 0.595 €/kWh"


@pytest.mark.django_db
def test_the_example_is_what_the_engine_makes_of_a_session_that_starts_now() -> None:
    VatRateFactory()
    document = tariff_document(
        element(component("ENERGY", "0.39"), start_time="22:00", end_time="06:00"),
        element(component("ENERGY", "0.49")),
        tax_included="YES",
    )
    NetworkAssignmentFactory(tariff=TariffVersionFactory(document=document).tariff)
    connector = ConnectorFactory(dc=True)

    def example(at: datetime) -> str:
        card = price_cards(connectors=[connector], contract=None, channel="app", at=at)[connector.pk]
        return plain(card.example)

    assert example(datetime(2026, 6, 15, 10, tzinfo=UTC)) == "30 kWh in 45 min: 14.70 €"
    # Berlin's night begins at 20:00 UTC in summer: half of the session is in it.
    assert example(datetime(2026, 6, 15, 19, 37, 30, tzinfo=UTC)) == "30 kWh in 45 min: 13.20 €"


@pytest.mark.django_db
def test_market_prices_of_many_connectors_take_two_more_queries(django_assert_num_queries) -> None:
    VatRateFactory()
    at = datetime(2026, 6, 15, 10, 20, tzinfo=UTC)
    spot = {"series": "DE-LU", "markup": Decimal("0.03"), "fallback": Decimal("0.40")}
    document = tariff_document(KWH, tax_included="YES", voltledger={"spot": spot})
    NetworkAssignmentFactory(tariff=TariffVersionFactory(document=document).tariff)
    connectors = [ConnectorFactory(dc=True) for _ in range(4)]
    everywhere = PriceSeries.objects.create(code="DE-LU", name="Day ahead", currency="EUR", time_zone="Europe/Berlin")
    here = PriceSeries.objects.create(
        code="DE-LU",
        name="Roof",
        currency="EUR",
        time_zone="Europe/Berlin",
        charge_point=connectors[0].charge_point,
    )
    for series, price in ((everywhere, "0.20"), (here, "0.10")):
        for hour in (10, 11):
            PriceSeriesValue.objects.create(
                series=series, start_at=at.replace(hour=hour, minute=0), price=Decimal(price)
            )

    with django_assert_num_queries(5):
        cards = price_cards(connectors=connectors, contract=None, channel="app", at=at)

    assert ["now 0.13 €/kWh" in plain(card.sentence) for card in cards.values()] == [True, False, False, False]
    assert "market price of Roof" in plain(cards[connectors[0].pk].sentence)
    assert [plain(card.example) for card in cards.values()] == ["30 kWh in 45 min: 3.90 €"] + [
        "30 kWh in 45 min: 6.90 €"
    ] * 3
