"""What an operator does for a customer: asked for a reason, confirmed, done once, written down."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from djmoney.money import Money

from accounts.models import AuditEvent, Contract, ContractType, Driver, Token
from accounts.selectors.contracts import contract_in_force
from accounts.services.profile import change_profile
from billing.models import DriverMail, WalletLot
from billing.selectors.wallets import wallet_of
from billing.services.mails import queue_mail
from billing.services.wallets import credit_wallet
from common import clock
from tests.config.portal.conftest import LogIn
from tests.config.portal.staff import member
from tests.factories import ContractFactory, ContractTypeFactory, TokenFactory

pytestmark = pytest.mark.django_db

KEY = "8f14e45f-ceea-467f-a8f1-000000000001"


@pytest.fixture
def ada() -> Driver:
    """Ada, on a contract with the credit mechanism."""
    contract: Contract = ContractFactory(contract_type=ContractTypeFactory(credit=True))
    return contract.driver


def page(driver: Driver, name: str) -> str:
    return reverse(f"admin:accounts_driver_{name}", args=[driver.pk])


def give(driver: Driver, amount: str) -> None:
    credit_wallet(
        driver_id=driver.pk,
        amount=Money(Decimal(amount), "EUR"),
        kind="cash",
        origin="operator",
        reason="opening",
        idempotency_key=f"test:{amount}",
    )


def balance(driver: Driver) -> Money:
    return wallet_of(driver.pk).balance


def top_up(**changes: str) -> dict[str, str]:
    return {"key": KEY, "amount": "20.00", "kind": "cash", "expires_on": "", "reason": "paid at the desk", **changes}


def test_a_top_up_is_shown_first_and_then_changes_the_wallet_once(ada: Driver, log_in: LogIn) -> None:
    support = log_in("Support")
    preview = support.post(page(ada, "top_up"), top_up()).content.decode()
    assert "20.00\xa0€ is added to the wallet of Ada." in preview
    assert "The balance goes from 0.00\xa0€ to 20.00\xa0€." in preview
    assert balance(ada) == Money("0", "EUR")

    for _twice in range(2):
        done = support.post(page(ada, "top_up"), {**top_up(), "confirmed": "1"})
        assert done["Location"].endswith(f"/admin/accounts/driver/{ada.pk}/change/?tab=wallet")
    assert balance(ada) == Money("20.00", "EUR")
    assert WalletLot.objects.get().origin == WalletLot.Origin.OPERATOR
    event = AuditEvent.objects.get(action="wallet_credited")
    assert (event.actor, event.reason, event.subject_id) == (member(support), "paid at the desk", str(ada.pk))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reason": " "}, "This field is required."),
        ({"amount": "0"}, "greater than or equal to 0.01"),
        ({"amount": "5.001"}, "no more than 2 decimal places"),
        ({"expires_on": "2099-01-01"}, "Money the customer paid in never expires."),
        ({"kind": "promo", "expires_on": "2020-01-01"}, "This day has passed."),
    ],
)
def test_a_wrong_top_up_changes_nothing(ada: Driver, otto: Client, changes: dict[str, str], complaint: str) -> None:
    answer = otto.post(page(ada, "top_up"), {**top_up(**changes), "confirmed": "1"}).content.decode()
    assert complaint in answer
    assert balance(ada) == Money("0", "EUR")
    assert not AuditEvent.objects.filter(action="wallet_credited").exists()


def test_a_gift_may_expire(ada: Driver, otto: Client) -> None:
    otto.post(page(ada, "top_up"), {**top_up(kind="promo", expires_on="2099-12-31"), "confirmed": "1"})
    lot = WalletLot.objects.get()
    assert (lot.kind, lot.origin) == (WalletLot.Kind.PROMO, WalletLot.Origin.GIFT)
    assert lot.expires_at is not None
    assert lot.expires_at.isoformat() == "2099-12-31T22:59:59+00:00"


def test_money_is_taken_out_but_never_more_than_there_is(ada: Driver, otto: Client) -> None:
    give(ada, "5.00")
    too_much = otto.post(page(ada, "adjust"), {"key": KEY, "amount": "5.01", "reason": "correction", "confirmed": "1"})
    assert too_much.status_code == 200
    assert too_much.context["form"].non_field_errors()
    assert balance(ada) == Money("5.00", "EUR")
    otto.post(page(ada, "adjust"), {"key": KEY, "amount": "1.50", "reason": "correction", "confirmed": "1"})
    assert balance(ada) == Money("3.50", "EUR")
    assert AuditEvent.objects.get(action="wallet_adjusted").reason == "correction"


def test_a_contract_change_keeps_the_balance(ada: Driver, otto: Client) -> None:
    give(ada, "4.00")
    wallet_type: ContractType = ContractTypeFactory(wallet=True)
    form = {"key": KEY, "contract_type": str(wallet_type.pk), "reason": "asked by phone"}
    preview = otto.post(page(ada, "contract"), form).content.decode()
    assert "The wallet balance of 4.00\xa0€ is kept." in preview
    assert "The driver may top up by card." in preview
    otto.post(page(ada, "contract"), {**form, "confirmed": "1"})
    assert contract_in_force(ada.pk, clock.now()).contract_type == wallet_type
    assert balance(ada) == Money("4.00", "EUR")
    history = otto.get(page(ada, "change")).content.decode()
    assert "Pay as you go with credit" in history
    assert AuditEvent.objects.get(action="contract_changed").reason == "asked by phone"


def test_a_customer_and_a_card_are_blocked_and_unblocked(ada: Driver, otto: Client) -> None:
    token: Token = TokenFactory(driver=ada)
    form = {"key": KEY, "reason": "card lost", "confirmed": "1"}
    token_page = reverse("admin:accounts_driver_token_status", args=[ada.pk, token.pk])
    for expected in (Token.Status.BLOCKED, Token.Status.ACTIVE):
        otto.post(token_page, form)
        token.refresh_from_db()
        assert token.status == expected
    for standing in (Driver.Status.BLOCKED, Driver.Status.ACTIVE):
        otto.post(page(ada, "status"), form)
        ada.refresh_from_db()
        assert ada.status == standing
    actions = set(AuditEvent.objects.filter(reason="card lost").values_list("action", flat=True))
    assert actions == {"token_blocked", "token_active", "driver_blocked", "driver_active"}


def test_a_card_of_another_customer_is_not_given_away(ada: Driver, otto: Client) -> None:
    taken: Token = TokenFactory()
    form = {"key": KEY, "id_tag": taken.id_tag.lower(), "label": "", "reason": "new card", "confirmed": "1"}
    answer = otto.post(page(ada, "token"), form).content.decode()
    assert "This card already belongs to a customer." in answer
    otto.post(page(ada, "token"), {**form, "id_tag": "04A1B2C3"})
    assert ada.tokens.get(id_tag="04A1B2C3").status == Token.Status.ACTIVE


@pytest.mark.parametrize("name", ["top_up", "adjust", "contract", "status", "token"])
def test_the_reader_cannot_act(ada: Driver, log_in: LogIn, name: str) -> None:
    reader = log_in("Read-only")
    form = {**top_up(), "contract_type": "1", "id_tag": "04A1", "confirmed": "1"}
    assert reader.get(page(ada, name)).status_code == 403
    assert reader.post(page(ada, name), form).status_code == 403
    assert not AuditEvent.objects.exists()
    shown = reader.get(page(ada, "change")).content.decode()
    assert page(ada, name) not in shown


def test_a_new_customer_gets_an_app_token_and_is_asked_for_a_contract(otto: Client) -> None:
    answer = otto.post(
        reverse("admin:accounts_driver_add"), {"name": "Nora", "country": "DE", "language": "en", "email": ""}
    )
    nora = Driver.objects.get(name="Nora")
    assert answer["Location"] == page(nora, "contract")
    assert nora.tokens.get().kind == Token.Kind.APP
    assert AuditEvent.objects.get(action="row_added").subject_id == str(nora.pk)


def test_edits_of_details_leave_their_trace(ada: Driver, otto: Client) -> None:
    form = {"name": "Ada King", "country": "DE", "language": "en", "email": ada.email, "user": str(ada.user_id)}
    assert otto.post(page(ada, "details"), form)["Location"] == page(ada, "change")
    event = AuditEvent.objects.get(action="row_changed")
    assert event.data["changes"] == [{"changed": {"fields": ["Name"]}}]


def test_an_export_is_what_the_list_shows_and_runs_nothing(otto: Client) -> None:
    ContractFactory(driver__name="=HYPERLINK(1)")
    ContractFactory(driver__name="Zoe")
    export = otto.get(reverse("admin:accounts_driver_export"), {"q": "HYPERLINK"})
    lines = b"".join(export).decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert ",'=HYPERLINK(1)," in lines[1]


def test_policies_are_answered_as_questions(otto: Client) -> None:
    kind: ContractType = ContractTypeFactory(hold_policy={"AC": "30.00"})
    edit = reverse("admin:accounts_contracttype_change", args=[kind.pk])
    assert 'name="hold_AC" value="30.00"' in otto.get(edit).content.decode()
    form = {
        "name": kind.name, "code": kind.code, "currency": "EUR", "billing_model": "postpaid", "wallet_use": "none",
        "invoicing": "per_session", "eligible": "sessions", "min_balance_to_start": "0", "plain_words": "",
        "hold_AC": "", "hold_DC": "60", "hold_HPC": "", "debt_rule": "above", "debt_above": "10",
    }  # fmt: skip
    assert otto.post(edit, form).status_code == 302
    kind.refresh_from_db()
    assert kind.hold_policy == {"DC": "60"}
    assert kind.debt_policy == {"block_above": "10"}
    assert otto.post(edit, {**form, "debt_rule": "above", "debt_above": ""}).status_code == 200


def test_an_operator_sees_what_was_mailed_and_what_the_customer_wants(ada: Driver, log_in: LogIn) -> None:
    queue_mail(driver_id=ada.pk, kind="payment_failed", key="told")
    DriverMail.objects.update(
        status="sent",
        next_attempt_at=None,
        sent_at=clock.now(),
        address="ada@example.org",
        subject="Your payment of 6.20 € was not made",
    )
    change_profile(driver_id=ada.pk, values={"wants_receipts_by_mail": False})
    tab = log_in("Support").get(page(ada, "change"), {"tab": "mails"}).content.decode()
    for words in ("Payment failed", "Your payment of 6.20 € was not made", "ada@example.org", "Sent"):
        assert words in tab
    assert "The customer does not want receipts by e-mail." in tab
