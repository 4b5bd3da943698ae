"""Reading and writing settlements on PostgreSQL: one locked read, one more read, one statement that writes it all,
for one session or for many.

Row by row through the ORM the same settlement takes some forty statements. What is decided in between is the same code
as everywhere (billing.domain.settlement); tests hold both against each other.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from billing.domain.chain import Tip
from billing.domain.metering import Metered, Reading
from billing.domain.plan import AccountState, PostingPlan
from billing.domain.postings import receivable, wallet
from billing.domain.settlement import Facts, HeldAmount
from billing.domain.waterfall import Lot
from billing.services.ledger_writer import POSTING_CTES, posting_parameters
from billing.services.prepared import as_json, fetch_prepared, moment_of, number_of
from billing.services.settlement_rows import BillRows
from common import clock
from common.errors import IdempotencyConflict
from tariffs.domain.frozen import FrozenInputs

# First the sessions, then their drivers' accounts: one statement, so one way to the server. The lists of drivers and
# currencies are complete before the first account is touched. What else is read must not be read here: after waiting
# for a lock this statement would still see what was there before the wait.
_LOCK = """
WITH locked AS MATERIALIZED (
    SELECT id, public_id, status, outcome, review_reason, driver_id, currency, vat_percent, rating_inputs,
        tariff_version_id, started_at, ended_at, stopped_at, meter_start_wh, meter_stop_wh
    FROM billing_chargingsession WHERE id = ANY(ARRAY(SELECT unnest(%s::int[]))) ORDER BY id FOR NO KEY UPDATE
), owned AS MATERIALIZED (
    SELECT id, code, key, entry_count, posted, last_hash, pending, overdraft FROM billing_ledgeraccount
    WHERE driver_id = ANY(ARRAY(SELECT driver_id FROM locked))
        AND currency = ANY(ARRAY(SELECT currency FROM locked)) AND code IN ('wallet', 'receivable')
    ORDER BY id FOR NO KEY UPDATE
)
SELECT
    (SELECT json_agg(json_build_array(
        id, public_id, status, outcome, review_reason, driver_id, currency, vat_percent::text, rating_inputs,
        tariff_version_id, started_at, ended_at, stopped_at, meter_start_wh::text, meter_stop_wh::text
    )) FROM locked)::text,
    (SELECT json_agg(json_build_array(
        id, code, key, entry_count, posted::text, last_hash, pending::text, overdraft::text
    )) FROM owned)::text
