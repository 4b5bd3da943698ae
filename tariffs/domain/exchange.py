"""Whole OCPI Tariff objects, as partners exchange them: the prices, and what stands around them and prices nothing.

Source: OCPI 2.2.1 and 2.3.0, Tariffs module and EnergyMix. A document is read as one version, and the other's fields
are refused. What 2.2.1 cannot say is not said wrongly: prices that include tax are not written in it, and the amount to
pre-authorise stands under our own key there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.extensions_json import EXTENSION_KEY
from tariffs.domain.ocpi import moment_text, read_tariff, to_document
from tariffs.domain.reading import Defects, Fields
from tariffs.domain.spec import Element, TariffSpec, TaxIncluded

MOST_TEXTS = 50
MOST_SOURCES = 20
_LIMIT_KEYS = ("min_price", "max_price")
_PREAUTHORIZE = "preauthorize_amount"
# Stands for a moment that could not be read, beside the defect that says so.
_NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


class OcpiVersion(StrEnum):
    V221 = "2.2.1"
    V230 = "2.3.0"


# What only one of the two versions has: of the Tariff object, and of its price limits.
_ONLY_230 = ("tax_included", _PREAUTHORIZE)
_LIMIT_FIELDS = {OcpiVersion.V221: ("excl_vat", "incl_vat"), OcpiVersion.V230: ("before_taxes", "after_taxes", "taxes")}


class TariffType(StrEnum):
    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class EnergySourceCategory(StrEnum):
    NUCLEAR = "NUCLEAR"
    GENERAL_FOSSIL = "GENERAL_FOSSIL"
    COAL = "COAL"
    GAS = "GAS"
    GENERAL_GREEN = "GENERAL_GREEN"
    SOLAR = "SOLAR"
    WIND = "WIND"
    WATER = "WATER"


class EnvironmentalImpactCategory(StrEnum):
    NUCLEAR_WASTE = "NUCLEAR_WASTE"
    CARBON_DIOXIDE = "CARBON_DIOXIDE"


@dataclass(frozen=True, slots=True)
class DisplayText:
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class EnergyMix:
    """Where the energy comes from: shares in percent, impacts in grams per kWh."""

    is_green_energy: bool
    energy_sources: tuple[tuple[EnergySourceCategory, Decimal], ...] = ()
    environ_impact: tuple[tuple[EnvironmentalImpactCategory, Decimal], ...] = ()
    supplier_name: str | None = None
    energy_product_name: str | None = None


@dataclass(frozen=True, slots=True)
class About:
    """Whose tariff it is, what it is called and shown as. `preauthorize_amount` is in the tariff's currency."""

    country_code: str
    party_id: str
    id: str
    last_updated: datetime
    type: TariffType | None = None
    alt_text: tuple[DisplayText, ...] = ()
    alt_url: str | None = None
    energy_mix: EnergyMix | None = None
    preauthorize_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OcpiTariff:
    """One OCPI Tariff object: `spec` prices, `about` does not."""

    spec: TariffSpec
    about: About


def version_of(document: object) -> OcpiVersion:
    """The version a document is written in: 2.3.0 where it uses a field that 2.2.1 does not have."""
    if isinstance(document, Mapping):
        limits = [limit for key in _LIMIT_KEYS if isinstance(limit := document.get(key), Mapping)]
        if any(document.get(key) is not None for key in _ONLY_230) or any(
            key in limit for limit in limits for key in _LIMIT_FIELDS[OcpiVersion.V230]
        ):
            return OcpiVersion.V230
    return OcpiVersion.V221


def read_ocpi(document: object, version: OcpiVersion | None = None) -> OcpiTariff:
    """Read a Tariff object as `version` (None: what it is written in). Raises BadInput with every defect."""
    defects = Defects()
    tariff = read_ocpi_leniently(document, version, defects)
    defects.raise_if_any("The tariff has mistakes. Nothing was saved.")
    return tariff


