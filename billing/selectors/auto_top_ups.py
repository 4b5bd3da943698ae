"""Reading automatic top-ups: which wallets run low, what was charged, how one stands."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import DecimalField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from accounts.models import Contract, ContractType, Driver
from billing.domain.admission import should_warn
from billing.domain.auto_top_ups import Calendar, Limits, calendar_at, wait_until
from billing.models import AutoTopUp, ChargingSession, Hold, LedgerAccount, Payment
from billing.selectors.undecided import undecided_sessions
from billing.selectors.wallets import wallet_of
from common import clock
from common.money import MONEY_DIGITS, MONEY_PLACES

_AMOUNT = DecimalField(max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES)
_NOTHING = Value(Decimal(0), output_field=_AMOUNT)


def is_offered(kind: ContractType) -> bool:
    """True for a prepaid wallet whose contract type lets drivers switch it on."""
    return kind.auto_topup and kind.billing_model == ContractType.BillingModel.WALLET


def is_low(plan: AutoTopUp) -> bool:
    """The wallet less what its running sessions have cost is below the threshold, or one of them nears its end."""
    wallet = wallet_of(plan.driver_id, plan.currency)
    # Of the available money holds are counted out, which may never be spent: what is spent of them counts instead.
    sessions = list(_drawing(plan.driver_id, plan.currency))
    spent = sum((session.live_gross for session in sessions), Decimal(0))
    free = wallet.available.amount
    if free + wallet.reserved.amount - spent < plan.threshold:
        return True
    return any(
        session.status == ChargingSession.Status.ACTIVE
        and session.spend_limit is not None
        and should_warn(cost_gross=session.live_gross, limit=session.spend_limit + free)
        for session in sessions
    )


def _drawing(driver_id: int, currency: str) -> QuerySet[ChargingSession]:
    """Sessions that draw on a wallet and are not billed yet."""
    return undecided_sessions().filter(_holds_wallet(), driver_id=driver_id, currency=currency)


def _holds_wallet() -> Exists:
    return Exists(
        Hold.objects.filter(charging_session=OuterRef("pk"), source=Hold.Source.WALLET, status=Hold.Status.ACTIVE)
    )


def low_wallets(now: datetime) -> QuerySet[AutoTopUp]:
    """Plans to be looked at closely: on, offered, due, nothing under way, and the wallet seems low. One query."""
    own = {"driver": OuterRef("driver"), "currency": OuterRef("currency")}
    posted = LedgerAccount.objects.filter(code=LedgerAccount.Code.WALLET, **own).values("posted")[:1]
    drawing = undecided_sessions().filter(_holds_wallet(), **own).order_by()
    spent = drawing.values("driver").annotate(total=Sum("live_gross")).values("total")
    near_its_end = drawing.filter(
        status=ChargingSession.Status.ACTIVE,
        spend_limit__isnull=False,
        live_gross__gte=F("spend_limit") * Decimal("0.8"),
    )
    offered = Contract.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=now),
        driver=OuterRef("driver"),
        starts_at__lte=now,
        contract_type__auto_topup=True,
        contract_type__billing_model=ContractType.BillingModel.WALLET,
        contract_type__currency=OuterRef("currency"),
    )
    under_way = Payment.objects.filter(
        driver=OuterRef("driver"), purpose=Payment.Purpose.TOP_UP, status__in=Payment.OPEN
    )
    return (
        AutoTopUp.objects.filter(
            Exists(offered),
            ~Exists(under_way),
            Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now),
            status=AutoTopUp.Status.ON,
            driver__status=Driver.Status.ACTIVE,
        )
        .annotate(
            left=Coalesce(Subquery(posted), _NOTHING, output_field=_AMOUNT)
            - Coalesce(Subquery(spent), _NOTHING, output_field=_AMOUNT)
        )
        .filter(Q(left__lt=F("threshold")) | Exists(near_its_end))
    )


def limits_of(plan: AutoTopUp, calendar: Calendar) -> Limits:
    """What was charged automatically in these local days and months, what is under way among it. One query."""
    counted = Payment.objects.filter(
        driver_id=plan.driver_id,
        currency=plan.currency,
        is_automatic=True,
        status__in=[*Payment.OPEN, Payment.Status.SUCCEEDED],
        created_at__gte=calendar.month,
    ).values_list("created_at", "amount")
    rows = list(counted)
    return Limits(
        amount=plan.amount,
        max_per_day=plan.max_per_day,
        max_per_month=plan.max_per_month,
        spent_today=sum((amount for at, amount in rows if at >= calendar.day), Decimal(0)),
        spent_this_month=sum((amount for _at, amount in rows), Decimal(0)),
    )


@dataclass(frozen=True, slots=True)
class AutoTopUpStanding:
    """A plan as driver and operator see it: what was charged this local day and month, and when another one fits.

    `waits_until` is empty while one could be made now.
    """

    plan: AutoTopUp
    spent_today: Decimal
    spent_this_month: Decimal
    waits_until: datetime | None
    is_offered: bool

    @property
    def is_on(self) -> bool:
        return self.plan.status == AutoTopUp.Status.ON


def auto_top_up_of(driver_id: int, kind: ContractType | None) -> AutoTopUpStanding | None:
    """The plan of the wallet of the contract in force (`kind`); None when none was ever made."""
    if kind is None:
        return None
    plan = AutoTopUp.objects.filter(driver_id=driver_id, currency=kind.currency).first()
    if plan is None:
        return None
    now = clock.now()
    calendar = calendar_at(now, settings.TIME_ZONE)
    limits = limits_of(plan, calendar)
    moments = [moment for moment in (plan.next_attempt_at, wait_until(limits, calendar)) if moment and moment > now]
    return AutoTopUpStanding(
        plan=plan,
        spent_today=limits.spent_today,
        spent_this_month=limits.spent_this_month,
        waits_until=max(moments, default=None),
        is_offered=is_offered(kind),
    )
