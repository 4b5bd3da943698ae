"""The tables of docs/pricing.md are true."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from tariffs.domain import jsontext
from tariffs.domain.explain import shown
from tests.tariffs.vectors.loading import FOLDER, cdr_of, rated_by_engine

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pricing.md"
TABLE = re.compile(r"<!-- vectors: (?P<slug>[\w-]+) -->\n(?P<table>(?:\|.*\n)+)")
DEFAULT_DAY = "2026-06-17"


def rows() -> list[tuple[str, dict[str, str]]]:
    found = []
    for match in TABLE.finditer(PAGE.read_text()):
        heading, _, *body = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in match["table"].splitlines()
        ]
        found += [(match["slug"], dict(zip(heading, cells, strict=True))) for cells in body]
    return found


def test_the_page_has_its_tables() -> None:
    assert len(rows()) == 27


@pytest.mark.parametrize(
    ("slug", "row"), rows(), ids=lambda value: value if isinstance(value, str) else value["session"]
)
def test_a_row_of_the_page(slug: str, row: dict[str, str]) -> None:
    document = jsontext.loads((FOLDER / f"{slug}.json").read_bytes())
    start = row["starts"] if " " in row["starts"] else f"{DEFAULT_DAY} {row['starts']}"
    zone = document["cases"][0]["time_zone"]
    case = {"start_local": start.replace(" ", "T"), "time_zone": zone, "periods": row["periods"].split(", ")}
    if "used this month" in row:
        case["month_to_date_kwh"] = Decimal(row["used this month"].removesuffix(" kWh"))
    if "market prices" in row:
        case["spot_prices"] = [
            [60 * index, 60, Decimal(price)]
            for index, price in enumerate(row["market prices"].split(", "))
            if price != "–"
        ]
    rated = rated_by_engine(document["tariff"], cdr_of(case, document["tariff"]["currency"]), zone)
    assert [shown(rated.exact_total_net), shown(rated.exact_total_gross)] == [
        None if row[side] == "unknown" else Decimal(row[side]) for side in ("before tax", "after tax")
    ]
    if "gross" in row:
        payable = rated.payable()
        assert [payable.net, payable.vat, payable.gross] == [Decimal(row[side]) for side in ("net", "VAT", "gross")]
