"""The invariants of refunds and of what was written off, as set-based queries."""

from datetime import timedelta

from billing.selectors.book_queries import CheckRow, nothing, query

# A bank takes days, not weeks.
REFUND_WITHIN = timedelta(days=14)

_REFUNDS_ARE_THEIR_LEGS = """
SELECT 'refund ' || refund.id,
    'is of ' || ROUND(refund.gross, 4) || ' (' || ROUND(refund.net, 4) || ' net, ' || ROUND(refund.vat, 4)
    || ' VAT), its legs get ' || ROUND(COALESCE(SUM(part.amount), 0), 4)
FROM billing_sessionrefund refund LEFT JOIN billing_sessionrefundleg part ON part.session_refund_id = refund.id
GROUP BY refund.id, refund.gross, refund.net, refund.vat
HAVING ROUND(refund.gross - COALESCE(SUM(part.amount), 0), 4) <> 0
    OR ROUND(refund.net + refund.vat - refund.gross, 4) <> 0
"""

_LEGS_KEEP_THEIR_REFUNDS = """
SELECT 'funding leg ' || leg.id,
    'says ' || ROUND(leg.refunded, 4) || ' is refunded, its refunds ' || ROUND(COALESCE(SUM(part.amount), 0), 4)
FROM billing_fundingleg leg LEFT JOIN billing_sessionrefundleg part ON part.funding_leg_id = leg.id
GROUP BY leg.id, leg.refunded
HAVING ROUND(leg.refunded - COALESCE(SUM(part.amount), 0), 4) <> 0
"""

_REFUNDS_ARE_OF_THEIR_CDR = """
SELECT 'refund ' || refund.id, 'refunds funding leg ' || leg.id || ' of another session'
FROM billing_sessionrefundleg part
JOIN billing_sessionrefund refund ON refund.id = part.session_refund_id
JOIN billing_fundingleg leg ON leg.id = part.funding_leg_id
WHERE leg.cdr_id <> refund.cdr_id
"""

_REFUNDS_ARE_POSTED = """
SELECT 'refund ' || refund.id,
    'takes back ' || ROUND(refund.net, 4) || ' net and ' || ROUND(refund.vat, 4) || ' VAT; posted '
    || ROUND(COALESCE(posting.revenue, 0), 4) || ' and ' || ROUND(COALESCE(posting.vat, 0), 4) || '; wallet legs '
    || ROUND(COALESCE(leg.wallet, 0), 4) || ', posted ' || ROUND(COALESCE(posting.wallet, 0), 4)
FROM billing_sessionrefund refund
LEFT JOIN (
    SELECT entry.transaction_id,
        SUM(CASE WHEN account.code NOT LIKE 'revenue_%%' THEN 0 WHEN entry.side = 'debit' THEN entry.amount
            ELSE -entry.amount END) revenue,
        SUM(CASE WHEN account.code <> 'vat_payable' THEN 0 WHEN entry.side = 'debit' THEN entry.amount
            ELSE -entry.amount END) vat,
        SUM(CASE WHEN account.code = 'wallet' AND entry.side = 'credit' THEN entry.amount ELSE 0 END) wallet
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    GROUP BY entry.transaction_id
) posting ON posting.transaction_id = refund.ledger_transaction_id
LEFT JOIN (
    SELECT part.session_refund_id, SUM(part.amount) wallet
    FROM billing_sessionrefundleg part JOIN billing_fundingleg leg ON leg.id = part.funding_leg_id
    WHERE leg.source LIKE 'wallet_%%' GROUP BY part.session_refund_id
) leg ON leg.session_refund_id = refund.id
WHERE ROUND(refund.net - COALESCE(posting.revenue, 0), 4) <> 0 OR ROUND(refund.vat - COALESCE(posting.vat, 0), 4) <> 0
    OR ROUND(COALESCE(leg.wallet, 0) - COALESCE(posting.wallet, 0), 4) <> 0
"""

