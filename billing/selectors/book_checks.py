"""The invariants of the ledger, its wallets, Cdrs and payments, as set-based queries. billing.services.books runs them.

Those of refunds stand in billing.selectors.refund_checks, those of top-ups in billing.selectors.top_up_checks, those
of holds on cards in billing.selectors.hold_checks, those of disputes in billing.selectors.dispute_checks, those of
contract migrations in billing.selectors.migration_checks.

Each query yields the rows that break it: a label and what is wrong. Amounts are compared rounded to their four places,
because SQLite adds them as doubles.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from billing.domain.postings import DEBIT_CODES, OWNER_CODES
from billing.selectors.ad_hoc_checks import AD_HOC_CHECKS
from billing.selectors.book_chains import broken_chains, changed_transactions
from billing.selectors.book_queries import CheckRow, nothing, query
from billing.selectors.book_totals import broken_totals
from billing.selectors.dispute_checks import DISPUTE_CHECKS
from billing.selectors.findings import Finding
from billing.selectors.hold_checks import HOLD_CHECKS
from billing.selectors.migration_checks import MIGRATION_CHECKS
from billing.selectors.refund_checks import REFUND_CHECKS
from billing.selectors.top_up_checks import TOP_UP_CHECKS
from common.guards import missing_guards

# An ended session is settled within this; the sweep needs a minute.
SETTLE_WITHIN = timedelta(minutes=15)
# The sweep frees overdue holds every minute.
EXPIRE_WITHIN = timedelta(minutes=15)
# What the provider took arrives at the bank within this.
CLEAR_WITHIN = timedelta(days=14)

_DEBIT = ", ".join(f"'{code}'" for code in sorted(DEBIT_CODES))
_OWNER = ", ".join(f"'{code}'" for code in sorted(OWNER_CODES))
# An entry's amount counted on the side on which its account grows.
_NATURAL = f"""
    CASE WHEN (entry.side = 'debit') = (account.code IN ({_DEBIT})) THEN entry.amount ELSE -entry.amount END"""

_TRANSACTIONS_SUM_TO_ZERO = """
SELECT 'ledger transaction ' || tx.idempotency_key,
    'has ' || COUNT(entry.id) || ' entries that sum to '
    || ROUND(COALESCE(SUM(CASE WHEN entry.side = 'debit' THEN entry.amount ELSE -entry.amount END), 0), 4)
FROM billing_ledgertransaction tx LEFT JOIN billing_ledgerentry entry ON entry.transaction_id = tx.id
GROUP BY tx.id, tx.idempotency_key
HAVING COUNT(entry.id) < 2
    OR ROUND(SUM(CASE WHEN entry.side = 'debit' THEN entry.amount ELSE -entry.amount END), 4) <> 0
"""

_ENTRIES_IN_THEIR_CURRENCY = """
SELECT 'ledger entry ' || entry.id, 'posts ' || tx.currency || ' to ' || account.key
FROM billing_ledgerentry entry
JOIN billing_ledgertransaction tx ON tx.id = entry.transaction_id
JOIN billing_ledgeraccount account ON account.id = entry.account_id
WHERE account.currency <> tx.currency
"""

_BALANCES_ARE_THEIR_ENTRIES = f"""
SELECT 'ledger account ' || account.key,
    'keeps ' || ROUND(account.posted, 4) || ', its entries sum to ' || ROUND(COALESCE(SUM({_NATURAL}), 0), 4)
FROM billing_ledgeraccount account LEFT JOIN billing_ledgerentry entry ON entry.account_id = account.id
WHERE account.code IN ({_OWNER})
GROUP BY account.id, account.key, account.posted
HAVING ROUND(account.posted - COALESCE(SUM({_NATURAL}), 0), 4) <> 0
"""  # noqa: S608 (constants only)

_LOTS_ARE_THE_BALANCE = """
SELECT 'ledger account ' || account.key,
    'holds ' || ROUND(account.posted, 4) || ', its lots ' || ROUND(COALESCE(SUM(lot.remaining), 0), 4)
