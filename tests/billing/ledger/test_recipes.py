"""docs/chart-of-accounts.md is run: every recipe's event really posts what its T-account says."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.test import override_settings

from accounts.models import Driver
from billing.domain.postings import DEBIT_CODES, OWNER_CODES, system
from billing.models import (
    AdHocSession,
    ChargingSession,
    FakeProviderObject,
    Hold,
    LedgerAccount,
    LedgerTransaction,
    Refund,
)
from billing.providers.fake import bank, disputes
from billing.services.card_holds import ask_for_hold
from billing.services.card_refunds import pay_out_refund, send_refund
from billing.services.correction_application import apply_correction
from billing.services.corrections import approve_correction, draft_correction, preview_correction
from billing.services.holds import capture_hold, place_hold
from billing.services.lots import expire_lots
from billing.services.payments import collect_leg
from billing.services.receivables import adjust_receivable
from billing.services.refunds import refund_session
from billing.services.settlement import settle_session
from billing.services.wallet_closing import close_wallet
from billing.services.wallets import adjust_wallet, credit_wallet
from billing.services.write_offs import write_off_leg
from common import clock
from tests.billing.ad_hoc.world import catch_up, charging, session_of
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet, meter
from tests.billing.payments.world import save_card, work_off_queue
from tests.billing.refunds.world import billed_session, paid_session
from tests.billing.sessions.conftest import NOON as NOON_AT_THE_STAND
from tests.billing.sessions.conftest import stand_with
from tests.billing.wallets.world import top_up_of, wallet_driver
from tests.factories import DriverFactory, StaffFactory, TariffVersionFactory, component, element, tariff_document

PAGE = Path(settings.BASE_DIR) / "docs" / "chart-of-accounts.md"

Entries = Counter[tuple[str, str, Decimal]]
Scenario = Callable[[], str]


def recipes() -> dict[str, tuple[str, Entries]]:
    """Event and entries (side, account, amount) by heading."""
    found = {}
    for section in PAGE.read_text().partition("## Recipes")[2].split("\n### ")[1:]:
        heading, _, body = section.partition("\n")
        event = re.search(r"^`(\w+)`", body, re.MULTILINE)
        assert event is not None, heading
        entries: Entries = Counter()
        for line in body.splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) != 4 or cells[0] == "Dr" or cells[0].startswith("---"):
                continue
            for side, account, amount in (("debit", *cells[:2]), ("credit", *cells[2:])):
                if account:
                    entries[side, account, Decimal(amount)] += 1
        found[heading] = (event[1], entries)
    return found


def add(driver: Driver, amount: str, kind: str, origin: str) -> str:
    credit_wallet(
        driver_id=driver.pk,
        amount=eur(amount),
        kind=kind,
        origin=origin,
        reason="recipe",
        idempotency_key=f"recipe:{origin}",
    )
    return "wallet_credited"


def take_out() -> str:
    driver = DriverFactory()
    fill_wallet(driver, "10.00")
    fill_wallet(driver, "3.00", kind="promo")
    adjust_wallet(driver_id=driver.pk, amount=eur("5.00"), reason="recipe", idempotency_key="recipe")
    return "wallet_adjusted"


def expire() -> str:
    driver = DriverFactory()
    fill_wallet(driver, "4.00", kind="promo", expires_at=NOON)
    expire_lots(now=NOON)
    return "promo_expired"


def capture() -> str:
    session = EndedSessionFactory(status="active", stopped_at=None, ended_at=None)
    fill_wallet(session.driver, "5.00")
    hold = place_hold(
        driver_id=session.driver_id,
        session_id=session.pk,
        amount=eur("4.00"),
        expires_at=clock.now() + timedelta(days=1),
        idempotency_key="recipe",
    )
    fees = system("revenue_fees", "EUR")
    capture_hold(hold_id=hold.pk, amount=eur("2.50"), credit_to=fees, idempotency_key="recipe")
    return "hold_captured"


def settle(in_wallet: str = "", **session_terms: object) -> str:
    session = EndedSessionFactory(**session_terms)
    if in_wallet:
        fill_wallet(session.driver, in_wallet)
    settle_session(session_id=session.pk)
    return "session_settled"


def settle_several_prices() -> str:
    document = tariff_document(
        element(component("FLAT", "0.50"), component("ENERGY", "0.40"), component("PARKING_TIME", "6.00", vat="7"))
    )
    session = EndedSessionFactory(
        tariff_version=TariffVersionFactory(document=document), started_at=NOON, ended_at=NOON + timedelta(hours=2)
    )
    meter(session, 60, "0", "charging")
    settle_session(session_id=session.pk)
    return "session_settled"


def collect() -> str:
    session = EndedSessionFactory(contract_type__credit=True)
    fill_wallet(session.driver, "4.00")
    save_card(session.driver)
    cdr = settle_session(session_id=session.pk)
    assert cdr is not None
    collect_leg(leg_id=cdr.legs.get(source="card").pk)
    return "card_payment"


def capture_on_card() -> str:
    session = EndedSessionFactory(contract_type__preauth=True, status="active", ended_at=None)
    save_card(session.driver)
    ask_for_hold(session, now=clock.now())
    work_off_queue()
    ChargingSession.objects.filter(pk=session.pk).update(status="ended", ended_at=session.stopped_at)
    settle_session(session_id=session.pk)
    work_off_queue()
    assert Hold.objects.get(charging_session=session).captured_amount == Decimal("10.20")
    return "card_payment"


def give_back(amount: str | None = None, **terms: str) -> str:
    session = paid_session(**terms)
    refund_session(
        session_id=session.pk,
        amount=None if amount is None else Decimal(amount),
        reason="recipe",
        idempotency_key="recipe",
    )
    return "session_refunded"


def refund_a_debt() -> str:
    session = billed_session()
    refund_session(session_id=session.pk, amount=Decimal("5.10"), reason="recipe", idempotency_key="recipe")
    return "session_refunded"


def refund_open_access() -> str:
    session = billed_session(contract_type__open_access=True)
    refund_session(session_id=session.pk, reason="recipe", idempotency_key="recipe")
    return "session_refunded"


def refund_a_card(card: str = "visa") -> str:
    give_back("6.20", wallet="4.00", card=card)
    send_refund(refund_id=Refund.objects.get().pk)
    return "card_refund"


def return_a_refund() -> str:
    refund_a_card()
    bank.finish_refund(refund_reference=Refund.objects.get().provider_reference, is_success=False)
    work_off_queue()
    return "card_refund_returned"


def dispute(*, is_won: bool | None = None, bearer: str = "receivable") -> str:
    paid_session("disputed")
    (made,) = FakeProviderObject.objects.filter(kind="dispute")
    if is_won is not None:
        disputes.close_dispute(made.reference, is_won=is_won)
    if is_won:
        disputes.reinstate_funds(made.reference)
    with override_settings(DISPUTES_LOST=bearer):
        work_off_queue()
    return {None: "dispute_withdrawn", True: "dispute_reinstated", False: "dispute_lost"}[is_won]


def adjust_debt(direction: str, settled: str, amount: str = "10.20") -> str:
    dispute(is_won=False)
    adjust_receivable(
        driver_id=LedgerAccount.objects.get(code="receivable").driver_id,
        amount=eur(amount),
        direction=direction,
        settled=settled,
        reason="recipe",
        idempotency_key="recipe",
        actor_id=StaffFactory().pk,
    )
    return "receivable_adjusted"


def pay_out() -> str:
    return_a_refund()
    pay_out_refund(refund_id=Refund.objects.get().pk, actor_id=StaffFactory().pk, reason="recipe")
    return "refund_paid_out"


def write_off() -> str:
    session = paid_session("insufficient_funds")
    write_off_leg(leg_id=session.cdr.legs.get().pk, actor_id=StaffFactory().pk, reason="recipe")
    return "debt_written_off"


def recover() -> str:
    write_off()
    late = FakeProviderObject.objects.get(kind="payment")
    late.state, late.data = "succeeded", {**late.data, "captured": "10.20"}
    late.save()
    bank.post.announce("payment.succeeded", subject="payment", reference=late.reference)
    work_off_queue()
    return "write_off_recovered"


def without_account(minutes: int, energy_wh: str) -> ChargingSession:
    with time_machine.travel(NOON_AT_THE_STAND, tick=False) as now:
        stand = stand_with()
        order = charging(stand)
        now.shift(timedelta(minutes=minutes))
        stand.stop(session_of(order).pk, minutes, energy_wh)
        catch_up()
    return session_of(order)


def settle_without_account() -> str:
    session = EndedSessionFactory(contract=None, driver=None, channel="ad_hoc")
    AdHocSession.objects.create(
        connector=session.connector,
        tariff_version=session.tariff_version,
        currency="EUR",
        vat_percent=19,
        hold_amount=25,
        price_digest="recipe",
        agreed_at=NOON,
        pay_by=NOON + timedelta(minutes=15),
        charging_session=session,
    )
    settle_session(session_id=session.pk)
    return "session_settled"


def capture_without_account() -> str:
    # 10.20 at 0.40 net and 19 %.
    without_account(180, "21429")
    return "card_payment"


def give_up_without_account() -> str:
    without_account(360, "60000")
    return "debt_written_off"


def correct() -> str:
    session = paid_session()
    correction = draft_correction(
        tariff_id=session.tariff_version.tariff_id,
        ocpi_text=tariff_document(element(component("ENERGY", "0.40"))),
        since=NOON - timedelta(days=1),
        until=NOON + timedelta(days=1),
        reason="recipe",
        author_id=StaffFactory().pk,
    )
    preview_correction(correction_id=correction.pk)
    approve_correction(correction_id=correction.pk, actor_id=StaffFactory().pk, reason="recipe")
    apply_correction(correction_id=correction.pk)
    return "session_corrected"


def close() -> str:
    ada = wallet_driver()
    save_card(ada)
    top_up_of(ada)
    add(ada, "10.00", "cash", "operator")
    add(ada, "5.00", "promo", "gift")
    close_wallet(driver_id=ada.pk, currency="EUR", reason="recipe", idempotency_key="recipe:close")
    return "wallet_closed"


SCENARIOS: dict[str, Scenario] = {
    "An operator adds cash": lambda: add(DriverFactory(), "25.00", "cash", "operator"),
    "An operator gives credit away": lambda: add(DriverFactory(), "5.00", "promo", "operator"),
    "A card top-up succeeds": lambda: add(DriverFactory(), "50.00", "cash", "card_top_up"),
    "An operator takes money out of a wallet": take_out,
    "Promotional credit expires": expire,
    "A wallet is closed": close,
    "A hold is captured for something other than a session's price": capture,
    "A session is paid from the wallet": lambda: settle("30.00", contract_type__wallet=True),
    "A session draws the wallet first, then the card": lambda: settle("4.00", contract_type__credit=True),
    "A session costs more than the wallet holds": lambda: settle("10.00", contract_type__wallet=True),
    "A session with several prices and rates": settle_several_prices,
    "A session of open access": lambda: settle(contract_type__open_access=True),
    "A held amount is captured": capture_on_card,
    "A card pays what is owed": collect,
    "A session paid from the wallet and by card is refunded in part": lambda: give_back("8.00", wallet="4.00"),
    "A session that is not paid yet is refunded in part": refund_a_debt,
    "A session of open access is refunded": refund_open_access,
    "The provider gives money back to a card": refund_a_card,
    "A card refund comes back from the bank": return_a_refund,
    "A cardholder disputes a payment": dispute,
    "A dispute is won": lambda: dispute(is_won=True),
    "A dispute is lost and the customer owes it again": lambda: dispute(is_won=False),
    "A dispute is lost and the operator bears it": lambda: dispute(is_won=False, bearer="loss"),
    "A card refund that failed is paid out by bank transfer": pay_out,
    "What cannot be collected is written off": write_off,
    "A session without an account ends": settle_without_account,
    "The amount held without an account is captured": capture_without_account,
    "A session without an account costs more than was held": give_up_without_account,
    "What was written off is paid after all": recover,
    "A customer pays what they owe by bank transfer": lambda: adjust_debt("lower", "bank_clearing"),
    "A customer is let off what they owe": lambda: adjust_debt("lower", "promo_expense"),
    "A customer is paid by bank transfer": lambda: adjust_debt("raise", "bank_clearing", "5.00"),
    "A tariff is corrected as of a past moment": correct,
}


def test_every_recipe_is_run():
    assert list(recipes()) == list(SCENARIOS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("heading", SCENARIOS)
def test_the_recipe(heading):
    event, expected = recipes()[heading]
    happened = SCENARIOS[heading]()
    posted = LedgerTransaction.objects.filter(event=happened).latest("pk")
    entries: Entries = Counter()
    for entry in posted.entries.select_related("account"):
        account = entry.account
        name = " ".join(part for part in (account.code, account.driver and "Ada", account.qualifier) if part)
        entries[entry.side, name, entry.amount] += 1
    assert (event, entries) == (happened, expected)


def test_every_account_stands_in_the_table_with_its_side_and_owner():
    table = {
        code: (side, owner in ("driver", "partner", "driver or partner"))
        for code, side, owner in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+?) \|", PAGE.read_text(), re.MULTILINE)
    }
    assert table == {
        code: ("debit" if code in DEBIT_CODES else "credit", code in OWNER_CODES) for code in LedgerAccount.Code.values
    }


def test_every_event_posted_anywhere_has_a_recipe():
    sources = [
        path.read_text()
        for app in ("billing", "invoicing", "config")
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py")
        if "migrations" not in path.parts
    ]
    posted = {event for source in sources for event in re.findall(r'\bevent="(\w+)"', source)}
    assert posted == {event for event, _ in recipes().values()}