_REFUND_POSTINGS_HAVE_THEIR_REFUND = """
SELECT 'ledger transaction ' || tx.idempotency_key, 'is a ' || tx.event || ' of no refund'
FROM billing_ledgertransaction tx
LEFT JOIN billing_sessionrefund whole ON whole.ledger_transaction_id = tx.id
LEFT JOIN billing_refund given ON given.ledger_transaction_id = tx.id
LEFT JOIN billing_refund returned ON returned.return_transaction_id = tx.id
WHERE tx.event IN ('session_refunded', 'session_corrected') AND whole.id IS NULL
    OR tx.event IN ('card_refund', 'refund_paid_out') AND given.id IS NULL
    OR tx.event = 'card_refund_returned' AND returned.id IS NULL
"""

_CARD_REFUNDS_ARE_POSTED = """
SELECT 'card refund ' || refund.idempotency_key,
    'is ' || refund.status || ' with ' || ROUND(refund.amount, 4) || '; posted ' || ROUND(COALESCE(given.amount, 0), 4)
    || ', returned ' || ROUND(COALESCE(returned.amount, 0), 4)
FROM billing_refund refund
LEFT JOIN (
    SELECT entry.transaction_id, SUM(entry.amount) amount FROM billing_ledgerentry entry
    JOIN billing_ledgeraccount account ON account.id = entry.account_id
    WHERE account.code IN ('psp_clearing', 'bank_clearing') AND entry.side = 'credit' GROUP BY entry.transaction_id
) given ON given.transaction_id = refund.ledger_transaction_id
LEFT JOIN (
    SELECT entry.transaction_id, SUM(entry.amount) amount FROM billing_ledgerentry entry
    JOIN billing_ledgeraccount account ON account.id = entry.account_id
    WHERE account.code = 'psp_clearing' AND entry.side = 'debit' GROUP BY entry.transaction_id
) returned ON returned.transaction_id = refund.return_transaction_id
WHERE ROUND(COALESCE(given.amount, 0) - COALESCE(returned.amount, 0)
    - CASE WHEN refund.status IN ('succeeded', 'paid_out') THEN refund.amount ELSE 0 END, 4) <> 0
"""

_PAYMENTS_KEEP_THEIR_REFUNDS = """
SELECT 'payment ' || payment.idempotency_key,
    'says ' || ROUND(payment.refunded, 4) || ' is given back, its refunds ' || ROUND(COALESCE(SUM(refund.amount), 0), 4)
FROM billing_payment payment
LEFT JOIN billing_refund refund ON refund.payment_id = payment.id
    AND refund.status IN ('created', 'unanswered', 'pending', 'succeeded')
GROUP BY payment.id, payment.idempotency_key, payment.refunded
HAVING ROUND(payment.refunded - COALESCE(SUM(refund.amount), 0), 4) <> 0
"""

_PAID_PARTS_GO_BACK = """
SELECT 'refund ' || part.session_refund_id,
    'gives funding leg ' || leg.id || ' back ' || ROUND(part.amount, 4) || ', card refunds '
    || ROUND(COALESCE(SUM(refund.amount), 0), 4)
FROM billing_sessionrefundleg part
JOIN billing_fundingleg leg ON leg.id = part.funding_leg_id
LEFT JOIN billing_payment payment ON payment.funding_leg_id = leg.id OR payment.id = leg.collected_with_id
LEFT JOIN billing_refund refund ON refund.payment_id = payment.id AND refund.attempt = 1
    AND refund.session_refund_id = part.session_refund_id
WHERE leg.source IN ('card', 'debt')
GROUP BY part.id, part.session_refund_id, part.amount, part.was_paid, leg.id
HAVING ROUND(CASE WHEN part.was_paid THEN part.amount ELSE 0 END - COALESCE(SUM(refund.amount), 0), 4) <> 0
"""