def read_ocpi_leniently(document: object, version: OcpiVersion | None, defects: Defects) -> OcpiTariff:
    """The same for a caller with checks of its own: what could be read, elements with a defect without any price."""
    version = version or version_of(document)
    path = "tariff"
    if not isinstance(document, Mapping):
        read_tariff(document, defects, path=path)
        return OcpiTariff(TariffSpec("", ()), About("", "", "", _NO_MOMENT))
    document, moved = _without_moved(document, version, path, defects)
    _refuse_other_version(document, version, path, defects)
    spec = read_tariff(document, defects, path=path)
    about = _about(Fields(document, path, defects))
    if moved is not None:
        about = replace(about, preauthorize_amount=moved)
    return OcpiTariff(_readable(spec, path, defects), about)


def write_ocpi(tariff: OcpiTariff, version: OcpiVersion) -> dict[str, Any]:
    """The Tariff object in `version`; reading it back gives an equal OcpiTariff.

    Raises BadInput with everything that `version` has no words for.
    """
    document = {**_about_document(tariff.about), **to_document(tariff.spec)}
    if version is OcpiVersion.V221:
        if tariff.spec.tax_included is not TaxIncluded.NO:
            raise BadInput(
                "OCPI 2.2.1 knows prices before tax only, and this tariff is not made of them. Export it as 2.3.0.",
                details=[f"tariff.tax_included: {tariff.spec.tax_included} cannot be said in OCPI 2.2.1"],
            )
        del document["tax_included"]
        for key in _LIMIT_KEYS:
            if key in document:
                names = dict(zip(_LIMIT_FIELDS[OcpiVersion.V230], _LIMIT_FIELDS[version], strict=False))
                document[key] = {names[name]: amount for name, amount in document[key].items()}
        if _PREAUTHORIZE in document:
            ours = {**document.get(EXTENSION_KEY, {}), _PREAUTHORIZE: document.pop(_PREAUTHORIZE)}
            document[EXTENSION_KEY] = ours
    return document


# --- Reading ------------------------------------------------------------------------------------------------------


def _without_moved(
    document: Mapping[str, Any], version: OcpiVersion, path: str, defects: Defects
) -> tuple[Mapping[str, Any], Decimal | None]:
    """The document without what 2.2.1 keeps under our key because it has no field for it, and that amount."""
    ours = document.get(EXTENSION_KEY)
    if version is not OcpiVersion.V221 or not isinstance(ours, Mapping) or _PREAUTHORIZE not in ours:
        return document, None
    amount = Fields(ours, f"{path}.{EXTENSION_KEY}", defects).number(_PREAUTHORIZE, least=Decimal(0))
    rest = {key: value for key, value in ours.items() if key != _PREAUTHORIZE}
    return {**document, EXTENSION_KEY: rest or None}, amount


def _refuse_other_version(document: Mapping[str, Any], version: OcpiVersion, path: str, defects: Defects) -> None:
    other = OcpiVersion.V230 if version is OcpiVersion.V221 else OcpiVersion.V221
    if version is OcpiVersion.V221:
        for key in _ONLY_230:
            if document.get(key) is not None:
                defects.add(f"{path}.{key}", f"is a field of OCPI {other}, and this document is read as {version}")
    for key in _LIMIT_KEYS:
        limit = document.get(key)
        if isinstance(limit, Mapping):
            for name in _LIMIT_FIELDS[other]:
                if limit.get(name) is not None:
                    sentence = f"is a field of OCPI {other}, and this document is read as {version}"
                    defects.add(f"{path}.{key}.{name}", sentence)


def _readable(spec: TariffSpec, path: str, defects: Defects) -> TariffSpec:
    """The tariff without what defective elements would have priced; the others keep their numbers."""
    elements = []
    for number, element in enumerate(spec.elements):
        prefix = f"{path}.elements[{number}]"
        broken = any(detail.startswith((f"{prefix}.", f"{prefix}:")) for detail in defects.details)
        elements.append(Element(()) if broken else element)
    return replace(spec, elements=tuple(elements))


