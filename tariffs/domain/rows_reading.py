"""What a person typed into a sheet, read back: a TariffSpec, or every defect with the cell it is in.

The cells become an OCPI document and `ocpi.parse_tariff` judges it, so what a tariff may say is decided in one place; a
defect's path leads back to the cell its value came from.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from common.errors import BadInput
from tariffs.domain.extensions_json import EXTENSION_KEY
from tariffs.domain.ocpi import WEEKDAYS, parse_tariff
from tariffs.domain.rows import LIMITED, MINUTES_PER_HOUR, PER_HOUR, SLOTS, TIMED, Cells, Rule, Sheet
from tariffs.domain.spec import TariffSpec

GENERAL = "general"
RULES = "rules"
TIERS = "tiers"

NOT_A_NUMBER = "must be a number such as 0.49"
NOT_A_DURATION = "must be a duration such as 90 min or 1 h 30 min"
NOT_A_DAY = "must be a date such as 2026-12-24"
PRICE_MISSING = "needs a price, or must be empty"
NO_RULE = "must have at least one price"

_SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "m": 60, "s": 1, "": 60}
_DURATION = re.compile(r"([0-9]{1,9})\s*(d|h|min|m|s)(?![a-z])\s*")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?|[+-]?\.[0-9]{1,30}")
_SECTIONS = {
    "service_fee": ("fee_flat", "fee_percent", "fee_vat"),
    "idle": ("idle_grace", "idle_max", "idle_from", "idle_until"),
    "connection_fee": ("connection_price", "connection_minutes", "connection_kwh", "connection_vat"),
    "free": ("free_kwh", "free_minutes"),
    "spot": ("spot_series", "spot_factor", "spot_markup", "spot_floor", "spot_cap", "spot_fallback", "spot_vat"),
}
# Cells of a rule that say nothing by themselves.
_SILENT = frozenset({"order", "time_unit", "parking_unit", "flat_step"})


@dataclass(frozen=True)
class CellDefect:
    """What is wrong, and where: the section, the row in it, and the cell; no cell for the row as a whole."""

    section: str
    row: int
    cell: str
    sentence: str


class SheetMistakes(BadInput):
    """The cells do not make a tariff; `defects` says which and why."""

    code = "sheet_mistakes"

    def __init__(self, defects: Iterable[CellDefect]) -> None:
        self.defects = tuple(defects)
        super().__init__(details=[f"{d.section}[{d.row}].{d.cell}: {d.sentence}" for d in self.defects])


def spec_of(sheet: Sheet) -> TariffSpec:
    """The tariff that a sheet says; rows nobody filled in are left out. Raises SheetMistakes with every defect."""
    return _Reader(sheet).spec()


def cell_of_path(spec_path: str, sheet: Sheet) -> tuple[str, int, str]:
    """Section, row and cell of a path in the document of `sheet`, such as "tariff.elements[2].restrictions.max_kwh"."""
    reader = _Reader(sheet)
    reader.document()
    return reader.place(spec_path)


def parse_number(text: str) -> Decimal | None:
    """A number with a decimal point or a decimal comma; None for what is none."""
    text = text.strip().replace("\N{NO-BREAK SPACE}", "")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def parse_duration(text: str) -> int | None:
    """Seconds of "1 h 30 min", "90 s" or, in minutes, "90"; None for what is no duration."""
    text = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text) * _SECONDS["min"]
    seconds, at = 0, 0
    while at < len(text):
        part = _DURATION.match(text, at)
        if part is None:
            return None
        seconds += int(part[1]) * _SECONDS[part[2]]
        at = part.end()
    return seconds if text else None


class _Reader:
    """Fills a document from cells and remembers where each value came from."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.defects: list[CellDefect] = []
        self.places: dict[str, tuple[str, int, str]] = {
            "tariff": (GENERAL, 0, ""),
            "tariff.tax_included": (GENERAL, 0, "tax_included"),
        }

    def spec(self) -> TariffSpec:
        document = self.document()
        spec = None
        try:
            spec = parse_tariff(document)
        except BadInput as error:
            unreadable = {(defect.section, defect.row, defect.cell) for defect in self.defects}
            for detail in error.details:
                path, _colon, sentence = detail.partition(": ")
                self._judge(path, sentence, unreadable)
        if self.defects or spec is None:
            raise SheetMistakes(self.defects)
        return spec

    def place(self, path: str) -> tuple[str, int, str]:
        while path not in self.places:
            shorter = re.sub(r"(\.[^.\[]+|\[\d+\])$", "", path)
            path = "tariff" if shorter == path else shorter
        return self.places[path]

    def _judge(self, path: str, sentence: str, unreadable: Collection[tuple[str, int, str]]) -> None:
        """Add a defect of the document, unless its cell could not even be read."""
        section, row, cell = self.place(path)
        if path == "tariff.elements":
            sentence = NO_RULE
        if (section, row, cell) in unreadable:
            return
        self.defects.append(CellDefect(section, row, cell, sentence))

    def document(self) -> dict[str, Any]:
        general = self.sheet.general
        document: dict[str, Any] = {
            "currency": self.sheet.currency,
            "tax_included": general.get("tax_included") or None,
        }
        for which in ("min", "max"):
            path = f"tariff.{which}_price"
            self.places[path] = (GENERAL, 0, f"{which}_gross")
            limit = {
                "before_taxes": self._number(GENERAL, 0, general, f"{which}_net", f"{path}.before_taxes"),
                "after_taxes": self._number(GENERAL, 0, general, f"{which}_gross", f"{path}.after_taxes"),
            }
            if any(general.get(f"{which}_{side}") for side in ("net", "gross")):
                document[f"{which}_price"] = limit
        for cell, key in (("usable_from", "start_date_time"), ("usable_until", "end_date_time")):
            self.places[f"tariff.{key}"] = (GENERAL, 0, cell)
            text = general.get(cell, "").strip()
            document[key] = text.replace(" ", "T") or None
        document["elements"] = self._elements()
        document[EXTENSION_KEY] = self._extensions() or None
        return document

    # --- Rules --------------------------------------------------------------------------------------------------------

    def _elements(self) -> list[dict[str, Any]]:
        elements: list[dict[str, Any]] = []
        self.places["tariff.elements"] = (GENERAL, 0, "")
        for row, rule in enumerate(self.sheet.rules):
            if not rule.days and not any(text.strip() for cell, text in rule.cells.items() if cell not in _SILENT):
                continue
            path = f"tariff.elements[{len(elements)}]"
            self.places[path] = (RULES, row, "")
            elements.append({
                "price_components": self._components(row, rule.cells, f"{path}.price_components"),
                "restrictions": self._restrictions(row, rule, f"{path}.restrictions"),
            })  # fmt: skip
        return elements

    def _components(self, row: int, cells: Cells, path: str) -> list[dict[str, Any]]:
        self.places[path] = (RULES, row, "")
        components: list[dict[str, Any]] = []
        kept = [slot for slot in cells.get("order", "").split(",") if slot in SLOTS]
        for slot in [*dict.fromkeys(kept), *(slot for slot in SLOTS if slot not in kept)]:
            at = f"{path}[{len(components)}]"
            price = cells.get(f"{slot}_price", "").strip()
            if not price:
                said = [
                    cells.get(f"{slot}_{cell}", "").strip()
                    for cell in ("vat", "step")
                    if f"{slot}_{cell}" not in _SILENT
                ]
                if any(said):
                    self.defects.append(CellDefect(RULES, row, f"{slot}_price", PRICE_MISSING))
                continue
            self.places[at] = (RULES, row, f"{slot}_price")
            amount = self._number(RULES, row, cells, f"{slot}_price", f"{at}.price")
            if amount is not None and slot in TIMED and cells.get(f"{slot}_unit") != PER_HOUR:
                amount *= MINUTES_PER_HOUR
            step = self._number(RULES, row, cells, f"{slot}_step", f"{at}.step_size")
            components.append(
                {
                    "type": SLOTS[slot].value,
                    "price": amount,
                    "vat": self._number(RULES, row, cells, f"{slot}_vat", f"{at}.vat"),
                    "step_size": 1 if step is None else step,
                }
            )
        return components

    def _restrictions(self, row: int, rule: Rule, path: str) -> dict[str, Any] | None:
        cells = rule.cells
        found: dict[str, Any] = {}
        for key, cell in (("start_time", "from_time"), ("end_time", "until_time"), ("reservation", "reservation")):
            found[key] = self._text(RULES, row, cells, cell, f"{path}.{key}")
        found["start_date"] = self._day(row, cells, "first_day", f"{path}.start_date")
        found["end_date"] = self._day(row, cells, "last_day", f"{path}.end_date", later=timedelta(days=1))
        for key, cell in (("min_duration", "after"), ("max_duration", "within")):
            found[key] = self._duration(row, cells, cell, f"{path}.{key}")
        for quantity in LIMITED:
            for side in ("min", "max"):
                cell = f"{side}_{quantity}"
                found[cell] = self._number(RULES, row, cells, cell, f"{path}.{cell}")
        self.places[f"{path}.day_of_week"] = (RULES, row, "days")
        known = [str(day) for day in range(1, 8)]
        found["day_of_week"] = [WEEKDAYS[int(day) - 1] if day in known else day for day in rule.days]
        return found

    # --- Named extensions ---------------------------------------------------------------------------------------------

    def _extensions(self) -> dict[str, Any]:
        general = self.sheet.general
        at = f"tariff.{EXTENSION_KEY}"
        found: dict[str, Any] = {}
        for name, cells in _SECTIONS.items():
            self.places[f"{at}.{name}"] = (GENERAL, 0, cells[0])
            if any(general.get(cell, "").strip() for cell in cells):
                found[name] = self._section(name)
        tiers = self._tiers(f"{at}.energy_tiers")
        if tiers or general.get("tiers_vat", "").strip():
            found["energy_tiers"] = {
                "per": general.get("tiers_per") or None,
                "vat": self._general("tiers_vat", "energy_tiers.vat"),
                "tiers": tiers,
            }
        return found

    def _section(self, name: str) -> dict[str, Any]:
        general = self.sheet.general
        if name == "service_fee":
            section = {
                "flat": self._general("fee_flat", "service_fee.flat"),
                "percent": self._general("fee_percent", "service_fee.percent"),
                "vat": self._general("fee_vat", "service_fee.vat"),
            }
            has_percent = general.get("fee_percent", "").strip()
            return section | ({"of": general.get("fee_of") or None} if has_percent else {})
        if name == "connection_fee":
            return {
                "price": self._general("connection_price", "connection_fee.price"),
                "after_minutes": self._general("connection_minutes", "connection_fee.after_minutes"),
                "after_kwh": self._general("connection_kwh", "connection_fee.after_kwh"),
                "needs": general.get("connection_needs") or None,
                "vat": self._general("connection_vat", "connection_fee.vat"),
            }
        if name == "free":
            return {
                "kwh": self._general("free_kwh", "free.kwh"),
                "minutes": self._general("free_minutes", "free.minutes"),
            }
        at = f"tariff.{EXTENSION_KEY}"
        if name == "idle":
            return {
                "grace_minutes": self._general("idle_grace", "idle.grace_minutes"),
                "max_amount": self._general("idle_max", "idle.max_amount"),
                "free_from": self._text(GENERAL, 0, general, "idle_from", f"{at}.idle.free_from"),
                "free_until": self._text(GENERAL, 0, general, "idle_until", f"{at}.idle.free_until"),
            }
        numbers = ("factor", "markup", "floor", "cap", "fallback", "vat")
        return {"series": self._text(GENERAL, 0, general, "spot_series", f"{at}.spot.series")} | {
            key: self._general(f"spot_{key}", f"spot.{key}") for key in numbers
        }

    def _tiers(self, path: str) -> list[dict[str, Any]]:
        tiers: list[dict[str, Any]] = []
        self.places[path] = self.places[f"{path}.tiers"] = (TIERS, 0, "")
        self.places[f"{path}.per"] = (GENERAL, 0, "tiers_per")
        for row, cells in enumerate(self.sheet.tiers):
            if not any(text.strip() for text in cells.values()):
                continue
            at = f"{path}.tiers[{len(tiers)}]"
            self.places[at] = (TIERS, row, "")
            tiers.append(
                {
                    "up_to_kwh": self._number(TIERS, row, cells, "up_to", f"{at}.up_to_kwh"),
                    "price": self._number(TIERS, row, cells, "price", f"{at}.price"),
                }
            )
        return tiers

    # --- Cells --------------------------------------------------------------------------------------------------------

    def _general(self, cell: str, key: str) -> Decimal | None:
        return self._number(GENERAL, 0, self.sheet.general, cell, f"tariff.{EXTENSION_KEY}.{key}")

    def _text(self, section: str, row: int, cells: Mapping[str, str], cell: str, path: str) -> str | None:
        self.places[path] = (section, row, cell)
        return cells.get(cell, "").strip() or None

    def _number(self, section: str, row: int, cells: Mapping[str, str], cell: str, path: str) -> Decimal | None:
        text = self._text(section, row, cells, cell, path)
        if text is None:
            return None
        value = parse_number(text)
        if value is None:
            self.defects.append(CellDefect(section, row, cell, NOT_A_NUMBER))
        return value

    def _duration(self, row: int, cells: Mapping[str, str], cell: str, path: str) -> int | None:
        text = self._text(RULES, row, cells, cell, path)
        if text is None:
            return None
        seconds = parse_duration(text)
        if seconds is None:
            self.defects.append(CellDefect(RULES, row, cell, NOT_A_DURATION))
        return seconds

    def _day(
        self, row: int, cells: Mapping[str, str], cell: str, path: str, *, later: timedelta = timedelta()
    ) -> str | None:
        text = self._text(RULES, row, cells, cell, path)
        if text is None:
            return None
        try:
            return (date.fromisoformat(text) + later).isoformat()
        except (ValueError, OverflowError):
            self.defects.append(CellDefect(RULES, row, cell, NOT_A_DAY))
            return None