FROM billing_ledgeraccount account LEFT JOIN billing_walletlot lot ON lot.account_id = account.id
WHERE account.code = 'wallet'
GROUP BY account.id, account.key, account.posted
HAVING ROUND(account.posted - COALESCE(SUM(lot.remaining), 0), 4) <> 0
"""

_LOTS_WERE_CREDITED = """
SELECT 'wallet lot ' || lot.id,
    'is of ' || ROUND(lot.amount, 4) || ', its transaction credited ' || ROUND(COALESCE(SUM(entry.amount), 0), 4)
FROM billing_walletlot lot
LEFT JOIN billing_ledgerentry entry ON entry.transaction_id = lot.ledger_transaction_id
    AND entry.account_id = lot.account_id AND entry.side = 'credit'
GROUP BY lot.id, lot.amount
HAVING ROUND(lot.amount - COALESCE(SUM(entry.amount), 0), 4) <> 0
"""

_LOTS_GAVE_WHAT_LEGS_TOOK = """
SELECT 'wallet lot ' || lot.id,
    'gave ' || ROUND(lot.amount - lot.remaining, 4) || ', its legs took ' || ROUND(SUM(leg.amount - leg.refunded), 4)
FROM billing_walletlot lot JOIN billing_fundingleg leg ON leg.lot_id = lot.id
GROUP BY lot.id, lot.amount, lot.remaining
HAVING ROUND(SUM(leg.amount - leg.refunded) - (lot.amount - lot.remaining), 4) > 0
"""

_RESERVED_IS_HELD = """
SELECT 'ledger account ' || account.key,
    'reserves ' || ROUND(account.pending, 4) || ', its active holds ' || ROUND(COALESCE(SUM(hold.amount), 0), 4)
FROM billing_ledgeraccount account
LEFT JOIN billing_hold hold ON hold.account_id = account.id AND hold.status = 'active'
GROUP BY account.id, account.key, account.pending
HAVING ROUND(account.pending - COALESCE(SUM(hold.amount), 0), 4) <> 0
"""

_HOLDS_ARE_RESOLVED = """
SELECT 'hold ' || hold.id, 'is active past ' || hold.expires_at
FROM billing_hold hold JOIN billing_chargingsession session ON session.id = hold.charging_session_id
WHERE hold.status IN ('asked', 'requires_action', 'active') AND hold.expires_at < %s
    AND session.status NOT IN ('requested', 'active', 'finishing')
    AND NOT (session.status = 'ended' AND session.outcome IN ('pending', 'in_review'))
"""

_SESSIONS_ARE_DECIDED = """
SELECT 'session ' || session.id, 'ended at ' || session.ended_at || ' and is not settled'
FROM billing_chargingsession session
WHERE session.status = 'ended' AND session.outcome = 'pending' AND session.ended_at < %s
"""

_BILLED_HAS_ITS_CDR = """
SELECT 'session ' || session.id,
    'is ' || session.outcome || CASE WHEN cdr.id IS NULL THEN ' without a Cdr' ELSE ' and has a Cdr' END
FROM billing_chargingsession session LEFT JOIN billing_cdr cdr ON cdr.charging_session_id = session.id
WHERE (session.outcome = 'billed') <> (cdr.id IS NOT NULL)
"""

_LEGS_ARE_THE_PAYABLE = """
SELECT 'cdr ' || cdr.id,
    'is ' || ROUND(cdr.gross, 4) || ' gross, its legs ' || ROUND(COALESCE(SUM(leg.amount), 0), 4)
FROM billing_cdr cdr LEFT JOIN billing_fundingleg leg ON leg.cdr_id = cdr.id
GROUP BY cdr.id, cdr.gross
HAVING ROUND(cdr.gross - COALESCE(SUM(leg.amount), 0), 4) <> 0
"""

_POSTINGS_ARE_THE_CDR = """
SELECT 'cdr ' || cdr.id,
    'is ' || ROUND(cdr.net, 4) || ' net and ' || ROUND(cdr.vat, 4) || ' VAT; posted '
    || ROUND(COALESCE(posting.revenue, 0), 4) || ' and ' || ROUND(COALESCE(posting.vat, 0), 4)
    || '; wallet legs ' || ROUND(COALESCE(leg.wallet, 0), 4)
    || ', posted ' || ROUND(COALESCE(posting.wallet, 0), 4)
