"""The invariants of wallet top-ups, as set-based queries; see billing.selectors.book_checks."""

from billing.selectors.book_queries import CheckRow, nothing, query

_TOP_UPS_ARE_CREDITED = """
SELECT 'payment ' || payment.idempotency_key,
    'took ' || ROUND(payment.amount, 4) || ' for a wallet; it has ' || COUNT(lot.id) || ' lots of '
    || ROUND(COALESCE(SUM(lot.amount), 0), 4)
FROM billing_payment payment
LEFT JOIN billing_walletlot lot ON lot.ledger_transaction_id = payment.ledger_transaction_id
    AND lot.kind = 'cash' AND lot.origin = 'card_top_up'
    AND lot.account_id IN (SELECT id FROM billing_ledgeraccount account WHERE account.code = 'wallet'
        AND account.driver_id = payment.driver_id AND account.currency = payment.currency)
WHERE payment.purpose = 'top_up' AND payment.status = 'succeeded'
GROUP BY payment.id, payment.idempotency_key, payment.amount
HAVING COUNT(lot.id) <> 1 OR ROUND(payment.amount - COALESCE(SUM(lot.amount), 0), 4) <> 0
"""

_CARD_LOTS_WERE_PAID = """
SELECT 'wallet lot ' || lot.id, 'is a card top-up of ' || ROUND(lot.amount, 4) || ' that no payment brought'
FROM billing_walletlot lot
LEFT JOIN billing_payment payment ON payment.ledger_transaction_id = lot.ledger_transaction_id
    AND payment.purpose = 'top_up' AND payment.status = 'succeeded'
WHERE lot.origin = 'card_top_up' AND payment.id IS NULL
"""

_TOP_UPS_GIVE_BACK_WHAT_LEFT = """
SELECT 'payment ' || payment.idempotency_key,
    'gives back ' || ROUND(payment.refunded, 4) || ', its lot gave up ' || ROUND(lot.amount - lot.remaining, 4)
FROM billing_payment payment JOIN billing_walletlot lot ON lot.ledger_transaction_id = payment.ledger_transaction_id
WHERE payment.purpose = 'top_up' AND ROUND(payment.refunded - (lot.amount - lot.remaining), 4) > 0
"""

_AUTOMATIC_TOP_UPS_WERE_AGREED = """
SELECT 'payment ' || payment.idempotency_key, 'was made automatically, and its driver had not agreed to that'
FROM billing_payment payment
LEFT JOIN billing_autotopup plan ON plan.driver_id = payment.driver_id AND plan.currency = payment.currency
    AND plan.created_at <= payment.created_at
WHERE payment.is_automatic AND plan.id IS NULL
"""

TOP_UP_CHECKS: list[CheckRow] = [
    (
        "top_ups_are_credited",
        "Every top-up that was paid is one cash lot in its driver's wallet.",
        query("top_ups_are_credited", _TOP_UPS_ARE_CREDITED, nothing),
    ),
    (
        "card_lots_were_paid",
        "Every lot that came from a card has the payment that brought it.",
        query("card_lots_were_paid", _CARD_LOTS_WERE_PAID, nothing),
    ),
    (
        "top_ups_give_back_what_left",
        "No top-up goes back to its card while it can still be spent.",
        query("top_ups_give_back_what_left", _TOP_UPS_GIVE_BACK_WHAT_LEFT, nothing),
    ),
    (
        "automatic_top_ups_were_agreed",
        "No driver was charged automatically who had not agreed to it.",
        query("automatic_top_ups_were_agreed", _AUTOMATIC_TOP_UPS_WERE_AGREED, nothing),
    ),
]
