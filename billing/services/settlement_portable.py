"""Reading and writing a settlement through the ORM: right on every database, and what SQLite runs."""

from collections.abc import Mapping, Sequence

from billing.domain.metering import Metered
from billing.domain.plan import AccountState, PostingPlan
from billing.domain.postings import receivable, wallet
from billing.domain.settlement import SYSTEM_CODES, Facts, HeldAmount
from billing.domain.waterfall import AD_HOC, OPEN_ACCESS, Source
from billing.models import Cdr, ChargingSession, CostLine, FundingLeg, Hold, LedgerAccount
from billing.services.accounts import state_of
from billing.services.ledger_writer import write_posting
from billing.services.lots import lower_lots, open_lots
from billing.services.rating import metered_of
from billing.services.settlement_rows import BillRows
from common.errors import IdempotencyConflict
from common.locking import lock_rows
from tariffs.domain.frozen import FrozenInputs


def read_facts(session_ids: Sequence[int]) -> list[Facts]:
    """Lock the sessions and their drivers' accounts and read what their settlement depends on, by id; not of those
    that are not there or not due.

    Locks: the ChargingSessions, then the drivers' LedgerAccounts.
    """
    due = [
        session.pk
        for session in lock_rows(ChargingSession.objects.filter(pk__in=session_ids))
        if (session.status, session.outcome) == (ChargingSession.Status.ENDED, ChargingSession.Outcome.PENDING)
    ]
    sessions = list(
        ChargingSession.objects.filter(pk__in=due)
        .select_related("tariff_version", "connector", "contract__contract_type", "charge_point__location", "ad_hoc")
        .order_by("pk")
    )
    own_keys = {
        account(session.driver_id or 0, session.currency).key
        for session in sessions
        for account in (wallet, receivable)
    }
    states = {row.key: state_of(row) for row in lock_rows(LedgerAccount.objects.filter(key__in=own_keys))}
    currencies = {session.currency for session in sessions}
    system: dict[str, dict[str, AccountState]] = {currency: {} for currency in currencies}
    for row in LedgerAccount.objects.filter(currency__in=currencies, code__in=SYSTEM_CODES, driver=None):
        system[row.currency][row.key] = AccountState(row.pk)
    return [_facts(session, states, system[session.currency]) for session in sessions]


def _billing_model(session: ChargingSession) -> str:
    if session.open_access_id is not None:
        return OPEN_ACCESS
    if hasattr(session, "ad_hoc"):
        return AD_HOC
    return session.contract.contract_type.billing_model if session.contract else ""


def _facts(session: ChargingSession, states: Mapping[str, AccountState], system: Mapping[str, AccountState]) -> Facts:
    purse = states.get(wallet(session.driver_id or 0, session.currency).key)
    own_keys = [account(session.driver_id or 0, session.currency).key for account in (wallet, receivable)]
    contract_type = session.contract.contract_type if session.contract else None
    location = session.charge_point.location
    return Facts(
        session_id=session.pk,
        public_id=str(session.public_id),
        review_reason=session.review_reason,
        driver_id=session.driver_id,
        billing_model=_billing_model(session),
        wallet_use=session.wallet_use or (contract_type.wallet_use if contract_type else ""),
        currency=session.currency,
        vat_percent=session.vat_percent,
        tariff_document=session.tariff_version.document if session.tariff_version else "",
        frozen=FrozenInputs.from_json(session.rating_inputs),
        country=location.country,
        time_zone=location.time_zone,
        metered=_metered(session),
        accounts={**system} | {key: states[key] for key in own_keys if key in states},
        lots=open_lots(purse.id) if purse else [],
        holds=[
            HeldAmount(pk, amount)
            for pk, amount in Hold.objects.filter(
                charging_session=session, source=Hold.Source.WALLET, status=Hold.Status.ACTIVE
            )
            .order_by("pk")
            .values_list("pk", "amount")
        ],
        held_on_card=Hold.objects.filter(
            charging_session=session, source=Hold.Source.CARD, status__in=Hold.OPEN, release_asked_at=None
        )
        .values_list("amount", flat=True)
        .first(),
    )


def _metered(session: ChargingSession) -> Metered | None:
    if session.meter_start_wh is None or session.meter_stop_wh is None:
        return None
    return metered_of(session)


def write_bills(bills: Sequence[tuple[BillRows, PostingPlan | None]]) -> tuple[list[int], list[int]]:
    """Write bills: postings, Cdrs, lines, legs, lots, holds, sessions. The Cdrs' ids in order and all card legs' ids.

    Raises IdempotencyConflict when a key was posted before, which only a session billed twice could do.
    """
    cdr_ids: list[int] = []
    card_legs: list[int] = []
    for rows, plan in bills:
        cdr_id, legs = _write_bill(rows, plan)
        cdr_ids.append(cdr_id)
        card_legs += legs
    return cdr_ids, card_legs


def _write_bill(rows: BillRows, plan: PostingPlan | None) -> tuple[int, list[int]]:
    posted = write_posting(plan) if plan is not None else None
    if plan is not None and posted is None:
        raise IdempotencyConflict
    cdr = Cdr.objects.create(ledger_transaction=posted, **rows["cdr"])
    CostLine.objects.bulk_create(CostLine(cdr=cdr, **line) for line in rows["lines"])
    legs = FundingLeg.objects.bulk_create(FundingLeg(cdr=cdr, **leg) for leg in rows["legs"])
    lower_lots([Source(leg.source, leg.amount, leg.lot_id) for leg in legs if leg.lot_id is not None])
    for hold in rows["holds"]:
        Hold.objects.filter(pk=hold["id"]).update(
            status=hold["status"], captured_amount=hold["captured_amount"], resolved_at=hold["resolved_at"]
        )
    ChargingSession.objects.filter(pk=cdr.charging_session_id).update(
        outcome=ChargingSession.Outcome.BILLED, payment_status=rows["payment_status"]
    )
    return cdr.pk, [leg.pk for leg in legs if leg.source == FundingLeg.Source.CARD]
