"""What a driver owes that keeps new sessions from starting, and who is exempt from that."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum

from accounts.models import ContractType
from billing.domain.admission import debt_limit
from billing.models import DebtExemption, FundingLeg, PaymentMethod
from billing.providers.registry import least_charge

State = FundingLeg.State


@dataclass(frozen=True, slots=True)
class DebtStanding:
    """How a driver stands with the debt policy of a contract type. `limit` is None where no debt ever blocks.

    `debt` is what counts: tried in vain, covered by no source, or waiting for a card there is not.
    """

    debt: Decimal
    limit: Decimal | None
    exemption: DebtExemption | None
    currency: str

    @property
    def is_over(self) -> bool:
        """More is unpaid than the policy lets pass; what no card would be charged alone never is."""
        return self.limit is not None and self.debt > self.limit and self.debt >= least_charge(self.currency)

    @property
    def blocks(self) -> bool:
        return self.is_over and self.exemption is None


def debt_standing(driver_id: int, kind: ContractType, at: datetime) -> DebtStanding:
    """A driver's standing at `at`. Two or three queries, one where no debt blocks."""
    limit = debt_limit(kind.debt_policy)
    debt = Decimal(0) if limit is None else _counted(driver_id)
    return DebtStanding(debt, limit, exemption_in_force(driver_id, at) if debt else None, kind.currency)


def _counted(driver_id: int) -> Decimal:
    failed = [State.RETRYING, State.REQUIRES_ACTION, State.UNCOLLECTIBLE]
    owed = Q(state__in=failed) | Q(state=State.DUE, source=FundingLeg.Source.DEBT)
    if not PaymentMethod.objects.filter(driver_id=driver_id, status=PaymentMethod.Status.ACTIVE).exists():
        owed |= Q(state=State.DUE, source=FundingLeg.Source.CARD)
    legs = FundingLeg.objects.filter(owed, cdr__charging_session__driver_id=driver_id)
    return legs.aggregate(total=Sum(F("amount") - F("refunded")))["total"] or Decimal(0)


def exemptions_in_force(driver_id: int, at: datetime) -> QuerySet[DebtExemption]:
    return DebtExemption.objects.filter(driver_id=driver_id, starts_at__lte=at, ends_at__gt=at).order_by("-ends_at")


def exemption_in_force(driver_id: int, at: datetime) -> DebtExemption | None:
    """The exemption from the debt block that counts at `at`, the one that lasts longest; None without one."""
    return exemptions_in_force(driver_id, at).first()


def is_enough_together(legs: Iterable[FundingLeg]) -> bool:
    """True when one of these legs, or all that are due together, is as much as a card is charged."""
    totals: dict[str, Decimal] = {}
    for leg in legs:
        if leg.left >= least_charge(leg.cdr.currency):
            return True
        totals[leg.cdr.currency] = totals.get(leg.cdr.currency, Decimal(0)) + leg.left
    return any(total >= least_charge(currency) for currency, total in totals.items())


def small_legs(currencies: Iterable[str]) -> Q:
    """Legs too small to be charged alone, in these currencies."""
    small = Q(pk__in=[])
    for currency in currencies:
        small |= Q(cdr__currency=currency, amount__lt=F("refunded") + least_charge(currency))
    return small