FROM billing_cdr cdr
LEFT JOIN (
    SELECT entry.transaction_id,
        SUM(CASE WHEN account.code LIKE 'revenue_%%' AND entry.side = 'credit' THEN entry.amount ELSE 0 END) revenue,
        SUM(CASE WHEN account.code = 'vat_payable' AND entry.side = 'credit' THEN entry.amount ELSE 0 END) vat,
        SUM(CASE WHEN account.code = 'wallet' AND entry.side = 'debit' THEN entry.amount ELSE 0 END) wallet
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    GROUP BY entry.transaction_id
) posting ON posting.transaction_id = cdr.ledger_transaction_id
LEFT JOIN (
    SELECT cdr_id, SUM(CASE WHEN source LIKE 'wallet_%%' THEN amount ELSE 0 END) wallet
    FROM billing_fundingleg GROUP BY cdr_id
) leg ON leg.cdr_id = cdr.id
WHERE ROUND(cdr.net - COALESCE(posting.revenue, 0), 4) <> 0 OR ROUND(cdr.vat - COALESCE(posting.vat, 0), 4) <> 0
    OR ROUND(COALESCE(leg.wallet, 0) - COALESCE(posting.wallet, 0), 4) <> 0
"""

_PAYMENT_STATUS_IS_THE_LEGS = """
SELECT 'session ' || session.id, 'is ' || session.payment_status || ', its legs say ' || legs.status
FROM billing_chargingsession session JOIN (
    SELECT cdr.charging_session_id,
        CASE WHEN COUNT(leg.id) = 0 THEN 'nothing_due'
            WHEN SUM(CASE WHEN leg.state IN ('paid', 'refunded') THEN 1 ELSE 0 END) = COUNT(leg.id) THEN 'paid'
            WHEN SUM(CASE WHEN leg.state IN ('paid', 'refunded') THEN 1 ELSE 0 END) > 0 THEN 'partially_paid'
            ELSE 'due' END status
    FROM billing_cdr cdr LEFT JOIN billing_fundingleg leg ON leg.cdr_id = cdr.id GROUP BY cdr.charging_session_id
) legs ON legs.charging_session_id = session.id
WHERE legs.status <> session.payment_status
"""

_PAYMENTS_ARE_POSTED = """
SELECT 'payment ' || payment.idempotency_key,
    'took ' || ROUND(payment.amount, 4) || ', posted ' || ROUND(COALESCE(SUM(entry.amount), 0), 4)
FROM billing_payment payment
LEFT JOIN billing_ledgerentry entry ON entry.transaction_id = payment.ledger_transaction_id AND entry.side = 'debit'
    AND entry.account_id IN (SELECT id FROM billing_ledgeraccount WHERE code = 'psp_clearing')
WHERE payment.status = 'succeeded'
GROUP BY payment.id, payment.idempotency_key, payment.amount
HAVING ROUND(payment.amount - COALESCE(SUM(entry.amount), 0), 4) <> 0
"""

_CLEARING_HAS_ITS_PAYMENT = """
SELECT 'ledger transaction ' || tx.idempotency_key, 'debits psp_clearing and belongs to no payment that succeeded'
FROM billing_ledgertransaction tx
JOIN billing_ledgerentry entry ON entry.transaction_id = tx.id AND entry.side = 'debit'
JOIN billing_ledgeraccount account ON account.id = entry.account_id AND account.code = 'psp_clearing'
LEFT JOIN billing_payment payment ON payment.ledger_transaction_id = tx.id AND payment.status = 'succeeded'
LEFT JOIN billing_refund refund ON refund.return_transaction_id = tx.id
LEFT JOIN billing_dispute dispute ON dispute.reinstatement_id = tx.id
WHERE payment.id IS NULL AND refund.id IS NULL AND dispute.id IS NULL
"""

# What a leg's payments took, and what went back of it or is on its way.
_PAID_BY_LEG = """
    SELECT payment.funding_leg_id, SUM(payment.amount) taken, SUM(COALESCE(refund.given, 0)) given,
        SUM(payment.refunded + COALESCE(refund.paid_out, 0)) leaving
    FROM billing_payment payment LEFT JOIN (
        SELECT payment_id, SUM(CASE WHEN status IN ('succeeded', 'paid_out') THEN amount ELSE 0 END) given,
            SUM(CASE WHEN status = 'paid_out' THEN amount ELSE 0 END) paid_out
        FROM billing_refund GROUP BY payment_id
    ) refund ON refund.payment_id = payment.id
    WHERE payment.status = 'succeeded'
    GROUP BY payment.funding_leg_id
