"""Contract migrations in the portal: chosen, previewed, thinned out, confirmed, watched, undone, by those who may."""

import csv
import uuid
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Contract, ContractType, Driver
from billing.migration_tasks import sweep_migrations
from billing.models import ContractMigration
from common import clock
from config.admin import contract_migrations as pages
from tests.billing.contract_migrations.world import ada_on, confirmed, previewed, row_of, type_of, types
from tests.billing.factories import EndedSessionFactory
from tests.billing.payments.world import owe, save_card, work_off_queue
from tests.config.portal.conftest import LogIn
from tests.factories import ContractTypeFactory

pytestmark = pytest.mark.django_db

LIST = "admin:accounts_driver_changelist"


def page(name: str, *arguments: int) -> str:
    return reverse(f"admin:billing_contractmigration_{name}", args=arguments)


@pytest.fixture
def fina(log_in: LogIn) -> Client:
    return log_in("Finance")


def answers(target: ContractType, **more: object) -> dict[str, str]:
    form = {"key": uuid.uuid4(), "target": target.pk, "scheduled_at": "", **more}
    return {name: str(value) for name, value in form.items()}


def reason(**more: str) -> dict[str, str]:
    return {"key": str(uuid.uuid4()), "reason": "new terms", **more}


def choose(browser: Client, *drivers: Driver) -> str:
    """Tick drivers in the list; the key of the choice."""
    ticked = {"action": "migrate_selected", "_selected_action": [str(driver.pk) for driver in drivers]}
    assert browser.post(reverse(LIST), ticked)["Location"] == page("selected")
    return str(browser.session[pages.SELECTION]["key"])


def test_a_whole_type_from_the_question_to_the_proof_and_back(fina: Client) -> None:
    plain, credit = types()
    ada, ben = ada_on(plain, "4.00", promo="1.50"), ada_on(plain, "2.20", name="Ben")
    owe(ada)
    save_card(ben)
    EndedSessionFactory(contract=Contract.objects.get(driver=ben), driver=ben, status="active", ended_at=None)

    form = answers(credit, source=plain.pk)
    address = fina.post(page("new"), form)["Location"]
    assert fina.post(page("new"), form)["Location"] == address
    migration = ContractMigration.objects.get()
    assert (migration.state, migration.author_id) == ("previewed", int(fina.session["_auth_user_id"]))
    shown = fina.get(address).content.decode()
    for words in (
        "Ada",
        "5.50\xa0€",
        "1.50\xa0€",
        "Promotional",
        "7.70\xa0€ in 2 wallets is kept to the cent. From then on it is drawn first, before the card.",
        "6.20\xa0€ that is unpaid stays due",
        "1 session that is running finishes on the old contract.",
        "1 driver has no card: charging is possible as far as the balance goes.",
        "The wallet is not used. A balance stays visible and is kept.",
        "The driver sees the balance but cannot top up; operators can.",
    ):
        assert words in shown, words

    asked = fina.post(page("confirm", migration.pk), reason()).content.decode()
    assert "2 drivers move to “Pay as you go with credit” as soon as this is confirmed." in asked
    assert type_of(ada) == "plain"
    fina.post(page("confirm", migration.pk), reason(confirmed="1"))
    at_work = fina.get(address).content.decode()
    for words in ('hx-trigger="every 2s"', 'http-equiv="refresh"', "0 of 2 drivers"):
        assert words in at_work, words
    part = fina.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "0 of 2 drivers" in part
    assert "<html" not in part
    work_off_queue()

    assert fina.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    proof = fina.get(address).content.decode()
    assert "Equal to the cent" in proof
    assert proof.count("7.70\xa0€") == 4
    lines = list(csv.DictReader(StringIO(b"".join(fina.get(page("drivers", migration.pk))).decode("utf-8-sig"))))
    assert [
        (line["name"], line["state"], line["got"], line["balance_before"], line["lots_after"]) for line in lines
    ] == [
        ("Ada", "migrated", "credit", "5.50", "5.50"),
        ("Ben", "migrated", "credit", "2.20", "2.20"),
    ]

    new_contract = Contract.objects.get(driver=ben, ends_at=None)
    EndedSessionFactory(contract=new_contract, driver=ben)
    asked = fina.post(page("undo", migration.pk), reason()).content.decode()
    assert "1 driver gets the former contract type again." in asked
    assert "1 driver stays: Has charged under the new contract." in asked
    fina.post(page("undo", migration.pk), reason(confirmed="1"))
    work_off_queue()
    assert (type_of(ada), type_of(ben)) == ("plain", "credit")
    undone = fina.get(address).content.decode()
    assert "Undone" in undone
    assert "Has charged under the new contract." in undone
    actions = AuditEvent.objects.filter(subject_type="billing.contractmigration").order_by("pk")
    assert list(actions.values_list("action", "reason")) == [
        ("contract_migration_confirmed", "new terms"),
        ("contract_migration_undone", "new terms"),
    ]


