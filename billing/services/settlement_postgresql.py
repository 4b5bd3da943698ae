"""Reading and writing a settlement on PostgreSQL: one locked read, one more read, one statement that writes it all.

Row by row through the ORM the same settlement takes some forty statements. What is decided in between is the same code
as everywhere (billing.domain.settlement); tests hold both against each other.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.domain.chain import Tip
from billing.domain.metering import Metered, Reading
from billing.domain.plan import AccountState, PostingPlan
from billing.domain.settlement import Facts, HeldAmount
from billing.domain.waterfall import Lot
from billing.models import ChargingSession
from billing.services.ledger_writer import POSTING_CTES, posting_document
from billing.services.prepared import as_json, fetch_prepared
from billing.services.settlement_rows import BillRows
from common.errors import IdempotencyConflict
from tariffs.domain.frozen import FrozenInputs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# First the session, then its driver's accounts by key: one statement, so one way to the server. What else is read must
# not be read here: after waiting for the lock this statement would still see what was there before the wait.
_LOCK = """
WITH locked AS MATERIALIZED (
    SELECT public_id, status, outcome, review_reason, driver_id, currency, vat_percent, rating_inputs,
        started_at, ended_at, stopped_at, meter_start_wh, meter_stop_wh
    FROM billing_chargingsession WHERE id = %s FOR NO KEY UPDATE
), owned AS MATERIALIZED (
    SELECT id, key, entry_count, posted, last_hash, pending, overdraft FROM billing_ledgeraccount
    WHERE driver_id = (SELECT driver_id FROM locked) AND currency = (SELECT currency FROM locked)
        AND code IN ('wallet', 'receivable')
    ORDER BY id FOR NO KEY UPDATE
)
SELECT json_build_array(
    public_id, status, outcome, review_reason, driver_id, currency, vat_percent::text, rating_inputs,
    extract(epoch FROM started_at)::text, extract(epoch FROM ended_at)::text, extract(epoch FROM stopped_at)::text,
    meter_start_wh::text, meter_stop_wh::text,
    (
        SELECT json_agg(json_build_array(
            id, key, entry_count, posted::text, last_hash, pending::text, overdraft::text
        )) FROM owned
    )
)::text FROM locked
"""

_READ = """
SELECT json_build_array(
    contract_type.billing_model, contract_type.wallet_use, version.document, location.country, location.time_zone,
    connector.max_power_w,
    (
        SELECT json_agg(json_build_array(extract(epoch FROM occurred_at)::text, measurand, value::text)
            ORDER BY occurred_at, id)
        FROM billing_metervalue
        WHERE charging_session_id = session.id AND phase = '' AND occurred_at <= session.ended_at
            AND measurand IN ('energy_wh', 'power_w', 'current_a', 'charging')
    ),
    (
        SELECT json_agg(json_build_array(
            lot.id, lot.kind, lot.remaining::text, extract(epoch FROM lot.expires_at)::text
        ))
        FROM billing_walletlot lot JOIN billing_ledgeraccount wallet ON wallet.id = lot.account_id
        WHERE wallet.driver_id = session.driver_id AND wallet.currency = session.currency
            AND wallet.code = 'wallet' AND lot.remaining > 0
    ),
    (
        SELECT json_agg(json_build_array(id, amount::text) ORDER BY id) FROM billing_hold
        WHERE charging_session_id = session.id AND source = 'wallet' AND status = 'active'
    ),
    (
        SELECT json_agg(json_build_array(id, key)) FROM billing_ledgeraccount
        WHERE currency = session.currency AND code IN (
            'revenue_energy', 'revenue_time', 'revenue_fees', 'vat_payable', 'open_access_expense'
        )
    )
)::text
FROM billing_chargingsession session
JOIN locations_chargepoint charge_point ON charge_point.id = session.charge_point_id
JOIN locations_location location ON location.id = charge_point.location_id
LEFT JOIN locations_connector connector ON connector.id = session.connector_id
LEFT JOIN accounts_contract contract ON contract.id = session.contract_id
LEFT JOIN accounts_contracttype contract_type ON contract_type.id = contract.contract_type_id
LEFT JOIN tariffs_tariffversion version ON version.id = session.tariff_version_id
WHERE session.id = %s
"""

_BILL_CTES = """
, cdr AS (
    INSERT INTO billing_cdr
        (ledger_transaction_id, public_id, charging_session_id, currency, net, vat, gross, vat_totals, energy_wh,
        duration_seconds, tariff_digest, rating_digest, periods, created_at)
    SELECT tx.id, (doc ->> 'public_id')::uuid, c.* FROM tx, plan, jsonb_to_record(doc -> 'cdr') AS c(
        charging_session_id int, currency text, net numeric, vat numeric, gross numeric,
        vat_totals jsonb, energy_wh numeric, duration_seconds int, tariff_digest text, rating_digest text,
        periods jsonb, created_at timestamptz
    )
    RETURNING id
), lines AS (
    INSERT INTO billing_costline
        (cdr_id, seq, kind, quantity, unit, unit_price, vat_percent, net, explanation)
    SELECT cdr.id, line.* FROM cdr, plan, jsonb_to_recordset(doc -> 'lines') AS line(
        seq int, kind text, quantity numeric, unit text, unit_price numeric, vat_percent numeric, net numeric,
        explanation jsonb
    )
), legs AS (
    INSERT INTO billing_fundingleg (cdr_id, seq, source, lot_id, amount, state)
    SELECT cdr.id, leg.* FROM cdr, plan, jsonb_to_recordset(doc -> 'legs') AS leg(
        seq int, source text, lot_id bigint, amount numeric, state text
    )
    RETURNING id, source
), lots AS (
    UPDATE billing_walletlot AS lot SET remaining = lot.remaining - drawn.amount
    FROM cdr, plan, jsonb_to_recordset(doc -> 'legs') AS drawn(lot_id bigint, amount numeric)
    WHERE lot.id = drawn.lot_id
), holds AS (
    UPDATE billing_hold AS hold
    SET status = resolved.status, captured_amount = resolved.captured_amount, resolved_at = resolved.resolved_at
    FROM cdr, plan, jsonb_to_recordset(doc -> 'holds') AS resolved(
        id bigint, status text, captured_amount numeric, resolved_at timestamptz
    )
    WHERE hold.id = resolved.id
), session AS (
    UPDATE billing_chargingsession AS session
    SET outcome = 'billed', payment_status = doc ->> 'payment_status'
    FROM cdr, plan WHERE session.id = (doc -> 'cdr' -> 'charging_session_id')::int
)
SELECT cdr.id, (SELECT array_agg(id) FROM legs WHERE source = 'card') FROM cdr
"""
_WRITE = f"WITH {POSTING_CTES}{_BILL_CTES}"
# Nothing payable, nothing posted: the Cdr stands without a ledger transaction.
_WRITE_UNPOSTED = f"WITH plan AS MATERIALIZED (SELECT %s::jsonb AS doc), tx AS (SELECT NULL::bigint AS id){_BILL_CTES}"


def read_facts(session_id: int) -> Facts | None:
    """Lock the session and its driver's accounts and read what its settlement depends on; None when it is not due.

    Locks: the ChargingSession, then the driver's LedgerAccounts. Raises ChargingSession.DoesNotExist.
    """
    locked = _fetch_array(_LOCK, session_id)
    public_id, status, outcome, review_reason, driver_id, currency, vat_percent, inputs, *meter, accounts = locked
    if (status, outcome) != ("ended", "pending"):
        return None
    billing_model, wallet_use, document, country, time_zone, rated_power_w, readings, lots, holds, system = (
        _fetch_array(_READ, session_id)
    )
    states = {key: AccountState(pk) for pk, key in system or ()}
    for pk, key, count, posted, last_hash, pending, overdraft in accounts or ():
        states[key] = AccountState(pk, Tip(count, Decimal(posted), last_hash), Decimal(pending), Decimal(overdraft))
    return Facts(
        session_id=session_id,
        public_id=public_id,
        review_reason=review_reason,
        driver_id=driver_id,
        billing_model=billing_model or "",
        wallet_use=wallet_use or "",
        currency=currency,
        vat_percent=_number(vat_percent),
        tariff_document=document or "",
        frozen=FrozenInputs.from_json(inputs),
        country=country,
        time_zone=time_zone,
        metered=_metered(*meter, rated_power_w=rated_power_w, readings=readings or ()),
        accounts=states,
        lots=[Lot(pk, kind, Decimal(remaining), _moment(expires)) for pk, kind, remaining, expires in lots or ()],
        holds=[HeldAmount(pk, Decimal(amount)) for pk, amount in holds or ()],
    )


def write_bill(rows: BillRows, plan: PostingPlan | None) -> tuple[int, list[int]]:
    """Write a bill: posting, Cdr, lines, legs, lots, holds, session. The Cdr's id and its card legs' ids.

    Raises IdempotencyConflict when its key was posted before, which only a session billed twice could do.
    """
    document: dict[str, Any] = {**rows, "public_id": str(uuid.uuid4())}
    if plan is not None:
        row = fetch_prepared(_WRITE, as_json(posting_document(plan, rows["cdr"]["created_at"]) | document))
    else:
        row = fetch_prepared(_WRITE_UNPOSTED, as_json(document))
    if row is None:
        raise IdempotencyConflict
    return int(row[0]), list(row[1] or ())


def _fetch_array(sql: str, session_id: int) -> list[Any]:
    row = fetch_prepared(sql, session_id)
    if row is None:
        raise ChargingSession.DoesNotExist(f"There is no session {session_id}.")
    values: list[Any] = json.loads(row[0])
    return values


def _metered(
    started: str,
    ended: str,
    stopped: str | None,
    meter_start_wh: str | None,
    meter_stop_wh: str | None,
    *,
    rated_power_w: int | None,
    readings: Sequence[Sequence[str]],
) -> Metered | None:
    started_at, ended_at = _moment(started), _moment(ended)
    if meter_start_wh is None or meter_stop_wh is None or started_at is None or ended_at is None:
        return None
    return Metered(
        started_at=started_at,
        ended_at=ended_at,
        stopped_at=_moment(stopped),
        meter_start_wh=Decimal(meter_start_wh),
        meter_stop_wh=Decimal(meter_stop_wh),
        readings=[Reading(_EPOCH + _since_epoch(at), measurand, Decimal(value)) for at, measurand, value in readings],
        rated_power_w=rated_power_w,
    )


def _moment(seconds: str | None) -> datetime | None:
    """A moment from its seconds since 1970, told to the microsecond."""
    return None if seconds is None else _EPOCH + _since_epoch(seconds)


def _since_epoch(seconds: str) -> timedelta:
    whole, _, microseconds = seconds.partition(".")
    return timedelta(seconds=int(whole), microseconds=int(microseconds or 0))


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
