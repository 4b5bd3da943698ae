"""The named extensions as JSON: one object beside the OCPI fields, under one key.

Numbers and texts are written in one form per meaning: what has its default is left out.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tariffs.domain import jsontext
from tariffs.domain.extensions import (
    ConnectionFee,
    EnergyTiers,
    Extensions,
    FeeBase,
    FreeStart,
    IdleRules,
    Needs,
    ServiceFee,
    SpotFormula,
    Tier,
    TierPeriod,
)
from tariffs.domain.reading import Fields

EXTENSION_KEY = "voltledger"
MOST_TIERS = 50
LONGEST_MINUTES = 60 * 24 * 366
ZERO = Decimal(0)
ONE = Decimal(1)


def read_extensions(parent: Fields) -> Extensions | None:
    """The extensions of a tariff document; None where there are none. Defects go to the parent's."""
    raw = parent.raw(EXTENSION_KEY)
    if raw is None:
        return None
    fields = Fields(raw, parent.at(EXTENSION_KEY), parent.defects)
    extensions = Extensions(
        service_fee=_service_fee(fields),
        idle=_idle(fields),
        connection_fee=_connection_fee(fields),
        energy_tiers=_energy_tiers(fields),
        free=_free(fields),
        spot=_spot(fields),
    )
    fields.refuse_others()
    return None if extensions == Extensions() else extensions


def extensions_document(extensions: Extensions) -> dict[str, Any]:
    """The object that stands under the key; reading it back gives equal Extensions."""
    document: dict[str, Any] = {}
    if (fee := extensions.service_fee) is not None:
        document["service_fee"] = _without_none(
            {
                "flat": jsontext.plain(fee.flat),
                "percent": jsontext.plain(fee.percent),
                "vat": jsontext.plain(fee.vat_percent),
            },
        ) | ({} if fee.percent is None else {"of": fee.of.value})
    if (idle := extensions.idle) is not None:
        document["idle"] = _without_none(
            {
                "grace_minutes": idle.grace_minutes or None,
                "max_amount": jsontext.plain(idle.max_amount),
                "free_from": idle.free_from and idle.free_from.strftime("%H:%M"),
                "free_until": idle.free_until and idle.free_until.strftime("%H:%M"),
            }
        )
    if (connection := extensions.connection_fee) is not None:
        document["connection_fee"] = _without_none(
            {
                "price": jsontext.plain(connection.price),
                "after_minutes": connection.after_minutes,
                "after_kwh": jsontext.plain(connection.after_kwh),
                "needs": None if connection.needs is Needs.ALL else connection.needs.value,
                "vat": jsontext.plain(connection.vat_percent),
            }
        )
    if (tiers := extensions.energy_tiers) is not None:
        document["energy_tiers"] = _without_none(
            {
                "per": tiers.per.value,
                "tiers": [
                    _without_none({"up_to_kwh": jsontext.plain(tier.up_to_kwh), "price": jsontext.plain(tier.price)})
                    for tier in tiers.tiers
                ],
                "vat": jsontext.plain(tiers.vat_percent),
            }
        )
    if (free := extensions.free) is not None:
        document["free"] = _without_none({"kwh": jsontext.plain(free.kwh), "minutes": free.minutes})
    if (spot := extensions.spot) is not None:
        document["spot"] = _without_none(
            {
                "series": spot.series,
                "factor": jsontext.plain(spot.factor),
                "markup": jsontext.plain(spot.markup),
                "floor": jsontext.plain(spot.floor),
                "cap": jsontext.plain(spot.cap),
                "fallback": jsontext.plain(spot.fallback),
                "vat": jsontext.plain(spot.vat_percent),
            }
        )
    return document


def _without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


def _inside(parent: Fields, key: str) -> Fields | None:
    raw = parent.raw(key)
    return None if raw is None else Fields(raw, parent.at(key), parent.defects)


def _minutes(fields: Fields, key: str) -> int | None:
    return fields.whole(key, least=1, most=LONGEST_MINUTES)


