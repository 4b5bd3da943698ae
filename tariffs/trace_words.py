"""Why a tariff was chosen and why the others were not, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tariffs.models import TariffAssignment

_RESULTS = {
    "applies": gettext_lazy("Applies: the most specific assignment that fits."),
    "less_specific": gettext_lazy("Fits, but another one is more specific."),
    "no_published_version": gettext_lazy("Fits, but the tariff has no published version in force."),
    "not_yet_valid": gettext_lazy("Not valid yet at that moment."),
    "no_longer_valid": gettext_lazy("No longer valid at that moment."),
    "other_power_class": gettext_lazy("For another power class."),
    "other_contract_type": gettext_lazy("For another contract type."),
    "other_customer_group": gettext_lazy("For another customer group."),
    "other_channel": gettext_lazy("For another way of starting."),
}


def trace_rows(trace: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A stored trace with words: the winner first, then each other candidate and why it lost."""
    return [
        {
            **row,
            "place": TariffAssignment.Scope(row["scope"]).label,
            "why": _RESULTS.get(row["result"], row["result"]),
            "is_winner": row["result"] == "applies",
        }
        for row in trace
    ]


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
