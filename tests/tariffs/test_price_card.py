"""The price a person reads before charging: gross, complete, and the same whoever counts the queries."""

from decimal import Decimal

import pytest
from django.utils import translation

from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import TariffAssignment
from tariffs.selectors.price_card import PriceCard, price_card, price_cards
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
