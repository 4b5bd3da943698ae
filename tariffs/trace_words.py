"""Why a tariff was chosen and why the others were not, in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from locations.models import Connector
from tariffs.models import TariffAssignment

_RESULTS = {
    "applies": gettext_lazy("Applies: the most specific assignment that fits."),
    "less_specific": gettext_lazy("Fits, but another one is more specific."),
    "lower_priority": gettext_lazy("Fits as well, but has a lower priority."),
    "older": gettext_lazy("Fits as well, but a newer one goes before it."),
    "no_published_version": gettext_lazy("Fits, but the tariff has no published version in force."),
    "not_yet_valid": gettext_lazy("Not valid yet at that moment."),
    "no_longer_valid": gettext_lazy("No longer valid at that moment."),
    "other_power_class": gettext_lazy("For another power class."),
    "other_contract_type": gettext_lazy("For another contract type."),
    "other_customer_group": gettext_lazy("For another customer group."),
    "other_channel": gettext_lazy("For another way of starting."),
}

# How the winner is more specific than one that fits.
_DECIDED_BY = {
    "place": gettext_lazy("Fits, but another one names a narrower place."),
    "power_class": gettext_lazy("Fits, but another one names the power class."),
    "contract_type": gettext_lazy("Fits, but another one names the contract type."),
    "customer_group": gettext_lazy("Fits, but another one names the customer group."),
    "channel": gettext_lazy("Fits, but another one names the way of starting."),
}


def trace_rows(trace: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A stored trace with words: the winner first, then each other candidate and why it lost."""
    return [
        {
            **row,
            "place": _place(row),
            "only": _only(row.get("only", {})),
            "why": _why(row),
            "is_winner": row["result"] == "applies",
        }
        for row in trace
    ]


def _place(row: Mapping[str, Any]) -> str:
    scope = str(TariffAssignment.Scope(row["scope"]).label)
    return f"{scope}: {row['place']}" if row.get("place") else scope


def _only(named: Mapping[str, str]) -> str:
    """Whom and what the assignment names: “DC, Fleets, RFID card”."""
    words = [
        str(Connector.PowerClass(named["power_class"]).label) if "power_class" in named else "",
        named.get("contract_type", ""),
        named.get("customer_group", ""),
        str(TariffAssignment.Channel(named["channel"]).label) if "channel" in named else "",
    ]
    return ", ".join(word for word in words if word)


def _why(row: Mapping[str, Any]) -> str:
    if row["result"] == "less_specific" and row.get("decided_by") in _DECIDED_BY:
        return str(_DECIDED_BY[row["decided_by"]])
    words = str(_RESULTS.get(row["result"], row["result"]))
    moment = row.get("only", {}).get(
        {"not_yet_valid": "valid_from", "no_longer_valid": "valid_until"}.get(row["result"])
    )
    if moment:
        words += " " + (_("It begins %(day)s.") if row["result"] == "not_yet_valid" else _("It ended %(day)s.")) % {
            "day": date_format(datetime.fromisoformat(moment), "DATE_FORMAT")
        }
    return words


def assignment_sentence(assignment: TariffAssignment) -> str:
    """What an assignment says, such as “HPC at Berlin Hafen: tariff Fast, for Fleets, by RFID card”."""
    place = assignment.connector or assignment.charge_point or assignment.location or assignment.region
    where = str(place) if place else assignment.country or _("the whole network")
    parts = [_("%(tariff)s at %(where)s") % {"tariff": assignment.tariff, "where": where}]
    if assignment.power_class:
        parts.append(_("on %(power)s connectors") % {"power": assignment.get_power_class_display()})
    if assignment.customer_group:
        parts.append(_("for “%(group)s”") % {"group": assignment.customer_group})
    if assignment.contract_type:
        parts.append(_("with the contract “%(contract)s”") % {"contract": assignment.contract_type})
    if assignment.channel:
        parts.append(_("started by %(channel)s") % {"channel": assignment.get_channel_display()})
    return ", ".join(parts)