def test_a_selection_waits_in_the_session_and_may_be_thinned_out(fina: Client) -> None:
    plain, credit = types()
    ada, ben, eve = (ada_on(plain, "1.00", name=name) for name in ("Ada", "Ben", "Eve"))
    key = choose(fina, ada, ben)
    asked = fina.get(page("selected")).content.decode()
    assert "2 customers were chosen:" in asked
    assert "Ada, Ben" in asked
    address = fina.post(page("selected"), answers(credit, selection=key))["Location"]
    migration = ContractMigration.objects.get()
    fina.post(page("exclude", migration.pk), {"row": [str(row_of(ben).pk)], "verb": "exclude"})
    assert (row_of(ben).state, row_of(ada).state) == ("excluded", "pending")
    only_out = fina.get(address, {"show": "excluded"}).context["rows"]
    assert [each.row.driver.name for each in only_out] == ["Ben"]
    assert [each.row.driver.name for each in fina.get(address, {"q": "ben"}).context["rows"]] == ["Ben"]
    fina.post(page("exclude", migration.pk), {"row": [str(row_of(ben).pk)], "verb": "include"})
    fina.post(page("exclude", migration.pk), {"row": [str(row_of(ada).pk), "x"], "verb": "exclude"})
    fina.post(page("confirm", migration.pk), reason(confirmed="1"))
    work_off_queue()
    assert [type_of(driver) for driver in (ada, ben, eve)] == ["plain", "credit", "plain"]


def test_a_choice_that_was_replaced_meanwhile_is_not_moved(fina: Client) -> None:
    plain, credit = types()
    ada, ben = ada_on(plain), ada_on(plain)
    stale = choose(fina, ada)
    choose(fina, ben)
    answer = fina.post(page("selected"), answers(credit, selection=stale), follow=True)
    assert "Other customers were chosen meanwhile." in answer.content.decode()
    assert not ContractMigration.objects.exists()


def test_without_a_choice_the_list_is_shown(fina: Client) -> None:
    assert fina.get(page("selected"))["Location"] == reverse(LIST)


def test_one_driver_from_their_own_page_at_a_later_moment(fina: Client) -> None:
    plain, credit = types()
    ada = ada_on(plain, "3.00")
    customer = reverse("admin:accounts_driver_change", args=[ada.pk])
    link = f"{page('selected')}?driver={ada.pk}"
    assert link in fina.get(customer).content.decode()
    asked = fina.get(link, follow=True).context["form"]
    at = clock.now() + timedelta(days=2)
    moment = f"{timezone.localtime(at):%Y-%m-%dT%H:%M}"
    form = answers(credit, selection=asked.initial["selection"], scheduled_at=moment)
    address = fina.post(page("selected"), form)["Location"]
    migration = ContractMigration.objects.get()
    fina.post(page("confirm", migration.pk), reason(confirmed="1"))
    assert "Changes to “Pay as you go with credit” at" in fina.get(customer).content.decode()
    assert page("cancel", migration.pk) in fina.get(address).content.decode()
    with time_machine.travel(at + timedelta(days=1)):
        sweep_migrations()
        assert type_of(ada) == "credit"