"""

# `ANY(ARRAY(SELECT unnest(...)))` keeps the planner from looking into the list: it would plan anew for every length.
_READ = """
SELECT json_build_array(
    (
        SELECT json_object_agg(session.id, json_build_array(
            CASE WHEN session.open_access_id IS NOT NULL THEN 'open_access' WHEN ad_hoc.id IS NOT NULL THEN 'ad_hoc'
                ELSE contract_type.billing_model END,
            COALESCE(NULLIF(session.wallet_use, ''), contract_type.wallet_use),
            location.country, location.time_zone,
            connector.max_power_w,
            (
                SELECT json_agg(json_build_array(occurred_at, measurand, value::text) ORDER BY occurred_at, id)
                FROM billing_metervalue
                WHERE charging_session_id = session.id AND phase = '' AND occurred_at <= session.ended_at
                    AND measurand IN ('energy_wh', 'power_w', 'current_a', 'charging')
            ),
            (
                SELECT json_agg(json_build_array(id, amount::text) ORDER BY id) FROM billing_hold
                WHERE charging_session_id = session.id AND source = 'wallet' AND status = 'active'
            ),
            (
                SELECT amount::text FROM billing_hold
                WHERE charging_session_id = session.id AND source = 'card'
                    AND status IN ('asked', 'requires_action', 'active') AND release_asked_at IS NULL
            )
        ))
        FROM billing_chargingsession session
        JOIN locations_chargepoint charge_point ON charge_point.id = session.charge_point_id
        JOIN locations_location location ON location.id = charge_point.location_id
        LEFT JOIN locations_connector connector ON connector.id = session.connector_id
        LEFT JOIN billing_adhocsession ad_hoc ON ad_hoc.charging_session_id = session.id
        LEFT JOIN accounts_contract contract ON contract.id = session.contract_id
        LEFT JOIN accounts_contracttype contract_type ON contract_type.id = contract.contract_type_id
        WHERE session.id = ANY(ARRAY(SELECT unnest(%s::int[])))
    ),
    (
        SELECT json_object_agg(id, document) FROM tariffs_tariffversion
        WHERE id = ANY(ARRAY(SELECT unnest(%s::bigint[])))
    ),
    (
        SELECT json_agg(json_build_array(account_id, id, kind, remaining::text, expires_at))
        FROM billing_walletlot WHERE account_id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND remaining > 0
    ),
    (
        SELECT json_agg(json_build_array(currency, id, key)) FROM billing_ledgeraccount
        WHERE currency = ANY(ARRAY(SELECT unnest(%s::text[]))) AND driver_id IS NULL AND code IN (
            'revenue_energy', 'revenue_time', 'revenue_fees', 'vat_payable', 'open_access_expense',
            'receivable_ad_hoc'
        )
    )
)::text
"""

_BILL_CTES = """
, bill AS MATERIALIZED (
    SELECT nextval('billing_cdr_id_seq') AS id, c.* FROM json_to_recordset(%s::json) AS c(
        n int, public_id uuid, charging_session_id int, currency text, net numeric, vat numeric, gross numeric,
        vat_totals jsonb, energy_wh numeric, duration_seconds int, tariff_digest text, rating_digest text,
        periods jsonb, created_at timestamptz, payment_status text
    )
    WHERE (SELECT count(*) FROM tx) = (SELECT count(*) FROM planned)
), cdr AS (
    INSERT INTO billing_cdr
        (id, ledger_transaction_id, public_id, charging_session_id, currency, net, vat, gross, vat_totals, energy_wh,
        duration_seconds, tariff_digest, rating_digest, periods, created_at)
    SELECT bill.id, planned.id, public_id, charging_session_id, bill.currency, net, vat, gross, vat_totals, energy_wh,
        duration_seconds, tariff_digest, rating_digest, periods, created_at
    FROM bill LEFT JOIN planned USING (n)
), lines AS (
    INSERT INTO billing_costline
        (cdr_id, seq, kind, quantity, unit, unit_price, vat_percent, net, explanation)
    SELECT bill.id, seq, kind, quantity, unit, unit_price, vat_percent, line.net, explanation
    FROM json_to_recordset(%s::json) AS line(
        n int, seq int, kind text, quantity numeric, unit text, unit_price numeric, vat_percent numeric, net numeric,
        explanation jsonb
    ) JOIN bill USING (n)
    ORDER BY n, seq
), legs AS (
    INSERT INTO billing_fundingleg (cdr_id, seq, source, lot_id, amount, state)
    SELECT bill.id, seq, source, lot_id, amount, state
    FROM json_to_recordset(%s::json) AS leg(n int, seq int, source text, lot_id bigint, amount numeric, state text)
    JOIN bill USING (n)
    ORDER BY n, seq
    RETURNING id, source
), lots AS (
    UPDATE billing_walletlot AS lot SET remaining = lot.remaining - drawn.amount
    FROM json_to_recordset(%s::json) AS drawn(id bigint, amount numeric)
    WHERE lot.id = drawn.id
), holds AS (
    UPDATE billing_hold AS hold
    SET status = resolved.status, captured_amount = resolved.captured_amount, resolved_at = resolved.resolved_at
    FROM json_to_recordset(%s::json) AS resolved(
        id bigint, status text, captured_amount numeric, resolved_at timestamptz
    )
    WHERE hold.id = resolved.id
), settled AS (
    UPDATE billing_chargingsession AS session SET outcome = 'billed', payment_status = bill.payment_status
    FROM bill WHERE session.id = bill.charging_session_id
)
SELECT (SELECT array_agg(id ORDER BY n) FROM bill), (SELECT array_agg(id ORDER BY id) FROM legs WHERE source = 'card')
"""
_WRITE = f"WITH {POSTING_CTES}{_BILL_CTES}"


def read_facts(session_ids: Sequence[int]) -> list[Facts]:
    """Lock the sessions and their drivers' accounts and read what their settlement depends on, by id; not of those
    that are not there or not due.

    Locks: the ChargingSessions, then the drivers' LedgerAccounts.
    """
    sessions, owned = map(_array, fetch_prepared(_LOCK, list(session_ids)) or ())
    due = {row[0]: row for row in sessions if row[2:4] == ["ended", "pending"]}
    if not due:
        return []
    states = {
        key: AccountState(pk, Tip(count, Decimal(posted), last_hash), Decimal(pending), Decimal(overdraft))
        for pk, _, key, count, posted, last_hash, pending, overdraft in owned
    }
    found, documents, lots, system = _array(
        *fetch_prepared(
            _READ,
            list(due),
            list({row[9] for row in due.values() if row[9] is not None}),
            [row[0] for row in owned if row[1] == "wallet"],
            list({row[6] for row in due.values()}),
        )
        or ()
    )
    lots_of: dict[int, list[Lot]] = {}
    for account_id, pk, kind, remaining, expires_at in lots or ():
        lots_of.setdefault(account_id, []).append(Lot(pk, kind, Decimal(remaining), moment_of(expires_at)))
    system_of: dict[str, dict[str, AccountState]] = {}
    for currency, pk, key in system or ():
        system_of.setdefault(currency, {})[key] = AccountState(pk)
    return [_facts(row, found[str(row[0])], documents or {}, states, lots_of, system_of) for row in due.values()]


def _facts(
    locked: Sequence[Any],
    found: Sequence[Any],
    documents: dict[str, str],
    states: dict[str, AccountState],
    lots_of: dict[int, list[Lot]],
    system_of: dict[str, dict[str, AccountState]],
) -> Facts:
    session_id, public_id, _, _, review_reason, driver_id, currency, vat_percent, inputs, version_id, *meter = locked
    billing_model, wallet_use, country, time_zone, rated_power_w, readings, holds, held_on_card = found
    purse, debt = wallet(driver_id or 0, currency).key, receivable(driver_id or 0, currency).key
    return Facts(
        session_id=session_id,
        public_id=public_id,
        review_reason=review_reason,
        driver_id=driver_id,
        billing_model=billing_model or "",
        wallet_use=wallet_use or "",
        currency=currency,
        vat_percent=number_of(vat_percent),
        tariff_document=documents.get(str(version_id), ""),
        frozen=FrozenInputs.from_json(inputs),
        country=country,
        time_zone=time_zone,
        metered=_metered(*meter, rated_power_w=rated_power_w, readings=readings or ()),
        accounts=system_of.get(currency, {}) | {key: states[key] for key in (purse, debt) if key in states},
        lots=lots_of.get(states[purse].id, []) if purse in states else [],
        holds=[HeldAmount(pk, Decimal(amount)) for pk, amount in holds or ()],
        held_on_card=number_of(held_on_card),
    )


def write_bills(bills: Sequence[tuple[BillRows, PostingPlan | None]]) -> tuple[list[int], list[int]]:
    """Write bills: postings, Cdrs, lines, legs, lots, holds, sessions. The Cdrs' ids in order and all card legs' ids.

    Raises IdempotencyConflict when a key was posted before, which only a session billed twice could do.
    """
    plans = [(number, plan) for number, (_, plan) in enumerate(bills) if plan is not None]
    cdrs, lines, legs, holds = [], [], [], []
    drawn: dict[int, Decimal] = {}
    for number, (rows, _) in enumerate(bills):
        cdrs.append(
            {"n": number, "public_id": uuid.uuid4(), "payment_status": rows["payment_status"]} | dict(rows["cdr"])
        )
        lines += [{"n": number} | dict(line) for line in rows["lines"]]
        for leg in rows["legs"]:
            legs.append({"n": number} | dict(leg))
            if leg["lot_id"] is not None:
                drawn[leg["lot_id"]] = drawn.get(leg["lot_id"], Decimal(0)) + leg["amount"]
        holds += rows["holds"]
    lots = [{"id": lot_id, "amount": amount} for lot_id, amount in drawn.items()]
    cdr_ids, card_legs = (
        fetch_prepared(
            _WRITE,
            *posting_parameters(plans, clock.now()),
            *(as_json(documents) for documents in (cdrs, lines, legs, lots, holds)),
        )
        or ()
    )
    if cdr_ids is None:
        raise IdempotencyConflict
    return list(cdr_ids), list(card_legs or ())


def _array(text: str | None) -> list[Any]:
    values: list[Any] = orjson.loads(text) if text else []
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
    started_at, ended_at = moment_of(started), moment_of(ended)
    if meter_start_wh is None or meter_stop_wh is None or started_at is None or ended_at is None:
        return None
    return Metered(
        started_at=started_at,
        ended_at=ended_at,
        stopped_at=moment_of(stopped),
        meter_start_wh=Decimal(meter_start_wh),
        meter_stop_wh=Decimal(meter_stop_wh),
        readings=[Reading(datetime.fromisoformat(at), measurand, Decimal(value)) for at, measurand, value in readings],
        rated_power_w=rated_power_w,
    )