def _service_fee(parent: Fields) -> ServiceFee | None:
    fields = _inside(parent, "service_fee")
    if fields is None:
        return None
    flat = fields.number("flat", least=ZERO)
    percent = fields.number("percent", least=ZERO)
    if percent is not None and percent > 100:
        fields.wrong("percent", "must be at most 100")
    of = fields.choice("of", FeeBase)
    vat_percent = fields.vat("vat")
    fields.refuse_others()
    if fields.has_none_of("flat", "percent"):
        parent.wrong("service_fee", "must give flat, percent or both")
    if of is not None and fields.has_none_of("percent"):
        fields.wrong("of", "is what the percentage is taken of; give percent")
    return ServiceFee(flat, percent, of or FeeBase.ALL, vat_percent)


def _idle(parent: Fields) -> IdleRules | None:
    fields = _inside(parent, "idle")
    if fields is None:
        return None
    rules = IdleRules(
        grace_minutes=_minutes(fields, "grace_minutes") or 0,
        max_amount=fields.number("max_amount", least=ZERO),
        free_from=fields.time_of_day("free_from"),
        free_until=fields.time_of_day("free_until"),
    )
    fields.refuse_others()
    if fields.has_none_of("grace_minutes", "max_amount", "free_from", "free_until"):
        parent.wrong("idle", "must give grace_minutes, max_amount or free hours")
    for given, missing in (("free_from", "free_until"), ("free_until", "free_from")):
        if fields.has_none_of(missing) and not fields.has_none_of(given):
            fields.wrong(missing, f"is required with {given}")
    if rules.free_from is not None and rules.free_from == rules.free_until:
        fields.wrong("free_until", "must differ from free_from")
    return rules


def _connection_fee(parent: Fields) -> ConnectionFee | None:
    fields = _inside(parent, "connection_fee")
    if fields is None:
        return None
    fee = ConnectionFee(
        price=fields.number("price", required=True, least=ZERO) or ZERO,
        after_minutes=_minutes(fields, "after_minutes"),
        after_kwh=fields.number("after_kwh", least=ZERO),
        needs=fields.choice("needs", Needs) or Needs.ALL,
        vat_percent=fields.vat("vat"),
    )
    fields.refuse_others()
    if fields.has_none_of("after_minutes", "after_kwh"):
        parent.wrong("connection_fee", "must give after_minutes, after_kwh or both; a plain start fee is FLAT")
    return fee


def _energy_tiers(parent: Fields) -> EnergyTiers | None:
    fields = _inside(parent, "energy_tiers")
    if fields is None:
        return None
    per = fields.choice("per", TierPeriod, required=True)
    vat_percent = fields.vat("vat")
    tiers: list[Tier] = []
    reached = ZERO
    items = fields.items("tiers", required=True, most=MOST_TIERS)
    for index, item in enumerate(items):
        tier = Fields(item, f"{fields.at('tiers')}[{index}]", fields.defects)
        up_to_kwh = tier.number("up_to_kwh", least=ZERO)
        price = tier.number("price", required=True)
        tier.refuse_others()
        if tier.has_none_of("up_to_kwh") and index + 1 < len(items):
            tier.wrong("up_to_kwh", "is required in every tier but the last")
        if up_to_kwh is not None and up_to_kwh <= reached:
            tier.wrong("up_to_kwh", "must be above the tier before it")
        reached = up_to_kwh or reached
        tiers.append(Tier(price or ZERO, up_to_kwh))
    fields.refuse_others()
    return EnergyTiers(tuple(tiers), per or TierPeriod.SESSION, vat_percent)


def _free(parent: Fields) -> FreeStart | None:
    fields = _inside(parent, "free")
    if fields is None:
        return None
    free = FreeStart(fields.number("kwh", least=ZERO), _minutes(fields, "minutes"))
    fields.refuse_others()
    if fields.has_none_of("kwh", "minutes"):
        parent.wrong("free", "must give kwh, minutes or both")
    return free


def _spot(parent: Fields) -> SpotFormula | None:
    fields = _inside(parent, "spot")
    if fields is None:
        return None
    factor = fields.number("factor", least=ZERO)
    spot = SpotFormula(
        series=fields.text("series", required=True) or "",
        fallback=fields.number("fallback", required=True) or ZERO,
        factor=ONE if factor is None else factor,
        markup=fields.number("markup") or ZERO,
        floor=fields.number("floor"),
        cap=fields.number("cap"),
        vat_percent=fields.vat("vat"),
    )
    fields.refuse_others()
    if spot.floor is not None and spot.cap is not None and spot.cap < spot.floor:
        fields.wrong("cap", "must not be below floor")
    return spot
