"""The lines on paper end on the totals that were charged, and say so when rounding stood between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.currencies import quantize_amount
from invoicing.domain.lines import PaperLine, RatedLine, RateTotal, paper_lines, with_vat
from invoicing.errors import LinesDoNotAddUp


def rated(
    kind: str, net: str, *, vat: str = "19", quantity: str = "1", price: str = "1", detail: str = ""
) -> RatedLine:
    return RatedLine(kind, detail, Decimal(quantity), "1", Decimal(price), Decimal(vat), Decimal(net))


def total(net: str, vat: str, gross: str, percent: str = "19") -> RateTotal:
    return RateTotal(Decimal(percent), Decimal(net), Decimal(vat), Decimal(gross))


def amounts(lines: list[PaperLine]) -> list[tuple[str, str]]:
    return [(line.kind, str(line.gross)) for line in lines]


def test_lines_that_fit_need_no_rounding_line():
    lines = paper_lines(
        [rated("ENERGY", "7.731092437"), rated("FLAT", "0.840336134")], [total("8.57", "1.63", "10.20")], "EUR"
    )
    assert amounts(lines) == [("ENERGY", "9.20"), ("FLAT", "1.00")]


def test_a_cent_lost_in_rounding_is_a_line_of_its_own():
    # Three lines of 0.336 with VAT print as 0.34 each; together they cost 1.008, which is 1.01.
    lines = paper_lines(
        [rated(kind, "0.282352941") for kind in ("ENERGY", "TIME", "FLAT")], [total("0.85", "0.16", "1.01")], "EUR"
    )
    assert amounts(lines) == [("ENERGY", "0.34"), ("TIME", "0.34"), ("FLAT", "0.34"), ("ROUNDING", "-0.01")]
    assert lines[-1].net == 0


def test_each_rate_ends_on_its_own_total():
    lines = paper_lines(
        [rated("ENERGY", "1.004", vat="19"), rated("PARKING_TIME", "2.004", vat="7")],
        [total("1.00", "0.19", "1.19"), total("2.00", "0.14", "2.14", "7")],
        "EUR",
    )
    assert amounts(lines) == [("ENERGY", "1.19"), ("PARKING_TIME", "2.14")]


def test_half_a_cent_is_rounded_up_although_the_cdr_keeps_nine_places():
    # 4.905 with VAT is 4.121848739... without: kept as nine places it comes back as 4.90499999941.
    lines = paper_lines([rated("ENERGY", "4.121848739")], [total("4.13", "0.78", "4.91")], "EUR")
    assert amounts(lines) == [("ENERGY", "4.91")]


def test_the_same_price_twice_is_one_line():
    lines = paper_lines(
        [
            rated("ENERGY", "1.00", quantity="2", price="0.5950"),
            rated("TIME", "1.00"),
            rated("ENERGY", "2.00", quantity="4", price="0.5950"),
            rated("ENERGY", "1.00", quantity="2", price="0.5950", detail="18:00–22:00"),
        ],
        [total("5.00", "0.95", "5.95")],
        "EUR",
    )
    assert [(line.kind, line.quantity, str(line.gross)) for line in lines] == [
        ("ENERGY", Decimal(6), "3.57"),
        ("TIME", Decimal(1), "1.19"),
        ("ENERGY", Decimal(2), "1.19"),
    ]


def test_a_currency_without_decimals():
    assert amounts(paper_lines([rated("ENERGY", "100.4", vat="10")], [total("100", "10", "110", "10")], "JPY")) == [
        ("ENERGY", "110")
    ]


@pytest.mark.parametrize(
    ("lines", "totals"),
    [
        ([rated("ENERGY", "1.00")], [total("1.03", "0.19", "1.22")]),  # three cents is not rounding
        ([rated("ENERGY", "1.00", vat="7")], [total("1.00", "0.19", "1.19")]),  # taxed at a rate without total
        ([], [total("1.00", "0.19", "1.19")]),  # a total of nothing
    ],
)
def test_lines_that_do_not_make_the_total_are_refused(lines, totals):
    with pytest.raises(LinesDoNotAddUp):
        paper_lines(lines, totals, "EUR")


@given(
    st.lists(
        st.tuples(
            st.decimals("-50", "500", places=9), st.sampled_from([Decimal(19), Decimal(7), Decimal("5.5"), Decimal(0)])
        ),
        min_size=1,
        max_size=40,
    )
)
def test_lines_and_roundings_always_sum_to_the_totals(parts):
    lines = [RatedLine(f"KIND{i}", "", Decimal(1), "1", net, vat, net) for i, (net, vat) in enumerate(parts)]
    totals = []
    for percent in sorted({vat for _, vat in parts}):
        net = quantize_amount(sum((net for net, vat in parts if vat == percent), Decimal(0)), "EUR")
        vat_amount = quantize_amount(net * percent / 100, "EUR")
        totals.append(RateTotal(percent, net, vat_amount, net + vat_amount))
    paper = paper_lines(lines, totals, "EUR")
    for row in totals:
        assert sum(line.gross for line in paper if line.vat_percent == row.vat_percent) == row.gross
    assert all(line.gross == quantize_amount(line.gross, "EUR") for line in paper)


def test_with_vat():
    assert with_vat(Decimal("0.40"), Decimal(19)) == Decimal("0.476")
