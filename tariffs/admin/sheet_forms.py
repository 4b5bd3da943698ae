"""The tariff editor's forms: one for what stands once, one per rule, one per step of a price by quantity.

Every field is text a sheet keeps as it was typed; tariffs.domain.rows_reading judges it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import QueryDict
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _

from tariffs.admin.sheet_words import defect_words
from tariffs.domain import rows_reading
from tariffs.domain.extensions import FeeBase, Needs, TierPeriod
from tariffs.domain.rows import MOST_RULES, MOST_TIERS, PER_HOUR, PER_MINUTE, Cells, Rule, Sheet
from tariffs.domain.rows_reading import CellDefect
from tariffs.domain.spec import ReservationRestriction, TaxIncluded

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def _cell(
    label: "StrOrPromise", help_text: "StrOrPromise" = "", *, kind: str = "text", **attributes: "StrOrPromise"
) -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "portal-input", "autocomplete": "off", **attributes})
    widget.input_type = kind
    return forms.CharField(label=label, help_text=help_text, required=False, widget=widget, strip=False)


def _number(label: "StrOrPromise", help_text: "StrOrPromise" = "", **attributes: "StrOrPromise") -> forms.CharField:
    attributes.setdefault("inputmode", "decimal")
    return _cell(label, help_text, kind="text", **attributes)


def _choice(
    label: "StrOrPromise", choices: Sequence[tuple[str, "StrOrPromise"]], help_text: "StrOrPromise" = ""
) -> forms.ChoiceField:
    select = forms.Select(attrs={"class": "portal-input"})
    return forms.ChoiceField(label=label, choices=choices, help_text=help_text, required=False, widget=select)


_UNITS = ((PER_MINUTE, _("per minute")), (PER_HOUR, _("per hour")))


class GeneralForm(forms.Form):
    """What stands once in a tariff."""

    use_required_attribute = False

    tax_included = _choice(
        _("Prices and VAT"),
        (
            (TaxIncluded.YES.value, _("All prices include VAT")),
            (TaxIncluded.NO.value, _("VAT is added to all prices")),
            (TaxIncluded.NOT_APPLICABLE.value, _("No VAT applies")),
        ),
    )
    min_gross = _number(_("Lowest price, with VAT"))
    min_net = _number(_("Lowest price, before VAT"))
    max_gross = _number(_("Highest price, with VAT"))
    max_net = _number(_("Highest price, before VAT"))
    fee_flat = _number(_("Amount per session"))
    fee_percent = _number(_("Percent"))
    fee_of = _choice(
        _("Percent of"),
        (
            (FeeBase.ALL.value, _("the whole session")),
            (FeeBase.ENERGY.value, _("what the energy costs")),
            (FeeBase.TIME.value, _("what the time costs")),
        ),
    )
    fee_vat = _number(_("VAT %"), placeholder=_("country's"))
    connection_price = _number(_("Fee"), _("Charged once, when the session has reached what stands here."))
    connection_minutes = _number(_("After minutes"), inputmode="numeric")
    connection_kwh = _number(_("After kWh"))
    connection_needs = _choice(
        _("If both are given"), ((Needs.ALL.value, _("both must be reached")), (Needs.ANY.value, _("one is enough")))
    )
    connection_vat = _number(_("VAT %"), placeholder=_("country's"))
    free_kwh = _number(_("First kWh free"), _("Energy of these costs nothing."))
    free_minutes = _number(_("First minutes free"), _("Time and parking cost nothing meanwhile."), inputmode="numeric")
    idle_grace = _number(
        _("Free minutes after charging"), _("Each time the vehicle stops charging."), inputmode="numeric"
    )
    idle_max = _number(_("Parking costs at most"), _("Per session."))
    idle_from = _cell(_("Parking is free from"), kind="time")
    idle_until = _cell(_("until"), _("May pass midnight: 22:00 until 07:00."), kind="time")
    tiers_per = _choice(
        _("Count the energy of"),
        ((TierPeriod.SESSION.value, _("each session")), (TierPeriod.MONTH.value, _("the driver's calendar month"))),
    )
    tiers_vat = _number(_("VAT %"), placeholder=_("country's"))
    spot_series = _cell(_("Price series"), _("Its code under Price series, such as DE-LU."))
    spot_factor = _number(_("times"), _("1 leaves the market price as it is."), placeholder="1")
    spot_markup = _number(_("plus per kWh"), placeholder="0")
    spot_floor = _number(_("at least per kWh"))
    spot_cap = _number(_("at most per kWh"))
    spot_fallback = _number(_("Without a market price, per kWh"), _("Counts as it stands where the series has a gap."))
    spot_vat = _number(_("VAT %"), placeholder=_("country's"))
    usable_from = _cell(_("Usable from (UTC)"), placeholder="2026-12-24 18:00")
    usable_until = _cell(_("Usable until (UTC)"), placeholder="2027-01-01 00:00")


class RuleForm(forms.Form):
    """One rule: prices, and the conditions they share."""

    use_required_attribute = False

    energy_price = _number(_("Price per kWh"))
    energy_vat = _number(_("VAT %"), placeholder=_("country's"))
    energy_step = _number(_("Step, Wh"), placeholder="1", inputmode="numeric")
    time_price = _number(_("Price"))
    time_unit = _choice(_("Unit"), _UNITS)
    time_vat = _number(_("VAT %"), placeholder=_("country's"))
    time_step = _number(_("Step, seconds"), placeholder="1", inputmode="numeric")
    parking_price = _number(_("Price"))
    parking_unit = _choice(_("Unit"), _UNITS)
    parking_vat = _number(_("VAT %"), placeholder=_("country's"))
    parking_step = _number(_("Step, seconds"), placeholder="1", inputmode="numeric")
    flat_price = _number(_("Price per session"))
    flat_vat = _number(_("VAT %"), placeholder=_("country's"))
    flat_step = forms.CharField(required=False, widget=forms.HiddenInput)
    order = forms.CharField(required=False, widget=forms.HiddenInput)

    days = forms.MultipleChoiceField(
        label=_("Days"),
        choices=[(str(day + 1), WEEKDAYS_ABBR[day]) for day in range(7)],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: every day."),
    )
    from_time = _cell(_("From"), kind="time")
    until_time = _cell(_("Until"), _("00:00 is midnight. May pass it: 22:00 until 06:00."), kind="time")
    first_day = _cell(_("First day"), kind="date")
    last_day = _cell(_("Last day"), kind="date")
    min_kwh = _number(_("From kWh"), _("Energy of the session so far."))
    max_kwh = _number(_("Below kWh"))
    after = _cell(_("After"), _("Since the session began, such as 4 h."))
    within = _cell(_("Only within the first"), _("Such as 30 min."))
    min_power = _number(_("From kW"), _("Power the vehicle draws."))
    max_power = _number(_("Below kW"))
    min_current = _number(_("From A"))
    max_current = _number(_("Below A"))
    reservation = _choice(
        _("Prices are for"),
        (
            ("", _("charging sessions")),
            (ReservationRestriction.RESERVATION.value, _("reservations")),
            (ReservationRestriction.RESERVATION_EXPIRES.value, _("reservations nobody used")),
        ),
    )


# The text cells of a rule that say when it applies: the usual ones, and those few rules need.
USUAL_CONDITIONS = ("from_time", "until_time", "first_day", "last_day", "after", "within")
RARE_CONDITIONS = (
    "min_kwh", "max_kwh", "min_power", "max_power", "min_current", "max_current", "reservation",
)  # fmt: skip


class TierForm(forms.Form):
    """One step of an energy price by quantity."""

    use_required_attribute = False

    up_to = _number(_("Up to kWh"), placeholder=_("without end"))
    price = _number(_("Price per kWh"))


@dataclass(frozen=True)
class SheetForms:
    """The forms of one sheet with their defects; `mistakes` counts them."""

    general: GeneralForm
    rules: tuple[RuleForm, ...]
    tiers: tuple[TierForm, ...]
    mistakes: int = 0

    @property
    def most_rules(self) -> bool:
        return len(self.rules) >= MOST_RULES

    @property
    def most_tiers(self) -> bool:
        return len(self.tiers) >= MOST_TIERS


def forms_of(sheet: Sheet, defects: Iterable[CellDefect] = ()) -> SheetForms:
    """The forms that show a sheet, each defect at its field."""
    general = GeneralForm(_prefixed("general", sheet.general), prefix="general")
    rules = []
    for index, rule in enumerate(sheet.rules):
        data = {**_prefixed(f"rule-{index}", rule.cells), f"rule-{index}-days": list(rule.days)}
        rules.append(RuleForm(data, prefix=f"rule-{index}"))
    tiers = [
        TierForm(_prefixed(f"tier-{index}", tier), prefix=f"tier-{index}") for index, tier in enumerate(sheet.tiers)
    ]
    for form in (general, *rules, *tiers):
        form.errors.clear()  # choices and lengths are judged with the rest
    mistakes = 0
    for defect in defects:
        rows: Sequence[forms.Form] = (general,)
        if defect.section != rows_reading.GENERAL:
            rows = rules if defect.section == rows_reading.RULES else tiers
        form = rows[defect.row] if defect.row < len(rows) else general
        known = defect.cell in form.fields
        form.add_error(defect.cell if known else None, defect_words(defect.sentence))
        mistakes += 1
    return SheetForms(general, tuple(rules), tuple(tiers), mistakes)


def sheet_from(sent: QueryDict, currency: str) -> Sheet:
    """The sheet as it was typed, whatever it says."""
    rules = []
    for index in range(_count(sent.get("rules"), MOST_RULES)):
        cells = _cells(sent, f"rule-{index}", [name for name in RuleForm.base_fields if name != "days"])
        rules.append(Rule(cells, tuple(sent.getlist(f"rule-{index}-days"))))
    tiers = [
        _cells(sent, f"tier-{index}", TierForm.base_fields) for index in range(_count(sent.get("tiers"), MOST_TIERS))
    ]
    return Sheet(currency, _cells(sent, "general", GeneralForm.base_fields), tuple(rules), tuple(tiers))


def changed(sheet: Sheet, what: str) -> Sheet:
    """The sheet after a row was added, copied, removed or moved: "rule-add", "rule-up-3", "tier-remove-0"."""
    kind, verb, number = ([*what.split("-"), "", ""])[:3]
    if kind == "rule":
        blank = Rule({name: "" for name in RuleForm.base_fields if name != "days"})
        return Sheet(sheet.currency, sheet.general, _moved(sheet.rules, verb, number, blank, MOST_RULES), sheet.tiers)
    if kind == "tier":
        blank_tier: Cells = {"up_to": "", "price": ""}
        return Sheet(
            sheet.currency, sheet.general, sheet.rules, _moved(sheet.tiers, verb, number, blank_tier, MOST_TIERS)
        )
    return sheet


def _moved(rows: Sequence[Any], verb: str, number: str, blank: Any, most: int) -> tuple[Any, ...]:
    found = list(rows)
    index = int(number) if number.isdecimal() and len(number) < 4 else -1
    if verb == "add" and len(found) < most:
        found.append(blank)
    elif 0 <= index < len(found):
        if verb == "remove":
            del found[index]
        elif verb == "copy" and len(found) < most:
            found.insert(index, found[index])
        elif verb == "up" and index > 0:
            found[index - 1], found[index] = found[index], found[index - 1]
        elif verb == "down" and index + 1 < len(found):
            found[index + 1], found[index] = found[index], found[index + 1]
    return tuple(found)


def _count(text: str | None, most: int) -> int:
    return min(int(text), most) if text and text.isdecimal() and len(text) < 4 else 0


def _cells(sent: QueryDict, prefix: str, names: Iterable[str]) -> dict[str, str]:
    return {name: sent.get(f"{prefix}-{name}", "") for name in names}


def _prefixed(prefix: str, cells: Mapping[str, str]) -> dict[str, Any]:
    return {f"{prefix}-{name}": text for name, text in cells.items()}
