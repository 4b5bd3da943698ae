"""What holds of charging without an account, as set-based queries. billing.services.books runs them."""

from billing.selectors.book_queries import CheckRow, nothing, query

_AD_HOC_HAS_ITS_PAYER = """
SELECT 'session ' || session.id,
    CASE WHEN ad_hoc.id IS NULL THEN 'is billed and has neither a driver nor an ad hoc payer'
        ELSE 'has an ad hoc payer and is on channel ' || session.channel
            || CASE WHEN session.driver_id IS NULL THEN '' ELSE ' with driver ' || session.driver_id END END
FROM billing_chargingsession session
LEFT JOIN billing_adhocsession ad_hoc ON ad_hoc.charging_session_id = session.id
WHERE (ad_hoc.id IS NULL AND session.driver_id IS NULL AND session.open_access_id IS NULL
        AND session.outcome = 'billed')
    OR (ad_hoc.id IS NOT NULL AND (session.driver_id IS NOT NULL OR session.contract_id IS NOT NULL
        OR session.channel <> 'ad_hoc'))
"""

_AD_HOC_KEEPS_ITS_PRICE = """
SELECT 'ad hoc session ' || ad_hoc.id, 'agreed to tariff version ' || ad_hoc.tariff_version_id || ' in '
    || ad_hoc.currency || '; session ' || session.id || ' has '
    || COALESCE(CAST(session.tariff_version_id AS text), 'none')
FROM billing_adhocsession ad_hoc JOIN billing_chargingsession session ON session.id = ad_hoc.charging_session_id
WHERE session.tariff_version_id IS NULL OR session.tariff_version_id <> ad_hoc.tariff_version_id
    OR session.currency <> ad_hoc.currency OR ROUND(session.vat_percent - ad_hoc.vat_percent, 3) <> 0
"""

# What legs are still worth, less what was taken for them, and what was given back of that.
_AD_HOC_IS_OWED = """
SELECT 'ledger account ' || account.key, 'stands at ' || ROUND(COALESCE(posted.amount, 0), 4)
    || '; by their legs, payments and refunds, ad hoc payers owe '
    || ROUND(COALESCE(legs.amount, 0) - COALESCE(taken.amount, 0) + COALESCE(given.amount, 0), 4)
FROM billing_ledgeraccount account
LEFT JOIN (
    SELECT account_id, SUM(CASE WHEN side = 'debit' THEN amount ELSE -amount END) amount
    FROM billing_ledgerentry GROUP BY account_id
) posted ON posted.account_id = account.id
LEFT JOIN (
    SELECT cdr.currency, SUM(CASE WHEN leg.state = 'written_off' THEN 0 ELSE leg.amount - leg.refunded END) amount
    FROM billing_fundingleg leg JOIN billing_cdr cdr ON cdr.id = leg.cdr_id
    JOIN billing_adhocsession ad_hoc ON ad_hoc.charging_session_id = cdr.charging_session_id
    GROUP BY cdr.currency
) legs ON legs.currency = account.currency
LEFT JOIN (
    SELECT currency, SUM(amount) amount FROM billing_payment
    WHERE driver_id IS NULL AND status = 'succeeded' GROUP BY currency
) taken ON taken.currency = account.currency
LEFT JOIN (
    SELECT payment.currency, SUM(refund.amount) amount
    FROM billing_refund refund JOIN billing_payment payment ON payment.id = refund.payment_id
    WHERE payment.driver_id IS NULL AND refund.status IN ('succeeded', 'paid_out') GROUP BY payment.currency
) given ON given.currency = account.currency
WHERE account.code = 'receivable_ad_hoc' AND ROUND(
    COALESCE(posted.amount, 0) - COALESCE(legs.amount, 0) + COALESCE(taken.amount, 0) - COALESCE(given.amount, 0), 4
) <> 0
"""

AD_HOC_CHECKS: list[CheckRow] = [
    (
        "ad_hoc_has_its_payer",
        "Every billed session has a driver or an ad hoc payer, never both.",
        query("ad_hoc_has_its_payer", _AD_HOC_HAS_ITS_PAYER, nothing),
    ),
    (
        "ad_hoc_keeps_its_price",
        "Every ad hoc session is priced by what its payer agreed to.",
        query("ad_hoc_keeps_its_price", _AD_HOC_KEEPS_ITS_PRICE, nothing),
    ),
    (
        "ad_hoc_is_owed",
        "What ad hoc payers owe by the ledger is what their legs, payments and refunds leave open.",
        query("ad_hoc_is_owed", _AD_HOC_IS_OWED, nothing),
    ),
]
