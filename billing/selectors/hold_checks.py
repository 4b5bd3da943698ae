"""The invariants of what is held on cards, as set-based queries. billing.services.books runs them."""

from datetime import timedelta

from billing.selectors.book_queries import CheckRow, nothing, query

# What is not needed is let go of at once; the provider may be out of reach for a while.
RELEASE_WITHIN = timedelta(minutes=15)

_CAPTURES_ARE_POSTED = """
SELECT 'hold ' || hold.id,
    'was captured for ' || ROUND(hold.captured_amount, 4) || '; its payment is ' || COALESCE(payment.status, 'missing')
    || ' with ' || ROUND(COALESCE(payment.amount, 0), 4)
FROM billing_hold hold LEFT JOIN billing_payment payment ON payment.id = hold.payment_id
WHERE hold.source = 'card' AND hold.status = 'captured'
    AND (payment.id IS NULL OR payment.status <> 'succeeded' OR payment.ledger_transaction_id IS NULL
        OR ROUND(payment.amount - hold.captured_amount, 4) <> 0)
"""

_HOLDS_ARE_LET_GO = """
SELECT 'hold ' || hold.id, 'is ' || hold.status || ' and session ' || session.id || ' does not need it'
FROM billing_hold hold JOIN billing_chargingsession session ON session.id = hold.charging_session_id
LEFT JOIN billing_cdr cdr ON cdr.charging_session_id = session.id
WHERE hold.source = 'card' AND hold.status IN ('asked', 'requires_action', 'active')
    AND (
        hold.release_asked_at < %s
        OR (
            hold.release_asked_at IS NULL
            AND (
                session.status = 'cancelled' AND session.start_deadline_at < %s
                OR session.outcome = 'free' AND session.ended_at < %s
                OR cdr.created_at < %s AND NOT EXISTS (
                    SELECT 1 FROM billing_fundingleg leg WHERE leg.cdr_id = cdr.id AND leg.source = 'card'
                        AND leg.state NOT IN ('paid', 'written_off', 'refunded')
                )
            )
        )
    )
"""

HOLD_CHECKS: list[CheckRow] = [
    (
        "captures_are_posted",
        "Every captured hold on a card has the one payment that took it, posted with its amount.",
        query("captures_are_posted", _CAPTURES_ARE_POSTED, nothing),
    ),
    (
        "card_holds_are_let_go",
        "What is held on a card and not needed is let go of within its deadline.",
        query("card_holds_are_let_go", _HOLDS_ARE_LET_GO, lambda now: [now - RELEASE_WITHIN] * 4),
    ),
]