def test_it_is_given_up(fina: Client) -> None:
    plain, credit = types()
    ada = ada_on(plain)
    migration = previewed(plain, credit)
    assert "Nobody moves." in fina.post(page("cancel", migration.pk), reason()).content.decode()
    fina.post(page("cancel", migration.pk), reason(confirmed="1"))
    migration.refresh_from_db()
    assert (migration.state, type_of(ada)) == ("cancelled", "plain")
    refused = fina.post(page("confirm", migration.pk), reason(confirmed="1"))
    assert refused.context["form"].non_field_errors()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"scheduled_at": "2020-01-01T10:00"}, "This moment is over."),
        ({"target": "same"}, "The customers have this contract type already."),
        ({"source": ""}, "This field is required."),
    ],
)
def test_what_cannot_be_drafted_is_said(fina: Client, more: dict[str, str], words: str) -> None:
    plain, credit = types()
    ada_on(plain)
    form = {**answers(credit, source=plain.pk), **more}
    form["target"] = str(plain.pk) if form["target"] == "same" else form["target"]
    assert words in fina.post(page("new"), form).content.decode()
    assert not ContractMigration.objects.exists()


def test_what_is_frozen_and_what_blocks_is_said(fina: Client) -> None:
    plain, credit = types()
    ada_on(credit, "4.00")
    gone = ada_on(credit, name="Gone")
    Driver.objects.filter(pk=gone.pk).update(status="closed")
    shown = fina.get(page("change", previewed(credit, plain).pk)).content.decode()
    assert "4.00\xa0€ in 1 wallet is frozen: it is kept and stays visible, and is not drawn." in shown
    assert "1 driver has no card and cannot charge until one is saved." in shown
    assert "The customer account is closed." in shown


def test_a_large_type_is_previewed_in_the_background(fina: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "AT_ONCE", 1)
    plain, credit = types()
    ada_on(plain), ada_on(plain)
    address = fina.post(page("new"), answers(credit, source=plain.pk))["Location"]
    assert "Being computed" in fina.get(address).content.decode()
    work_off_queue()
    assert "Waits for confirmation" in fina.get(address).content.decode()


def test_the_page_takes_the_same_number_of_queries_whatever_the_drivers(fina: Client) -> None:
    counts = []
    for drivers in (1, 12):
        plain, credit = ContractTypeFactory(), ContractTypeFactory(credit=True)
        for _ in range(drivers):
            ada_on(plain, "1.00", promo="1.00")
        address = page("change", previewed(plain, credit).pk)
        fina.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert fina.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("role", "may_look"), [("Support", True), ("Read-only", True), ("Operations", False)])
def test_who_may_not_decide_changes_nothing(log_in: LogIn, role: str, may_look: bool) -> None:
    plain, credit = types()
    ada = ada_on(plain)
    migration = previewed(plain, credit)
    somebody = log_in(role)
    assert somebody.get(page("change", migration.pk)).status_code == (200 if may_look else 403)
    assert somebody.get(page("drivers", migration.pk)).status_code == (200 if may_look else 403)
    for name in ("confirm", "cancel", "undo", "exclude"):
        answer = somebody.post(page(name, migration.pk), reason(confirmed="1", row=str(row_of(ada).pk)))
        assert answer.status_code == 403, name
    for name in ("new", "selected"):
        assert somebody.post(page(name), answers(credit, source=plain.pk)).status_code == 403
    ticked = {"action": "migrate_selected", "_selected_action": [str(ada.pk)]}
    somebody.post(reverse(LIST), ticked)
    assert pages.SELECTION not in somebody.session
    assert (ContractMigration.objects.get().state, row_of(ada).state) == ("previewed", "pending")
    if may_look:
        assert page("confirm", migration.pk) not in somebody.get(page("change", migration.pk)).content.decode()


def test_a_stranger_and_a_driver_see_nothing(client: Client) -> None:
    plain, credit = types()
    ada = ada_on(plain)
    migration = confirmed(plain, credit)
    assert client.get(page("change", migration.pk))["Location"].startswith(reverse("admin:login"))
    assert ada.user is not None
    client.force_login(ada.user)
    assert client.get(page("change", migration.pk), follow=True).status_code == 403


def test_an_unknown_migration_is_not_found(fina: Client) -> None:
    assert fina.post(page("confirm", 999), reason()).status_code == 404
