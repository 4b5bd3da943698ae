"""The use of the wallet is switched for a contract type, after it was said what becomes of the balances."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, ContractType
from tests.billing.contract_migrations.world import ada_on, types
from tests.billing.payments.world import save_card
from tests.config.portal.conftest import LogIn
from tests.factories import ContractTypeFactory

pytestmark = pytest.mark.django_db

FORM = {"key": "4b1b2f1e-7c1e-4a63-9df6-0a4f4f1b7a10", "reason": "new terms"}


def page(kind: ContractType, name: str = "wallet_use") -> str:
    return reverse(f"admin:accounts_contracttype_{name}", args=[kind.pk])


def switch(browser: Client, kind: ContractType) -> str:
    """The sentences that were shown, unescaped, before it was done."""
    shown = browser.post(page(kind), FORM).content.decode()
    assert browser.post(page(kind), {**FORM, "confirmed": "1"})["Location"] == page(kind, "change")
    kind.refresh_from_db()
    return shown


def test_off_and_on_again(log_in: LogIn) -> None:
    plain, credit = types()
    save_card(ada_on(credit, "4.00", promo="1.00"))
    ada_on(credit, "2.50")
    ada_on(plain, "9.00")
    fina = log_in("Finance")
    assert page(credit) in fina.get(page(credit, "change")).content.decode()
    shown = switch(fina, credit)
    assert "7.50\xa0€ in 2 wallets is frozen: kept to the cent" in shown
    assert "1 driver with a balance has no card and cannot charge until one is saved." in shown
    assert "Running sessions finish as they began." in shown
    assert credit.wallet_use == "none"
    shown = switch(fina, credit)
    assert "7.50\xa0€ in 2 wallets is drawn from then on." in shown
    assert "Drivers see their balance but cannot top up; operators can" in shown
    assert credit.wallet_use == "draw_first"
    assert AuditEvent.objects.filter(action="wallet_use_changed", reason="new terms").count() == 2


def test_a_wallet_type_is_refused(log_in: LogIn) -> None:
    kind: ContractType = ContractTypeFactory(wallet=True)
    fina = log_in("Finance")
    assert page(kind) not in fina.get(page(kind, "change")).content.decode()
    answer = fina.post(page(kind), {**FORM, "confirmed": "1"})
    assert "move them to another contract type" in str(answer.context["form"].non_field_errors())


def test_the_form_does_not_change_what_customers_were_promised(log_in: LogIn) -> None:
    plain, _ = types()
    fina = log_in("Finance")
    form = {
        "name": "Renamed", "code": plain.code, "currency": "EUR", "billing_model": "wallet", "wallet_use": "only",
        "invoicing": "per_session", "eligible": "sessions", "min_balance_to_start": "0", "plain_words": "",
        "hold_AC": "", "hold_DC": "", "hold_HPC": "", "debt_rule": "any", "debt_above": "",
    }  # fmt: skip
    ada_on(plain)
    assert fina.post(page(plain, "change"), form).status_code == 302
    plain.refresh_from_db()
    assert (plain.name, plain.billing_model, plain.wallet_use) == ("Renamed", "postpaid", "none")


@pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
def test_others_may_not(log_in: LogIn, role: str) -> None:
    _, credit = types()
    ada_on(credit, "4.00")
    somebody = log_in(role)
    assert somebody.post(page(credit), {**FORM, "confirmed": "1"}).status_code == 403
    credit.refresh_from_db()
    assert credit.wallet_use == "draw_first"
    assert page(credit) not in somebody.get(page(credit, "change")).content.decode()