_REFUNDS_STAY_BELOW_THE_PRICE = """
SELECT 'cdr ' || cdr.id,
    'is ' || ROUND(cdr.net, 4) || ' net and ' || ROUND(cdr.vat, 4) || ' VAT, refunded '
    || ROUND(SUM(refund.net), 4) || ' and ' || ROUND(SUM(refund.vat), 4)
FROM billing_cdr cdr JOIN billing_sessionrefund refund ON refund.cdr_id = cdr.id
GROUP BY cdr.id, cdr.net, cdr.vat
HAVING ROUND(SUM(refund.net) - cdr.net, 4) > 0 OR ROUND(SUM(refund.vat) - cdr.vat, 4) > 0
"""

_BAD_DEBT_IS_WHAT_WAS_WRITTEN_OFF = """
SELECT 'ledger account bad_debt:' || both_sides.currency,
    'carries ' || ROUND(SUM(both_sides.posted), 4) || ', written-off legs leave ' || ROUND(SUM(both_sides.owed), 4)
FROM (
    SELECT account.currency, CASE WHEN entry.side = 'debit' THEN entry.amount ELSE -entry.amount END posted, 0 owed
    FROM billing_ledgerentry entry JOIN billing_ledgeraccount account ON account.id = entry.account_id
    WHERE account.code = 'bad_debt'
    UNION ALL
    SELECT cdr.currency, 0, leg.amount - leg.refunded
    FROM billing_fundingleg leg JOIN billing_cdr cdr ON cdr.id = leg.cdr_id WHERE leg.state = 'written_off'
    UNION ALL
    SELECT payment.currency, 0, dispute.withdrawn - dispute.reinstated
    FROM billing_dispute dispute JOIN billing_payment payment ON payment.id = dispute.payment_id
    WHERE dispute.lost_as = 'loss'
) both_sides
GROUP BY both_sides.currency
HAVING ROUND(SUM(both_sides.posted) - SUM(both_sides.owed), 4) <> 0
"""

_REVISIONS_ARE_WHAT_IS_LEFT = """
SELECT 'cdr ' || cdr.id,
    'was ' || ROUND(cdr.gross, 4) || '; its corrections gave back ' || ROUND(revised.given, 4)
    || ' and its last revision says ' || ROUND(latest.gross, 4)
FROM billing_cdr cdr
JOIN (
    SELECT revision.cdr_id, MAX(revision.number) number, COUNT(revision.id) count,
        SUM(COALESCE(refund.gross, 0) + revision.covered) given
    FROM billing_cdrrevision revision LEFT JOIN billing_sessionrefund refund ON refund.id = revision.session_refund_id
    GROUP BY revision.cdr_id
) revised ON revised.cdr_id = cdr.id
JOIN billing_cdrrevision latest ON latest.cdr_id = cdr.id AND latest.number = revised.number
WHERE ROUND(cdr.gross - revised.given - latest.gross, 4) <> 0 OR ROUND(latest.net + latest.vat - latest.gross, 4) <> 0
    OR revised.count <> revised.number
"""

_CORRECTIONS_HAVE_THEIR_REVISION = """
SELECT 'corrected session ' || item.id,
    'is ' || item.state || CASE WHEN revision.id IS NULL THEN ' without a revised Cdr'
        ELSE ' with ' || ROUND(item.refund, 4) || '; its refund is ' || ROUND(COALESCE(refund.gross, 0), 4) END
FROM billing_sessioncorrection item
LEFT JOIN billing_cdrrevision revision ON revision.session_correction_id = item.id
LEFT JOIN billing_sessionrefund refund ON refund.id = revision.session_refund_id
WHERE (item.state = 'applied') <> (revision.id IS NOT NULL)
    OR item.state = 'applied' AND (
        ROUND(item.refund - COALESCE(refund.gross, 0), 4) <> 0 OR ROUND(item.new_gross - revision.gross, 4) <> 0
    )
"""

_CORRECTION_REFUNDS_HAVE_THEIR_REVISION = """
SELECT 'refund ' || refund.id, 'is a correction of no revised Cdr'
FROM billing_sessionrefund refund LEFT JOIN billing_cdrrevision revision ON revision.session_refund_id = refund.id
WHERE refund.kind = 'correction' AND (revision.id IS NULL OR revision.cdr_id <> refund.cdr_id)
"""