def _about(fields: Fields) -> About:
    texts = []
    for index, item in enumerate(fields.items("tariff_alt_text", most=MOST_TEXTS)):
        text = Fields(item, f"{fields.at('tariff_alt_text')}[{index}]", fields.defects)
        language = text.text("language", required=True, longest=2)
        words = text.text("text", required=True, longest=512)
        text.refuse_others()
        texts.append(DisplayText(language or "", words or ""))
    own_id = fields.text("id", required=True, longest=36)
    if own_id == "":
        fields.wrong("id", "must not be empty")
    raw = fields.raw("energy_mix")
    mix = None if raw is None else _energy_mix(Fields(raw, fields.at("energy_mix"), fields.defects))
    return About(
        country_code=_code(fields, "country_code", 2),
        party_id=_code(fields, "party_id", 3),
        id=own_id or "",
        last_updated=fields.moment("last_updated", required=True) or _NO_MOMENT,
        type=fields.choice("type", TariffType),
        alt_text=tuple(texts),
        alt_url=_url(fields, "tariff_alt_url"),
        energy_mix=mix,
        preauthorize_amount=fields.number(_PREAUTHORIZE, least=Decimal(0)),
    )


def _code(fields: Fields, key: str, length: int) -> str:
    code = fields.text(key, required=True)
    if code is not None and not (len(code) == length and code.isascii() and code.isalnum()):
        fields.wrong(key, f"must be {length} letters or digits")
    return code or ""


def _url(fields: Fields, key: str) -> str | None:
    url = fields.text(key)
    if url is not None and not url.startswith(("https://", "http://")):
        fields.wrong(key, "must be an address such as https://example.org/prices")
    return url


def _energy_mix(fields: Fields) -> EnergyMix:
    green = fields.raw("is_green_energy", required=True)
    if green is not None and not isinstance(green, bool):
        fields.wrong("is_green_energy", "must be true or false")
    sources = []
    for index, item in enumerate(fields.items("energy_sources", most=MOST_SOURCES)):
        entry = Fields(item, f"{fields.at('energy_sources')}[{index}]", fields.defects)
        source = entry.choice("source", EnergySourceCategory, required=True)
        percentage = entry.number("percentage", required=True, least=Decimal(0))
        if percentage is not None and percentage > 100:
            entry.wrong("percentage", "must be at most 100")
        entry.refuse_others()
        if source is not None and percentage is not None:
            sources.append((source, percentage))
    impacts = []
    for index, item in enumerate(fields.items("environ_impact", most=MOST_SOURCES)):
        entry = Fields(item, f"{fields.at('environ_impact')}[{index}]", fields.defects)
        category = entry.choice("category", EnvironmentalImpactCategory, required=True)
        amount = entry.number("amount", required=True, least=Decimal(0))
        entry.refuse_others()
        if category is not None and amount is not None:
            impacts.append((category, amount))
    mix = EnergyMix(
        is_green_energy=green is True,
        energy_sources=tuple(sources),
        environ_impact=tuple(impacts),
        supplier_name=fields.text("supplier_name", longest=64),
        energy_product_name=fields.text("energy_product_name", longest=64),
    )
    fields.refuse_others()
    return mix


# --- Writing ------------------------------------------------------------------------------------------------------


def _about_document(about: About) -> dict[str, Any]:
    mix = about.energy_mix
    document: dict[str, Any] = {
        "country_code": about.country_code,
        "party_id": about.party_id,
        "id": about.id,
        "type": about.type and about.type.value,
        "tariff_alt_text": [{"language": text.language, "text": text.text} for text in about.alt_text] or None,
        "tariff_alt_url": about.alt_url,
        "energy_mix": None if mix is None else _mix_document(mix),
        _PREAUTHORIZE: jsontext.plain(about.preauthorize_amount),
        "last_updated": moment_text(about.last_updated),
    }
    return {key: value for key, value in document.items() if value is not None}


def _mix_document(mix: EnergyMix) -> dict[str, Any]:
    document: dict[str, Any] = {
        "is_green_energy": mix.is_green_energy,
        "energy_sources": [
            {"source": source.value, "percentage": jsontext.plain(share)} for source, share in mix.energy_sources
        ],
        "environ_impact": [
            {"category": category.value, "amount": jsontext.plain(amount)} for category, amount in mix.environ_impact
        ],
        "supplier_name": mix.supplier_name,
        "energy_product_name": mix.energy_product_name,
    }
    return {key: value for key, value in document.items() if value is not None and value != []}