"""

# Legs that were charged together count as one, under the leg whose payment took the others along.
_CHARGED_TOGETHER = """
    SELECT COALESCE(payment.funding_leg_id, leg.id) id, MIN(leg.state) state,
        SUM(leg.amount - leg.refunded) owed,
        SUM(CASE WHEN leg.state IN ('paid', 'refunded') THEN leg.amount - leg.refunded ELSE 0 END) paid,
        MAX(CASE WHEN leg.state IN ('paid', 'refunded') THEN 1 ELSE 0 END) is_settled
    FROM billing_fundingleg leg LEFT JOIN billing_payment payment ON payment.id = leg.collected_with_id
    WHERE leg.source IN ('card', 'debt')
    GROUP BY COALESCE(payment.funding_leg_id, leg.id)
"""

_PAID_LEGS_WERE_PAID = f"""
SELECT 'funding leg ' || leg.id,
    'is ' || leg.state || ' with ' || ROUND(leg.paid, 4) || ' left; its payments less what they gave '
    || 'back sum to ' || ROUND(COALESCE(paid.taken - paid.given, 0), 4)
FROM ({_CHARGED_TOGETHER}) leg LEFT JOIN ({_PAID_BY_LEG}) paid ON paid.funding_leg_id = leg.id
WHERE leg.is_settled = 1 AND ROUND(COALESCE(paid.taken - paid.given, 0) - leg.paid, 4) < 0
"""  # noqa: S608 (constants only)

_LEGS_WERE_PAID_ONCE = f"""
SELECT 'funding leg ' || leg.id,
    'is of ' || ROUND(leg.owed, 4) || ', its payments less their refunds took '
    || ROUND(paid.taken - paid.leaving, 4)
FROM ({_CHARGED_TOGETHER}) leg JOIN ({_PAID_BY_LEG}) paid ON paid.funding_leg_id = leg.id
WHERE ROUND(paid.taken - paid.leaving - leg.owed, 4) > 0
"""  # noqa: S608 (constants only)

_CLEARING_IS_RECENT = """
SELECT 'ledger account ' || account.key,
    'still carries ' || ROUND(SUM(
        CASE WHEN entry.side = 'credit' THEN -entry.amount WHEN tx.recorded_at < %s THEN entry.amount ELSE 0 END
    ), 4) || ' from before ' || %s
