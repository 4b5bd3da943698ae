"""Whole OCPI objects in both versions: read back equal, and refused with every defect."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.exchange import (
    About,
    DisplayText,
    EnergyMix,
    EnergySourceCategory,
    EnvironmentalImpactCategory,
    OcpiTariff,
    OcpiVersion,
    TariffType,
    read_ocpi,
    version_of,
    write_ocpi,
)
from tariffs.domain.spec import TaxIncluded
from tests.tariffs.domain.strategies import decimals, maybe, tariffs
from tests.tariffs.vectors.loading import FOLDER

MOMENTS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
CODES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)


@st.composite
def abouts(draw: st.DrawFn) -> About:
    shares = st.tuples(st.sampled_from(EnergySourceCategory), decimals(100, 1))
    impacts = st.tuples(st.sampled_from(EnvironmentalImpactCategory), decimals(500, 2))
    mix = st.builds(
        EnergyMix,
        is_green_energy=st.booleans(),
        energy_sources=st.lists(shares, max_size=3).map(tuple),
        environ_impact=st.lists(impacts, max_size=2).map(tuple),
        supplier_name=maybe(TEXTS),
        energy_product_name=maybe(TEXTS),
    )
    return About(
        country_code=draw(CODES)[:2],
        party_id=draw(CODES),
        id=draw(TEXTS)[:36],
        last_updated=draw(MOMENTS),
        type=draw(maybe(st.sampled_from(TariffType))),
        alt_text=tuple(draw(st.lists(st.builds(DisplayText, st.sampled_from(("en", "de", "nl")), TEXTS), max_size=3))),
        alt_url=draw(maybe(st.just("https://example.org/prices?of=day&night"))),
        energy_mix=draw(maybe(mix)),
        preauthorize_amount=draw(maybe(decimals(200, 2))),
    )


@settings(max_examples=60, deadline=None)
@given(st.one_of(tariffs(), tariffs(named=True)), abouts(), st.sampled_from(OcpiVersion))
def test_what_is_exported_reads_back_equal(spec: Any, about: About, version: OcpiVersion) -> None:
    tariff = OcpiTariff(spec, about)
    if version is OcpiVersion.V221 and spec.tax_included is not TaxIncluded.NO:
        with pytest.raises(BadInput, match=r"2\.3\.0") as refusal:
            write_ocpi(tariff, version)
        assert refusal.value.details[0].startswith("tariff.tax_included: ")
        return
    document = write_ocpi(tariff, version)
    assert read_ocpi(jsontext.loads(jsontext.dumps(document)), version) == tariff
    assert write_ocpi(read_ocpi(document, version), version) == document


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_each_vector_comes_out_as_it_went_in(file: Any) -> None:
    document = jsontext.loads(file.read_bytes())["tariff"]
    version = version_of(document)
    assert write_ocpi(read_ocpi(document, version), version) == _with_defaults(document, version)


def _with_defaults(document: dict[str, Any], version: OcpiVersion) -> dict[str, Any]:
    """2.3.0 requires `tax_included`; the factor of a market price is always written."""
    spot = document.get("voltledger", {}).get("spot")
    if spot is not None:
        spot.setdefault("factor", 1)
    return {"tax_included": "NO", **document} if version is OcpiVersion.V230 else document


DOCUMENT: dict[str, Any] = {
    "country_code": "NL",
    "party_id": "VLT",
    "id": "T1",
    "currency": "EUR",
    "type": "REGULAR",
    "tariff_alt_text": [{"language": "en", "text": "Day and night"}],
    "tariff_alt_url": "https://example.org/prices",
    "max_price": {"excl_vat": 10, "incl_vat": Decimal("12.10")},
    "elements": [{"price_components": [{"type": "ENERGY", "price": Decimal("0.50"), "vat": 21, "step_size": 1}]}],
    "energy_mix": {"is_green_energy": True, "energy_sources": [{"source": "SOLAR", "percentage": Decimal("99.5")}]},
    "last_updated": "2026-01-05T08:00:00Z",
    "voltledger": {"preauthorize_amount": 40},
}
LATER = {
    **DOCUMENT,
    "max_price": {"before_taxes": 10, "after_taxes": Decimal("12.10")},
    "tax_included": "NO",
    "preauthorize_amount": 40,
}
del LATER["voltledger"]


def test_the_two_versions_say_the_same_in_their_own_fields() -> None:
    assert (version_of(DOCUMENT), version_of(LATER)) == (OcpiVersion.V221, OcpiVersion.V230)
    tariff = read_ocpi(DOCUMENT)
    assert tariff == read_ocpi(LATER)
    assert tariff.about.preauthorize_amount == 40
    assert write_ocpi(tariff, OcpiVersion.V221) == DOCUMENT
    assert write_ocpi(tariff, OcpiVersion.V230) == LATER


def defects(document: object, version: OcpiVersion | None = None) -> list[str]:
    with pytest.raises(BadInput) as refusal:
        read_ocpi(document, version)
    return list(refusal.value.details)


def test_the_other_versions_fields_are_refused() -> None:
    assert defects(LATER, OcpiVersion.V221) == [
        "tariff.tax_included: is a field of OCPI 2.3.0, and this document is read as 2.2.1",
        "tariff.preauthorize_amount: is a field of OCPI 2.3.0, and this document is read as 2.2.1",
        "tariff.max_price.before_taxes: is a field of OCPI 2.3.0, and this document is read as 2.2.1",
        "tariff.max_price.after_taxes: is a field of OCPI 2.3.0, and this document is read as 2.2.1",
    ]
    assert defects({**DOCUMENT, "tax_included": "YES", "voltledger": None}) == [
        "tariff.max_price.excl_vat: is a field of OCPI 2.2.1, and this document is read as 2.3.0",
        "tariff.max_price.incl_vat: is a field of OCPI 2.2.1, and this document is read as 2.3.0",
    ]


def test_every_defect_of_what_does_not_price_is_named() -> None:
    document = {
        **DOCUMENT,
        "country_code": "NLD",
        "party_id": 7,
        "id": None,
        "type": "CHEAP",
        "tariff_alt_text": [{"language": "english", "words": "x"}, "free"],
        "tariff_alt_url": "javascript:alert(1)",
        "energy_mix": {
            "is_green_energy": "yes",
            "energy_sources": [{"source": "LIGHTNING", "percentage": 120}],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": -1, "unit": "g"}],
            "colour": "green",
        },
        "last_updated": "2026-01-05T08:00:00+99:00",
        "voltledger": {"preauthorize_amount": "40 EUR"},
    }
    assert defects(document) == [
        "tariff.voltledger.preauthorize_amount: must be a number, not text",
        "tariff.tariff_alt_text[0].language: may have at most 2 characters",
        "tariff.tariff_alt_text[0].text: is required",
        "tariff.tariff_alt_text[0].words: is not a known field here",
        "tariff.tariff_alt_text[1]: must be an object, not text",
        "tariff.id: is required",
        "tariff.energy_mix.is_green_energy: must be true or false",
        "tariff.energy_mix.energy_sources[0].source: must be one of NUCLEAR, GENERAL_FOSSIL, COAL, GAS, GENERAL_GREEN, "
        "SOLAR, WIND, WATER",
        "tariff.energy_mix.energy_sources[0].percentage: must be at most 100",
        "tariff.energy_mix.environ_impact[0].amount: must be at least 0",
        "tariff.energy_mix.environ_impact[0].unit: is not a known field here",
        "tariff.energy_mix.colour: is not a known field here",
        "tariff.country_code: must be 2 letters or digits",
        "tariff.party_id: must be text, not a number",
        "tariff.last_updated: must be a moment such as 2026-12-24T18:00:00Z",
        "tariff.type: must be one of AD_HOC_PAYMENT, PROFILE_CHEAP, PROFILE_FAST, PROFILE_GREEN, REGULAR",
        "tariff.tariff_alt_url: must be an address such as https://example.org/prices",
    ]


@pytest.mark.parametrize("document", [None, [], "tariff", 7])
def test_what_is_no_object_is_refused(document: object) -> None:
    assert defects(document)[0].startswith("tariff: must be an object")