_REFUNDS_ARRIVE = """
SELECT 'card refund ' || refund.idempotency_key,
    CASE WHEN refund.status <> 'failed' THEN 'is still ' || refund.status || ' since ' || refund.created_at
        ELSE 'failed (' || refund.failure_code || ') and nobody has taken it up' END
FROM billing_refund refund LEFT JOIN billing_refund again ON again.retry_of_id = refund.id
WHERE refund.status IN ('created', 'unanswered', 'pending') AND (refund.created_at < %s OR refund.reread_at IS NULL)
    OR refund.status = 'failed' AND refund.next_attempt_at IS NULL AND again.id IS NULL
"""

REFUND_CHECKS: list[CheckRow] = [
    (
        "refunds_are_their_legs",
        "Every refund is what its legs get back, and net and VAT of it.",
        query("refunds_are_their_legs", _REFUNDS_ARE_THEIR_LEGS, nothing),
    ),
    (
        "legs_keep_their_refunds",
        "Every funding leg knows what its refunds took off it.",
        query("legs_keep_their_refunds", _LEGS_KEEP_THEIR_REFUNDS, nothing),
    ),
    (
        "refunds_are_of_their_cdr",
        "A refund gives back to legs of its own session only.",
        query("refunds_are_of_their_cdr", _REFUNDS_ARE_OF_THEIR_CDR, nothing),
    ),
    (
        "refunds_are_posted",
        "Every refund's posting takes back its net and VAT and fills the wallets it came from.",
        query("refunds_are_posted", _REFUNDS_ARE_POSTED, nothing),
    ),
    (
        "refund_postings_have_their_refund",
        "Every posting of a refund has the refund it is of.",
        query("refund_postings_have_their_refund", _REFUND_POSTINGS_HAVE_THEIR_REFUND, nothing),
    ),
    (
        "card_refunds_are_posted",
        "Every card refund that was given is posted once, and back when it was returned.",
        query("card_refunds_are_posted", _CARD_REFUNDS_ARE_POSTED, nothing),
    ),
    (
        "payments_keep_their_refunds",
        "Every payment knows what its refunds give back.",
        query("payments_keep_their_refunds", _PAYMENTS_KEEP_THEIR_REFUNDS, nothing),
    ),
    (
        "paid_parts_go_back",
        "What a paid card leg is refunded is sent back to its card, and nothing else is.",
        query("paid_parts_go_back", _PAID_PARTS_GO_BACK, nothing),
    ),
    (
        "refunds_stay_below_the_price",
        "No session is refunded more than it was billed, net and VAT alike.",
        query("refunds_stay_below_the_price", _REFUNDS_STAY_BELOW_THE_PRICE, nothing),
    ),
    (
        "bad_debt_is_what_was_written_off",
        "Bad debt is what written-off legs leave unpaid and disputes lost for good took.",
        query("bad_debt_is_what_was_written_off", _BAD_DEBT_IS_WHAT_WAS_WRITTEN_OFF, nothing),
    ),
    (
        "revisions_are_what_is_left",
        "Every revised Cdr is the one before less what its correction gave back.",
        query("revisions_are_what_is_left", _REVISIONS_ARE_WHAT_IS_LEFT, nothing),
    ),
    (
        "corrections_have_their_revision",
        "Every session a correction was applied to has its revised Cdr and refund.",
        query("corrections_have_their_revision", _CORRECTIONS_HAVE_THEIR_REVISION, nothing),
    ),
    (
        "correction_refunds_have_their_revision",
        "Every refund by a correction has the revised Cdr it follows from.",
        query("correction_refunds_have_their_revision", _CORRECTION_REFUNDS_HAVE_THEIR_REVISION, nothing),
    ),
    (
        "refunds_arrive",
        "Card refunds arrive, or somebody looks after them.",
        query("refunds_arrive", _REFUNDS_ARRIVE, lambda now: [now - REFUND_WITHIN], is_warning=True),
    ),
]