FROM billing_ledgeraccount account
JOIN billing_ledgerentry entry ON entry.account_id = account.id
JOIN billing_ledgertransaction tx ON tx.id = entry.transaction_id
WHERE account.code = 'psp_clearing'
GROUP BY account.id, account.key
HAVING ROUND(SUM(
    CASE WHEN entry.side = 'credit' THEN -entry.amount WHEN tx.recorded_at < %s THEN entry.amount ELSE 0 END
), 4) > 0
"""


def missing_guard_findings(now: datetime) -> Iterator[Finding]:
    for guard in missing_guards(connection):
        yield Finding("guards_stand", f"table {guard.table}", f"has lost its guard {guard.name}")


CHECKS: list[CheckRow] = [
    (
        "transactions_sum_to_zero",
        "The entries of every transaction, two or more, sum to zero.",
        query("transactions_sum_to_zero", _TRANSACTIONS_SUM_TO_ZERO, nothing),
    ),
    (
        "entries_in_their_currency",
        "Every entry's account is in its transaction's currency.",
        query("entries_in_their_currency", _ENTRIES_IN_THEIR_CURRENCY, nothing),
    ),
    (
        "balances_are_their_entries",
        "The balance kept for every owner's account is the sum of its entries.",
        query("balances_are_their_entries", _BALANCES_ARE_THEIR_ENTRIES, nothing),
    ),
    (
        "lots_are_the_balance",
        "What is left of a wallet's lots is its balance.",
        query("lots_are_the_balance", _LOTS_ARE_THE_BALANCE, nothing),
    ),
    (
        "lots_were_credited",
        "Every lot is what its transaction credited to its wallet.",
        query("lots_were_credited", _LOTS_WERE_CREDITED, nothing),
    ),
    (
        "lots_gave_what_legs_took",
        "No lot gave less than the funding legs drawn on it, refunds counted.",
        query("lots_gave_what_legs_took", _LOTS_GAVE_WHAT_LEGS_TOOK, nothing),
    ),
    (
        "reserved_is_held",
        "What a wallet has reserved is the sum of its active holds.",
        query("reserved_is_held", _RESERVED_IS_HELD, nothing),
    ),
    (
        "holds_are_resolved",
        "Every hold is resolved, inside its deadline or of a session still to be decided.",
        query("holds_are_resolved", _HOLDS_ARE_RESOLVED, lambda now: [now - EXPIRE_WITHIN]),
    ),
    (
        "sessions_are_decided",
        "Every ended session is billed, free by a rule, in review or discarded.",
        query("sessions_are_decided", _SESSIONS_ARE_DECIDED, lambda now: [now - SETTLE_WITHIN]),
    ),
    (
        "billed_has_its_cdr",
        "A session has a Cdr exactly when it is billed.",
        query("billed_has_its_cdr", _BILLED_HAS_ITS_CDR, nothing),
    ),
    (
        "legs_are_the_payable",
        "The funding legs of every Cdr sum to what is payable.",
        query("legs_are_the_payable", _LEGS_ARE_THE_PAYABLE, nothing),
    ),
    (
        "postings_are_the_cdr",
        "Every Cdr's posting earns its net, owes its VAT and charges its legs.",
        query("postings_are_the_cdr", _POSTINGS_ARE_THE_CDR, nothing),
    ),
    (
        "payment_status_is_the_legs",
        "A session's payment status is what its funding legs say.",
        query("payment_status_is_the_legs", _PAYMENT_STATUS_IS_THE_LEGS, nothing),
    ),
    (
        "payments_are_posted",
        "Every payment that succeeded is posted once, with its amount.",
        query("payments_are_posted", _PAYMENTS_ARE_POSTED, nothing),
    ),
    (
        "clearing_has_its_payment",
        "Everything the provider is said to have taken has its payment.",
        query("clearing_has_its_payment", _CLEARING_HAS_ITS_PAYMENT, nothing),
    ),
    (
        "paid_legs_were_paid",
        "Every card leg that is paid has the payment that paid it.",
        query("paid_legs_were_paid", _PAID_LEGS_WERE_PAID, nothing),
    ),
    ("chains_are_intact", "Every owner's entries form one unbroken chain of hashes.", broken_chains),
    ("transactions_are_unchanged", "Every transaction still hashes to what was posted.", changed_transactions),
    ("cdr_totals_agree", "Net, VAT and gross of every Cdr agree with its rates and its lines.", broken_totals),
    ("guards_stand", "The database still has every guard.", missing_guard_findings),
    (
        "legs_were_paid_once",
        "No funding leg was charged more than it is, refunds counted.",
        query("legs_were_paid_once", _LEGS_WERE_PAID_ONCE, nothing, is_warning=True),
    ),
    (
        "clearing_is_recent",
        "Clearing accounts carry nothing older than their deadline.",
        query(
            "clearing_is_recent",
            _CLEARING_IS_RECENT,
            lambda now: [now - CLEAR_WITHIN, str(now - CLEAR_WITHIN), now - CLEAR_WITHIN],
            is_warning=True,
        ),
    ),
    *REFUND_CHECKS,
    *TOP_UP_CHECKS,
    *HOLD_CHECKS,
    *DISPUTE_CHECKS,
    *MIGRATION_CHECKS,
    *AD_HOC_CHECKS,
]
