"""Reading what a session costs by what is known at a moment, what was paid for it in the end, what a correction is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.models import Cdr, CdrRevision, ChargingSession, PriceCorrection, SessionCorrection, SessionRefund
from common.money import MONEY_DIGITS, MONEY_PLACES, quantize_amount

State = SessionCorrection.State


@dataclass(frozen=True, slots=True)
class CorrectionTotals:
    """What a correction comes to: how many sessions in each state, and sums with VAT.

    `refund` goes back or went back; `covered` had been given back before; `waived` would be owed and is not asked for.
    """

    currency: str
    counts: dict[str, int]
    before: Decimal
    after: Decimal
    refund: Decimal
    covered: Decimal
    waived: Decimal

    @property
    def sessions(self) -> int:
        return sum(self.counts.values())


def price_known(cdr: Cdr, at: datetime | None = None) -> Cdr | CdrRevision:
    """The session's price as it was known at `at` (default: now): its Cdr, or the last revision of it by then."""
    revisions = cdr.revisions.order_by("-number")
    if at is not None:
        revisions = revisions.filter(created_at__lte=at)
    return revisions.first() or cdr


class _Amount(DecimalField):
    """A computed amount. SQLite computes in floating point; what comes out is an amount again."""

    def __init__(self) -> None:
        super().__init__(max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES)

    def from_db_value(self, value: Decimal | None, *_others: object) -> Decimal | None:
        return None if value is None else value.quantize(Decimal(1).scaleb(-MONEY_PLACES))


def with_final_price(sessions: QuerySet[ChargingSession]) -> QuerySet[ChargingSession]:
    """Sessions with `final_net`, `final_vat`, `final_gross`: what was billed less all that was given back (None: not
    billed), and `is_corrected`: its price was corrected. No further query.
    """

    def final(column: str) -> Any:
        refunds = SessionRefund.objects.filter(cdr__charging_session=OuterRef("pk")).order_by().values("cdr")
        back = Subquery(refunds.annotate(total=Sum(column)).values("total"), output_field=_Amount())
        left = F(f"cdr__{column}") - Coalesce(back, Decimal(0), output_field=_Amount())
        return ExpressionWrapper(left, output_field=_Amount())

    revisions = CdrRevision.objects.filter(cdr__charging_session=OuterRef("pk"))
    return sessions.annotate(
        final_net=final("net"), final_vat=final("vat"), final_gross=final("gross"), is_corrected=Exists(revisions)
    )


def totals_of(correction: PriceCorrection) -> CorrectionTotals:
    """One query, however many sessions. What changed since the preview is left out of the sums."""
    rows: dict[str, Mapping[str, Any]] = {
        str(row["state"]): row
        for row in correction.sessions.order_by()
        .values("state")
        .annotate(
            count=Count("pk"), old=Sum("old_gross"), new=Sum("new_gross"), back=Sum("refund"), given=Sum("covered")
        )
    }

    def total(column: str, *states: str) -> Decimal:
        parts = [rows[state][column] or Decimal(0) for state in states if state in rows]
        return quantize_amount(sum(parts, Decimal(0)), correction.tariff.currency)

    priced = (State.PLANNED, State.APPLIED, State.UNCHANGED, State.WAIVED)
    return CorrectionTotals(
        currency=correction.tariff.currency,
        counts={state: row["count"] for state, row in rows.items()},
        before=total("old", *priced),
        after=total("new", *priced),
        refund=total("back", State.PLANNED, State.APPLIED),
        covered=total("given", State.PLANNED, State.APPLIED),
        waived=total("new", State.WAIVED) - total("old", State.WAIVED),
    )
