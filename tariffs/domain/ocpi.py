"""OCPI Tariff JSON to TariffSpec and back, with the canonical form a digest is taken of.

Source: OCPI 2.2.1 and 2.3.0, Tariffs module. The two differ in their tax fields only: 2.2.1 has `excl_vat`/`incl_vat`
in price limits and prices are always before tax; 2.3.0 has `before_taxes`/`after_taxes` (or `taxes`) and
`tax_included`. Our named extensions stand beside the OCPI fields under one key (extensions_json).
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from common.currencies import is_currency
from tariffs.domain import jsontext
from tariffs.domain.extensions_json import EXTENSION_KEY, extensions_document, read_extensions
from tariffs.domain.reading import Defects, Fields
from tariffs.domain.spec import (
    Dimension,
    Element,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restrictions,
    TariffSpec,
    TaxIncluded,
)

MOST_ELEMENTS = 500
MOST_COMPONENTS = 4
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

# Part of the Tariff object, but nothing a price depends on.
_DESCRIPTIVE = (
    "country_code",
    "party_id",
    "id",
    "type",
    "tariff_alt_text",
    "tariff_alt_url",
    "energy_mix",
    "preauthorize_amount",
    "last_updated",
)
_LIMITS = ("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power")


def parse_tariff(document: object, *, path: str = "tariff") -> TariffSpec:
    """Read one OCPI Tariff object as `jsontext.loads` returns it. Texts, links and ids are checked by nobody here.

    Raises BadInput whose `details` name every defect, each with its path ("tariff.elements[2].price_components").
    """
    defects = Defects()
    spec = read_tariff(document, defects, path=path)
    defects.raise_if_any("The tariff has mistakes. Nothing was saved.")
    return spec


def read_tariff(document: object, defects: Defects, *, path: str = "tariff") -> TariffSpec:
    """The same for a caller with checks of its own: what could be read, its defects added to `defects`."""
    fields = Fields(document, path, defects)
    fields.ignore(_DESCRIPTIVE)
    currency = fields.text("currency", required=True)
    if currency is not None and not is_currency(currency):
        fields.wrong("currency", "must be an ISO 4217 currency code in capitals")
    tax_included = fields.choice("tax_included", TaxIncluded) or TaxIncluded.NO
    min_price = _price_limit(fields, "min_price")
    max_price = _price_limit(fields, "max_price")
    _check_limits(fields, min_price, max_price)
    valid_from = fields.moment("start_date_time")
    valid_until = fields.moment("end_date_time")
    if valid_from and valid_until and valid_until <= valid_from:
        fields.wrong("end_date_time", "must be after start_date_time")
    elements = tuple(
        _element(Fields(item, f"{path}.elements[{index}]", defects))
        for index, item in enumerate(fields.items("elements", required=True, most=MOST_ELEMENTS))
    )
    extensions = read_extensions(fields)
    fields.refuse_others()
    return TariffSpec(
        currency=currency or "",
        elements=elements,
        tax_included=tax_included,
        min_price=min_price,
        max_price=max_price,
        valid_from=valid_from,
        valid_until=valid_until,
        extensions=extensions,
    )


def parse_tariff_text(text: str | bytes) -> TariffSpec:
    """The same, from JSON text."""
    return parse_tariff(jsontext.loads(text))


def to_ocpi(spec: TariffSpec) -> dict[str, Any]:
    """The OCPI part of the tariff as an OCPI 2.3.0 object without ids and texts: what a partner can be sent.

    Reading it back gives an equal TariffSpec, without the extensions.
    """
    document: dict[str, Any] = {
        "currency": spec.currency,
        "tax_included": spec.tax_included.value,
        "elements": [_element_document(element) for element in spec.elements],
    }
    for key, limit in (("min_price", spec.min_price), ("max_price", spec.max_price)):
        if limit is not None:
            document[key] = _without_none(
                {"before_taxes": jsontext.plain(limit.net), "after_taxes": jsontext.plain(limit.gross)},
            )
    for key, moment in (("start_date_time", spec.valid_from), ("end_date_time", spec.valid_until)):
        if moment is not None:
            document[key] = moment_text(moment)
    return document


def to_document(spec: TariffSpec) -> dict[str, Any]:
    """The whole tariff: its OCPI part and, where it has any, our named extensions under one key beside it.

    Reading it back gives an equal TariffSpec.
    """
    if spec.extensions is None:
        return to_ocpi(spec)
    return {**to_ocpi(spec), EXTENSION_KEY: extensions_document(spec.extensions)}


def canonical_json(spec: TariffSpec) -> str:
    """One text per meaning: sorted keys, numbers without trailing zeros, nothing that decides no price."""
    return jsontext.dumps(to_document(spec), sort_keys=True)


def digest(spec: TariffSpec) -> str:
    """SHA-256 of the canonical form, as lower-case hex."""
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()


# --- Reading ------------------------------------------------------------------------------------------------------


def _element(fields: Fields) -> Element:
    components = []
    seen: set[Dimension] = set()
    for index, item in enumerate(fields.items("price_components", required=True, most=MOST_COMPONENTS)):
        component = _component(Fields(item, f"{fields.at('price_components')}[{index}]", fields.defects))
        if component is None:
            continue
        if component.dimension in seen:
            fields.wrong(f"price_components[{index}]", f"prices {component.dimension} a second time in one element")
        seen.add(component.dimension)
        components.append(component)
    raw = fields.raw("restrictions")
    restrictions = Restrictions()
    if raw is not None:
        restrictions = _restrictions(Fields(raw, fields.at("restrictions"), fields.defects))
    if restrictions.reservation is not None and seen - {Dimension.FLAT, Dimension.TIME}:
        fields.wrong("price_components", "a reservation is priced by FLAT and TIME only")
    fields.refuse_others()
    return Element(tuple(components), restrictions)


def _component(fields: Fields) -> PriceComponent | None:
    dimension = fields.choice("type", Dimension, required=True)
    price = fields.number("price", required=True)
    vat_percent = fields.vat("vat")
    step_size = fields.whole("step_size", required=True)
    fields.refuse_others()
    if dimension is None or price is None or step_size is None:
        return None
    return PriceComponent(dimension, price, vat_percent, step_size)


def _restrictions(fields: Fields) -> Restrictions:
    limits = {key: fields.number(key, least=Decimal(0)) for key in _LIMITS}
    min_duration = fields.whole("min_duration")
    max_duration = fields.whole("max_duration")
    start_date = fields.day("start_date")
    end_date = fields.day("end_date")
    if start_date and end_date and end_date <= start_date:
        fields.wrong("end_date", "is exclusive, so it must be after start_date")
    for low, high in (("min_kwh", "max_kwh"), ("min_current", "max_current"), ("min_power", "max_power")):
        least, most = limits[low], limits[high]
        if least is not None and most is not None and most <= least:
            fields.wrong(high, f"is exclusive, so it must be above {low}")
    if min_duration is not None and max_duration is not None and max_duration <= min_duration:
        fields.wrong("max_duration", "is exclusive, so it must be above min_duration")
    restrictions = Restrictions(
        start_time=fields.time_of_day("start_time"),
        end_time=fields.time_of_day("end_time"),
        start_date=start_date,
        end_date=end_date,
        min_duration=min_duration,
        max_duration=max_duration,
        days=_days(fields),
        reservation=fields.choice("reservation", ReservationRestriction),
        **limits,
    )
    fields.refuse_others()
    return restrictions


def _days(fields: Fields) -> frozenset[int]:
    days: set[int] = set()
    for index, name in enumerate(fields.items("day_of_week", most=7)):
        if name in WEEKDAYS:
            days.add(WEEKDAYS.index(name) + 1)
        else:
            fields.wrong(f"day_of_week[{index}]", f"must be one of {', '.join(WEEKDAYS)}")
    return frozenset(days) if len(days) < 7 else frozenset()


def _price_limit(parent: Fields, key: str) -> PriceLimit | None:
    raw = parent.raw(key)
    if raw is None:
        return None
    fields = Fields(raw, parent.at(key), parent.defects)
    net = _either(fields, "excl_vat", "before_taxes")
    gross = _either(fields, "incl_vat", "after_taxes")
    taxes = _taxes(fields)
    if taxes is not None and net is not None:
        if gross is not None and gross != net + taxes:
            fields.wrong("taxes", "and before_taxes do not add up to the amount after taxes")
        gross = net + taxes
    if fields.readable and net is None and gross is None:
        fields.defects.add(fields.path, "must give an amount before or after taxes")
    if net is not None and gross is not None and gross < net:
        fields.defects.add(fields.path, "cannot be lower after taxes than before")
    fields.refuse_others()
    return PriceLimit(net, gross)


def _either(fields: Fields, old: str, new: str) -> Decimal | None:
    first = fields.number(old, least=Decimal(0))
    second = fields.number(new, least=Decimal(0))
    if first is not None and second is not None:
        fields.wrong(new, f"and {old} mean the same; give one")
    return first if second is None else second


def _taxes(parent: Fields) -> Decimal | None:
    items = parent.items("taxes", most=20)
    if not items:
        return None
    amounts = []
    for index, item in enumerate(items):
        fields = Fields(item, f"{parent.at('taxes')}[{index}]", parent.defects)
        fields.ignore(("name", "account_number", "percentage"))
        amounts.append(fields.number("amount", required=True))
        fields.refuse_others()
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _check_limits(fields: Fields, least: PriceLimit | None, most: PriceLimit | None) -> None:
    if least is None or most is None:
        return
    for low, high in ((least.net, most.net), (least.gross, most.gross)):
        if low is not None and high is not None and high < low:
            fields.wrong("max_price", "must not be below min_price")


# --- Writing ------------------------------------------------------------------------------------------------------


def _element_document(element: Element) -> dict[str, Any]:
    document: dict[str, Any] = {
        "price_components": [
            _without_none(
                {
                    "type": component.dimension.value,
                    "price": jsontext.plain(component.price),
                    "vat": jsontext.plain(component.vat_percent),
                    "step_size": component.step_size,
                }
            )
            for component in element.components
        ]
    }
    restrictions = _restrictions_document(element.restrictions)
    if restrictions:
        document["restrictions"] = restrictions
    return document


def _restrictions_document(restrictions: Restrictions) -> dict[str, Any]:
    return _without_none(
        {
            "start_time": restrictions.start_time and restrictions.start_time.strftime("%H:%M"),
            "end_time": restrictions.end_time and restrictions.end_time.strftime("%H:%M"),
            "start_date": restrictions.start_date and restrictions.start_date.isoformat(),
            "end_date": restrictions.end_date and restrictions.end_date.isoformat(),
            **{key: jsontext.plain(getattr(restrictions, key)) for key in _LIMITS},
            "min_duration": restrictions.min_duration,
            "max_duration": restrictions.max_duration,
            "day_of_week": [WEEKDAYS[day - 1] for day in sorted(restrictions.days)] or None,
            "reservation": restrictions.reservation and restrictions.reservation.value,
        }
    )


def _without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


def moment_text(moment: datetime) -> str:
    """As OCPI writes moments: "2026-12-24T18:00:00Z"."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
