"""The invariants of disputes, as set-based queries; see billing.selectors.book_checks."""

from datetime import timedelta

from billing.selectors.book_queries import CheckRow, nothing, query

# What is won is back within this.
REINSTATE_WITHIN = timedelta(days=14)

_DISPUTES_ARE_POSTED = """
SELECT 'dispute ' || dispute.provider_reference,
    'withdrew ' || ROUND(dispute.withdrawn + dispute.fee, 4) || ', posted ' || ROUND(COALESCE(taken.clearing, 0), 4)
    || '; reinstated ' || ROUND(dispute.reinstated + dispute.fee_returned, 4)
    || ', posted ' || ROUND(COALESCE(-back.clearing, 0), 4) || '; ' || dispute.status || ' with '
    || ROUND(COALESCE(lost.disputed, 0), 4) || ' moved out of dispute'
FROM billing_dispute dispute
LEFT JOIN (
    SELECT entry.transaction_id,
        SUM(CASE WHEN account.code <> 'psp_clearing' THEN 0 WHEN entry.side = 'credit' THEN entry.amount
            ELSE -entry.amount END) clearing
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    GROUP BY entry.transaction_id
) taken ON taken.transaction_id = dispute.withdrawal_id
LEFT JOIN (
    SELECT entry.transaction_id,
        SUM(CASE WHEN account.code <> 'psp_clearing' THEN 0 WHEN entry.side = 'credit' THEN entry.amount
            ELSE -entry.amount END) clearing
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    GROUP BY entry.transaction_id
) back ON back.transaction_id = dispute.reinstatement_id
LEFT JOIN (
    SELECT entry.transaction_id,
        SUM(CASE WHEN account.code <> 'disputed' THEN 0 WHEN entry.side = 'credit' THEN entry.amount
            ELSE -entry.amount END) disputed
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    GROUP BY entry.transaction_id
) lost ON lost.transaction_id = dispute.loss_id
WHERE ROUND(dispute.withdrawn + dispute.fee - COALESCE(taken.clearing, 0), 4) <> 0
    OR ROUND(dispute.reinstated + dispute.fee_returned + COALESCE(back.clearing, 0), 4) <> 0
    OR dispute.loss_id IS NULL AND dispute.status = 'lost' AND ROUND(dispute.withdrawn - dispute.reinstated, 4) > 0
    OR dispute.loss_id IS NOT NULL AND ROUND(COALESCE(lost.disputed, 0), 4) <= 0
"""

_DISPUTED_IS_UNDECIDED = """
SELECT 'ledger account disputed:' || both_sides.currency,
    'carries ' || ROUND(SUM(both_sides.posted), 4) || ', disputes leave ' || ROUND(SUM(both_sides.open), 4)
FROM (
    SELECT account.currency, CASE WHEN entry.side = 'debit' THEN entry.amount ELSE -entry.amount END posted, 0 open
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    WHERE account.code = 'disputed'
    UNION ALL
    SELECT payment.currency, 0, dispute.withdrawn - dispute.reinstated
    FROM billing_dispute dispute JOIN billing_payment payment ON payment.id = dispute.payment_id
    WHERE dispute.loss_id IS NULL
) both_sides
GROUP BY both_sides.currency
HAVING ROUND(SUM(both_sides.posted) - SUM(both_sides.open), 4) <> 0
"""

_DISPUTE_POSTINGS_HAVE_THEIR_DISPUTE = """
SELECT 'ledger transaction ' || tx.idempotency_key, 'is a ' || tx.event || ' of no dispute'
FROM billing_ledgertransaction tx
LEFT JOIN billing_dispute taken ON taken.withdrawal_id = tx.id
LEFT JOIN billing_dispute back ON back.reinstatement_id = tx.id
LEFT JOIN billing_dispute lost ON lost.loss_id = tx.id
WHERE tx.event = 'dispute_withdrawn' AND taken.id IS NULL
    OR tx.event = 'dispute_reinstated' AND back.id IS NULL
    OR tx.event = 'dispute_lost' AND lost.id IS NULL
"""

_DISPUTES_ARE_FINISHED = """
SELECT 'dispute ' || dispute.provider_reference,
    CASE WHEN dispute.problem <> '' THEN 'is not booked: ' || dispute.problem
        ELSE 'was won and ' || ROUND(dispute.withdrawn - dispute.reinstated, 4) || ' did not come back' END
FROM billing_dispute dispute
WHERE dispute.problem <> '' OR dispute.status = 'won' AND dispute.closed_at < %s
    AND ROUND(dispute.withdrawn - dispute.reinstated, 4) > 0
"""

DISPUTE_CHECKS: list[CheckRow] = [
    (
        "disputes_are_posted",
        "What each dispute withdrew, gave back and left lost is posted, once and in full.",
        query("disputes_are_posted", _DISPUTES_ARE_POSTED, nothing),
    ),
    (
        "disputed_is_undecided",
        "What is withdrawn in disputes is of disputes that are neither lost nor given back.",
        query("disputed_is_undecided", _DISPUTED_IS_UNDECIDED, nothing),
    ),
    (
        "dispute_postings_have_their_dispute",
        "Every posting of a dispute has the dispute it is of.",
        query("dispute_postings_have_their_dispute", _DISPUTE_POSTINGS_HAVE_THEIR_DISPUTE, nothing),
    ),
    (
        "disputes_are_finished",
        "What was won comes back, and every dispute could be booked.",
        query("disputes_are_finished", _DISPUTES_ARE_FINISHED, lambda now: [now - REINSTATE_WITHIN], is_warning=True),
    ),
]
