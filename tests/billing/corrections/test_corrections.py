"""A tariff corrected as of a past moment: previewed, approved by somebody else, applied to the cent, once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from accounts.models import AuditEvent, User
from billing.errors import CorrectionsOverlap, OwnApproval, ReasonMissing
from billing.models import CdrRevision, ChargingSession, LedgerEntry, PriceCorrection, SessionCorrection, SessionRefund
from billing.selectors.corrections import price_known, totals_of
from billing.services.books import verify
from billing.services.correction_application import apply_correction, apply_item
from billing.services.corrections import approve_correction, draft_correction, preview_correction, reject_correction
from billing.services.payment_sweep import sweep_payments
from billing.services.payments import claim_leg
from billing.services.refunds import refund_session
from common import clock
from common.errors import BadInput, InvalidTransition
from tests.billing.books.test_books import tamper
from tests.billing.factories import NOON, ten_twenty_document
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.test_races import at_once
from tests.billing.payments.world import work_off_queue
from tests.billing.refunds.world import after, billed_session, paid_session
from tests.factories import StaffFactory, TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db(transaction=True)

# 15 kWh: 6.00 net, 1.14 VAT, 7.14 instead of 10.20.
FORTY_CENTS = tariff_document(element(component("ENERGY", "0.40")))


@pytest.fixture
def version():
    return TariffVersionFactory(document=ten_twenty_document())


@pytest.fixture
def otto() -> User:
    return StaffFactory()


@pytest.fixture
def fina() -> User:
    return StaffFactory()


def drafted(version, author, document: str = FORTY_CENTS, **terms) -> PriceCorrection:
    return draft_correction(
        tariff_id=version.tariff_id,
        ocpi_text=document,
        reason="the night price was entered twice",
        author_id=author.pk,
        **{"since": NOON - timedelta(days=1), "until": NOON + timedelta(days=1), **terms},
    )


def previewed(version, author, document: str = FORTY_CENTS, **terms) -> PriceCorrection:
    return preview_correction(correction_id=drafted(version, author, document, **terms).pk)


def applied(correction: PriceCorrection, approver: User) -> PriceCorrection:
    approve_correction(correction_id=correction.pk, actor_id=approver.pk, reason="checked")
    return apply_correction(correction_id=correction.pk)


def item_of(session: ChargingSession) -> SessionCorrection:
    return SessionCorrection.objects.get(charging_session=session)


def findings() -> list[str]:
    return [finding.check for finding in verify().findings]


def test_from_preview_to_applied(version, otto, fina):
    by_card = paid_session(tariff_version=version)
    by_wallet = paid_session(tariff_version=version, promo="3.00", wallet="4.00")
    unpaid = billed_session(tariff_version=version)
    elsewhere = paid_session()

    correction = previewed(version, otto)
    assert (correction.state, correction.created_at <= clock.now()) == ("previewed", True)
    assert [(item.charging_session, item.state, item.refund) for item in correction.sessions.all()] == [
        (session, "planned", Decimal("3.06")) for session in (by_card, by_wallet, unpaid)
    ]
    totals = totals_of(correction)
    assert (totals.sessions, totals.before, totals.after, totals.refund) == (
        3,
        Decimal("30.60"),
        Decimal("21.42"),
        Decimal("9.18"),
    )
    assert not SessionRefund.objects.exists()

    before = clock.now()
    correction = applied(correction, fina)
    work_off_queue()
    assert (correction.state, correction.decided_by) == ("applied", fina)
    assert (after(by_card).legs, after(by_card).kept) == ([("card", "paid", Decimal("3.06"))], Decimal("7.14"))
    assert after(by_wallet).legs == [
        ("wallet_promo", "paid", Decimal(0)),
        ("wallet_cash", "paid", Decimal(0)),
        ("card", "paid", Decimal("3.06")),
    ]
    assert (after(unpaid).legs, after(unpaid).owed) == ([("card", "due", Decimal("3.06"))], Decimal("7.14"))
    for session in (by_card, by_wallet, unpaid):
        assert (after(session).revenue, after(session).vat) == (Decimal("6.00"), Decimal("1.14"))
        # The Cdr stays; what it is known to cost depends on when one asks.
        known = price_known(session.cdr)
        assert (session.cdr.gross, known.gross, known.net) == (Decimal("10.20"), Decimal("7.14"), Decimal("6.00"))
        assert price_known(session.cdr, before) == session.cdr
        assert isinstance(known, CdrRevision)
        assert known.lines[0]["kind"] == "ENERGY"
    assert price_known(elsewhere.cdr) == elsewhere.cdr
    # What the preview announced is what was posted, to the cent.
    assert totals_of(correction).refund == totals.refund == posted_back()
    assert {event.actor for event in AuditEvent.objects.filter(action__startswith="price_correction")} == {otto, fina}
    assert findings() == []


def posted_back() -> Decimal:
    """What all postings of corrections took off revenue and VAT."""
    entries = LedgerEntry.objects.filter(transaction__event="session_corrected").exclude(
        account__code__in=["wallet", "receivable", "open_access_expense"]
    )
    return sum((entry.amount if entry.side == "debit" else -entry.amount for entry in entries), Decimal(0))


def test_dearer_is_waived_the_same_is_left_and_what_cannot_be_priced_says_why(version, otto, fina):
    dearer = paid_session(tariff_version=version)
    correction = previewed(version, otto, tariff_document(element(component("ENERGY", "0.60"))))
    assert (item_of(dearer).state, item_of(dearer).new_gross) == ("waived", Decimal("10.71"))
    assert totals_of(correction).waived == Decimal("0.51")
    assert applied(correction, fina).state == "applied"
    assert (after(dearer).legs, CdrRevision.objects.count()) == ([("card", "paid", Decimal(0))], 0)

    correction = previewed(version, otto, ten_twenty_document())
    assert [item.state for item in correction.sessions.all()] == ["unchanged"]
    reject_correction(correction_id=correction.pk, actor_id=fina.pk, reason="nothing to do")

    ChargingSession.objects.filter(pk=dearer.pk).update(vat_percent=None)
    correction = previewed(version, otto)
    item = correction.sessions.get()
    assert (item.state, item.problem, item.new_gross) == ("problem", "vat_unknown", None)
    assert applied(correction, fina).state == "applied"
    assert findings() == []


def test_prices_that_shift_between_kinds_and_rates_are_posted_exactly(otto, fina):
    old = tariff_document(
        element(component("FLAT", "0.50"), component("ENERGY", "0.40"), component("TIME", "6.00", vat="7"))
    )
    new = tariff_document(element(component("ENERGY", "0.45", vat="7"), component("TIME", "1.00", vat="7")))
    version = TariffVersionFactory(document=old)
    session = paid_session(tariff_version=version)
    applied(previewed(version, otto, new), fina)
    # 14.16 -> 6.75 energy + 1.00 time at 7 %: 7.75 + 0.54 = 8.29
    refund = SessionRefund.objects.get()
    assert (refund.gross, refund.net, refund.vat) == (Decimal("5.87"), Decimal("4.75"), Decimal("1.12"))
    posted = {
        (entry.account.code, entry.account.qualifier, entry.side): entry.amount
        for entry in refund.ledger_transaction.entries.all()
    }
    assert posted == {
        ("revenue_fees", "", "debit"): Decimal("0.50"),
        ("revenue_time", "", "debit"): Decimal("5.00"),
        ("revenue_energy", "", "credit"): Decimal("0.75"),
        ("vat_payable", "DE-19", "debit"): Decimal("1.24"),
        ("vat_payable", "DE-7", "credit"): Decimal("0.12"),
        ("receivable", "", "credit"): Decimal("5.87"),
    }
    work_off_queue()
    assert findings() == []
    # What is left can still be refunded, to nothing.
    refund_session(session_id=session.pk, reason="x", idempotency_key="refund:1")
    work_off_queue()
    assert (after(session).legs[0][1], after(session).kept, after(session).vat) == ("refunded", 0, 0)
    assert findings() == []


@pytest.mark.parametrize("when", ["before the preview", "after the preview"])
def test_what_was_given_back_otherwise_is_not_given_back_once_more(version, otto, fina, when):
    session = paid_session(tariff_version=version)
    correction = None if when == "before the preview" else previewed(version, otto)
    refund_session(session_id=session.pk, amount=Decimal("9.00"), reason="goodwill", idempotency_key="refund:1")
    correction = applied(correction or previewed(version, otto), fina)
    item = item_of(session)
    assert (item.refund, item.covered) == (Decimal("1.20"), Decimal("1.86"))
    assert price_known(session.cdr).gross == Decimal("7.14")
    work_off_queue()
    assert (after(session).legs, after(session).kept) == ([("card", "refunded", Decimal("10.20"))], 0)
    assert findings() == []


def test_a_second_correction_starts_from_the_first(version, otto, fina):
    session = paid_session(tariff_version=version)
    first = applied(previewed(version, otto), fina)
    second = applied(previewed(version, otto, tariff_document(element(component("ENERGY", "0.30")))), fina)
    # 10.20 -> 7.14 -> 5.36
    assert [(revision.number, revision.gross) for revision in session.cdr.revisions.all()] == [
        (1, Decimal("7.14")),
        (2, Decimal("5.36")),
    ]
    assert [totals_of(one).refund for one in (first, second)] == [Decimal("3.06"), Decimal("1.78")]
    work_off_queue()
    assert (after(session).kept, after(session).revenue, findings()) == (Decimal("5.36"), Decimal("4.50"), [])


def test_somebody_else_approves(version, otto, fina, settings: Settings):
    correction = drafted(version, otto)
    with pytest.raises(InvalidTransition):
        approve_correction(correction_id=correction.pk, actor_id=fina.pk, reason="checked")
    preview_correction(correction_id=correction.pk)
    with pytest.raises(ReasonMissing):
        approve_correction(correction_id=correction.pk, actor_id=fina.pk, reason="")
    with pytest.raises(OwnApproval):
        approve_correction(correction_id=correction.pk, actor_id=otto.pk, reason="checked")
    correction.refresh_from_db()
    assert correction.state == "previewed"
    settings.PRICE_CORRECTION_FOUR_EYES = False
    assert approve_correction(correction_id=correction.pk, actor_id=otto.pk, reason="checked").state == "approved"
    with pytest.raises(InvalidTransition):
        reject_correction(correction_id=correction.pk, actor_id=fina.pk, reason="no")


def test_a_rejected_one_changes_nothing(version, otto, fina):
    session = paid_session(tariff_version=version)
    correction = previewed(version, otto)
    reject_correction(correction_id=correction.pk, actor_id=fina.pk, reason="wrong month")
    assert apply_correction(correction_id=correction.pk).state == "rejected"
    assert (after(session).legs, CdrRevision.objects.count()) == ([("card", "paid", Decimal(0))], 0)


def test_terms_that_cannot_be_are_refused(version, otto):
    with pytest.raises(BadInput) as refusal:
        drafted(
            version,
            otto,
            tariff_document(element(component("ENERGY", "0.40")), currency="CHF"),
            since=clock.now() + timedelta(days=2),
            until=clock.now() + timedelta(days=1),
        )
    assert len(refusal.value.details) == 3
    with pytest.raises(BadInput):
        drafted(version, otto, "{}")
    assert PriceCorrection.objects.count() == 0
    drafted(version, otto)
    with pytest.raises(CorrectionsOverlap):
        drafted(version, otto)
    assert drafted(version, otto, since=NOON - timedelta(days=9), until=NOON - timedelta(days=1)).pk


def test_a_payment_under_way_is_waited_for(version, otto, fina):
    session = billed_session(tariff_version=version, card="visa")
    correction = previewed(version, otto)
    claim_leg(leg_id=session.cdr.legs.get().pk)
    assert applied(correction, fina).state == "approved"
    assert item_of(session).state == "planned"
    work_off_queue()
    sweep_payments(clock.now() + timedelta(minutes=5))
    assert apply_correction(correction_id=correction.pk).state == "applied"
    work_off_queue()
    assert (after(session).kept, findings()) == (Decimal("7.14"), [])


def test_a_session_that_changed_since_the_preview_is_left_to_a_person(version, otto, fina):
    session = paid_session(tariff_version=version)
    correction = previewed(version, otto)
    ChargingSession.objects.filter(pk=session.pk).update(meter_stop_wh=17_000)
    applied(correction, fina)
    assert (item_of(session).state, item_of(session).note) == ("failed", "priced differently since the preview")
    assert not SessionRefund.objects.exists()


def test_preview_and_application_survive_a_kill_before_every_write(version, otto, fina):
    paid_session(tariff_version=version)
    paid_session(tariff_version=version)
    number = 1
    correction = drafted(version, otto)
    while kill_before(number, lambda: preview_correction(correction_id=correction.pk)):
        number += 1
    approve_correction(correction_id=correction.pk, actor_id=fina.pk, reason="checked")
    number = 1
    while kill_before(number, lambda: apply_correction(correction_id=correction.pk)):
        number += 1
    assert number > 3
    correction.refresh_from_db()
    assert (correction.state, totals_of(correction).refund, posted_back()) == (
        "applied",
        Decimal("6.12"),
        Decimal("6.12"),
    )
    apply_correction(correction_id=correction.pk)
    work_off_queue()
    assert (CdrRevision.objects.count(), SessionRefund.objects.count(), findings()) == (2, 2, [])


@pytest.mark.postgresql
def test_eight_workers_apply_one_session_once(version, otto, fina):
    session = paid_session(tariff_version=version)
    correction = previewed(version, otto)
    approve_correction(correction_id=correction.pk, actor_id=fina.pk, reason="checked")
    at_once(lambda _number: apply_item(item_id=item_of(session).pk))
    work_off_queue()
    assert (after(session).legs, after(session).kept) == ([("card", "paid", Decimal("3.06"))], Decimal("7.14"))
    assert (CdrRevision.objects.count(), findings()) == (1, [])


@pytest.mark.parametrize(
    ("sql", "checks"),
    [
        (
            "UPDATE billing_cdrrevision SET gross = 7.00, net = 5.86",
            {"revisions_are_what_is_left", "corrections_have_their_revision"},
        ),
        ("UPDATE billing_cdrrevision SET number = 2", {"revisions_are_what_is_left"}),
        (
            "DELETE FROM billing_cdrrevision",
            {"corrections_have_their_revision", "correction_refunds_have_their_revision"},
        ),
        ("UPDATE billing_sessioncorrection SET refund = 3.00", {"corrections_have_their_revision"}),
        ("UPDATE billing_sessioncorrection SET state = 'planned'", {"corrections_have_their_revision"}),
        (
            "UPDATE billing_sessionrefund SET kind = 'correction' WHERE kind = 'refund'",
            {"correction_refunds_have_their_revision"},
        ),
    ],
)
def test_the_books_name_what_was_tampered_with(version, otto, fina, sql, checks):
    session = paid_session(tariff_version=version)
    applied(previewed(version, otto), fina)
    refund_session(session_id=session.pk, amount=Decimal("1.00"), reason="goodwill", idempotency_key="refund:1")
    work_off_queue()
    assert findings() == []
    with transaction.atomic():
        tamper(sql)
    assert set(findings()) == checks


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_cdrrevision SET gross = 1",
        "DELETE FROM billing_cdrrevision",
        "UPDATE billing_pricecorrection SET document = '{}'",
        "DELETE FROM billing_pricecorrection",
        "UPDATE billing_sessioncorrection SET new_gross = 1",
        "DELETE FROM billing_sessioncorrection",
    ],
)
def test_the_database_refuses(version, otto, fina, sql):
    paid_session(tariff_version=version)
    applied(previewed(version, otto), fina)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
