"""The money on a Cdr agrees with itself: columns, VAT rates and cost lines. One query, streamed."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from billing.models import Cdr
from billing.selectors.findings import Finding
from common.money import quantum


def broken_totals(now: datetime) -> Iterator[Finding]:
    """Cdrs whose net and VAT are not their gross, whose rates do not sum to it, or whose lines are not its net.

    Lines are unrounded: they may differ from the rounded net by one smallest unit per VAT rate.
    """
    for cdr in Cdr.objects.annotate(of_lines=Sum("lines__net")).order_by("pk").iterator(chunk_size=2000):
        rates = {
            part: sum((Decimal(rate[part]) for rate in cdr.vat_totals), Decimal(0)) for part in ("net", "vat", "gross")
        }
        if cdr.net + cdr.vat != cdr.gross:
            yield _finding(cdr, f"{cdr.net} net and {cdr.vat} VAT are not {cdr.gross} gross")
        if rates != {"net": cdr.net, "vat": cdr.vat, "gross": cdr.gross}:
            yield _finding(cdr, f"its VAT rates sum to {rates['net']} net and {rates['vat']} VAT")
        tolerance = quantum(cdr.currency) * max(len(cdr.vat_totals), 1)
        if abs((cdr.of_lines or Decimal(0)) - cdr.net) > tolerance:
            yield _finding(cdr, f"its lines sum to {cdr.of_lines or 0}, its net is {cdr.net}")


def _finding(cdr: Cdr, detail: str) -> Finding:
    return Finding("cdr_totals_agree", f"cdr {cdr.pk}", detail)
