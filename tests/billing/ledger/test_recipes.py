"""docs/chart-of-accounts.md is run: every recipe's event really posts what its T-account says."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import Driver
from billing.domain.postings import DEBIT_CODES, OWNER_CODES, system
from billing.models import LedgerAccount, LedgerTransaction
from billing.services.holds import capture_hold, place_hold
from billing.services.lots import expire_lots
from billing.services.payments import collect_leg
from billing.services.settlement import settle_session
from billing.services.wallets import adjust_wallet, credit_wallet
from common import clock
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet, meter
from tests.billing.payments.world import save_card
from tests.factories import DriverFactory, TariffVersionFactory, component, element, tariff_document

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
        idempotency_key="recipe",
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


SCENARIOS: dict[str, Scenario] = {
    "An operator adds cash": lambda: add(DriverFactory(), "25.00", "cash", "operator"),
    "An operator gives credit away": lambda: add(DriverFactory(), "5.00", "promo", "operator"),
    "A card top-up succeeds": lambda: add(DriverFactory(), "50.00", "cash", "card_top_up"),
    "An operator takes money out of a wallet": take_out,
    "Promotional credit expires": expire,
    "A hold is captured for something other than a session's price": capture,
    "A session is paid from the wallet": lambda: settle("30.00", contract_type__wallet=True),
    "A session draws the wallet first, then the card": lambda: settle("4.00", contract_type__credit=True),
    "A session costs more than the wallet holds": lambda: settle("10.00", contract_type__wallet=True),
    "A session with several prices and rates": settle_several_prices,
    "A session of open access": lambda: settle(contract_type__open_access=True),
    "A card pays what is owed": collect,
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
