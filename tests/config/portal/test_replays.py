"""Replays in the portal: asked for, watched, cancelled, read and exported, by those who may."""

import csv
import uuid
from io import StringIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import ChargingSession, TariffReplay
from billing.services import tariff_replays
from billing.services.tariff_replays import run_replay
from tests.billing.factories import NOON
from tests.billing.replay.test_in_the_background import asked, draft
from tests.billing.replay.test_replay import billed
from tests.config.portal.conftest import LogIn
from tests.factories import CustomerGroupFactory, TariffVersionFactory

pytestmark = pytest.mark.django_db


def page(name: str, *arguments: int) -> str:
    return reverse(f"admin:billing_tariffreplay_{name}", args=arguments)


@pytest.fixture
def fina(log_in: LogIn) -> Client:
    return log_in("Finance")


def answers(version_id: int, **terms: str) -> dict[str, str]:
    return {
        "key": str(uuid.uuid4()),
        "version": str(version_id),
        "first_day": str(NOON.date()),
        "last_day": str(NOON.date()),
        **terms,
    }


def test_asked_from_the_page_of_a_version_and_read(fina: Client) -> None:
    session = billed()
    billed(used_wh=30_000)
    version = draft()
    ask = f"{page('new')}?version={version.pk}"
    assert ask in fina.get(reverse("admin:tariffs_tariffversion_change", args=[version.pk])).content.decode()
    assert f'<option value="{version.pk}" selected>' in fina.get(ask).content.decode()

    form = answers(version.pk)
    answer = fina.post(page("new"), form)
    replay = TariffReplay.objects.get()
    assert answer["Location"] == page("change", replay.pk)
    assert fina.post(page("new"), form)["Location"] == page("change", replay.pk)
    waiting = fina.get(page("change", replay.pk)).content.decode()
    for words in ("Waiting", 'hx-trigger="every 2s"', 'http-equiv="refresh"', page("cancel", replay.pk)):
        assert words in waiting, words

    run_replay(replay_id=replay.pk)
    shown = fina.get(page("change", replay.pk)).content.decode()
    for words in (
        "30.60\xa0€",
        "16.07\xa0€",
        "-47.5 %",
        "14.53\xa0€ less together",
        "0 the same, 0 dearer",
        "5.00\xa0€ to 10.00\xa0€ cheaper",
        "2.00\xa0€ to 5.00\xa0€ cheaper",
        session.charge_point.location.name,
        "In no customer group",
        "None: all of them could be priced.",
    ):
        assert words in shown, words
    for words in (
        'hx-trigger="every 2s"',
        'http-equiv="refresh"',
        page("cancel", replay.pk),
        page("restart", replay.pk),
    ):
        assert words not in shown, words


def test_what_could_not_be_priced_says_why_and_what_it_was_billed(fina: Client) -> None:
    odd = billed()
    ChargingSession.objects.filter(pk=odd.pk).update(currency="CHF")
    replay = run_replay(replay_id=asked().pk)
    shown = fina.get(page("change", replay.pk)).content.decode()
    assert "Billed in another currency than the tariff&#x27;s" in shown
    assert reverse("admin:billing_chargingsession_change", args=[odd.pk]) in shown
    assert "Before; cannot be priced" in shown
    assert "No session could be priced." in shown


def test_htmx_is_told_how_far_it_is_and_when_to_read_the_page_anew(
    fina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        billed()
    monkeypatch.setattr(tariff_replays, "CHUNK", 2)
    replay = run_replay(replay_id=asked().pk, seconds=0)
    part = fina.get(page("change", replay.pk), headers={"HX-Request": "true"}).content.decode()
    assert "2 of 3 sessions" in part
    assert 'value="2" max="3"' in part
    assert "<html" not in part
    run_replay(replay_id=replay.pk)
    assert fina.get(page("change", replay.pk), headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_cancelled_and_started_again(fina: Client) -> None:
    replay = asked()
    assert fina.get(page("cancel", replay.pk)).status_code == 405
    assert fina.post(page("cancel", replay.pk))["Location"] == page("change", replay.pk)
    shown = fina.get(page("change", replay.pk)).content.decode()
    assert "It was cancelled before all sessions were priced." in shown
    fina.post(page("restart", replay.pk))
    replay.refresh_from_db()
    assert replay.state == "queued"
    run_replay(replay_id=replay.pk)
    refused = fina.post(page("cancel", replay.pk), follow=True).content.decode()
    assert "Nothing was changed." in refused
    assert list(AuditEvent.objects.filter(action__startswith="tariff_replay").values_list("action", flat=True)) == [
        "tariff_replay_started_again",
        "tariff_replay_cancelled",
        "tariff_replay_requested",
    ]


def test_every_session_in_a_file_that_runs_nothing_in_a_spreadsheet(fina: Client) -> None:
    session = billed()
    session.driver.customer_group = CustomerGroupFactory(code="-2+3")
    session.driver.save()
    replay = asked()
    assert fina.get(page("sessions", replay.pk)).status_code == 302
    run_replay(replay_id=replay.pk)
    answer = fina.get(page("sessions", replay.pk))
    assert answer.streaming
    (row,) = csv.DictReader(StringIO(answer.getvalue().decode("utf-8-sig")))
    assert row == {
        "session": str(session.public_id),
        "started_at": session.started_at.isoformat(),
        "location": session.charge_point.location.code,
        "customer_group": "'-2+3",
        "currency": "EUR",
        "billed_gross": "10.20",
        "would_cost_gross": "5.36",
        "difference": "-4.84",
        "not_priced_because": "",
        "what_was_seen": "",
    }


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"first_day": "2025-06-18"}, "The last day is before the first."),
        ({"last_day": "yesterday"}, "Enter a valid date."),
        ({"locations": "0"}, "is not one of the available choices"),
        ({"version": "0"}, "Select a valid choice."),
        ({"key": "x"}, ""),
    ],
)
def test_what_is_asked_wrongly_is_said_and_nothing_begins(terms: dict[str, str], told: str, fina: Client) -> None:
    answer = fina.post(page("new"), answers(draft().pk, **terms))
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not TariffReplay.objects.exists()


def test_a_withdrawn_version_is_not_offered_and_one_at_a_time_is_replayed(fina: Client) -> None:
    withdrawn = TariffVersionFactory(status="withdrawn")
    version = draft()
    assert f'<option value="{withdrawn.pk}"' not in fina.get(page("new")).content.decode()
    asked(version)
    assert "is being replayed just now" in fina.post(page("new"), answers(version.pk)).content.decode()
    assert TariffReplay.objects.count() == 1


@pytest.mark.parametrize(("role", "may_look"), [("Support", True), ("Read-only", True), ("Operations", False)])
def test_who_may_not_replay_cannot(role: str, may_look: bool, log_in: LogIn) -> None:
    replay, client = asked(), log_in(role)
    assert client.get(page("new")).status_code == 403
    assert client.post(page("new"), answers(replay.version_id)).status_code == 403
    for verb in ("cancel", "restart"):
        assert client.post(page(verb, replay.pk)).status_code == 403
    looked = 200 if may_look else 403
    assert client.get(page("change", replay.pk)).status_code == looked
    assert client.get(page("changelist")).status_code == looked
    assert client.get(page("sessions", replay.pk)).status_code == (302 if may_look else 403)
    replay.refresh_from_db()
    assert replay.state == "queued"


def test_strangers_see_nothing(client: Client, fina: Client) -> None:
    replay = asked()
    for address in (page("new"), page("change", replay.pk), page("sessions", replay.pk)):
        assert client.get(address).status_code == 302
    for verb in ("cancel", "restart"):
        assert fina.post(page(verb, 999_999)).status_code == 404
    assert fina.get(page("sessions", 999_999)).status_code == 404


def test_the_page_takes_the_same_queries_however_many_sessions_and_places(fina: Client) -> None:
    def queries(count: int) -> int:
        for _ in range(count):
            billed()
        odd = billed()
        ChargingSession.objects.filter(pk=odd.pk).update(currency="CHF")
        replay = run_replay(replay_id=asked().pk)
        fina.get(page("change", replay.pk))
        with CaptureQueriesContext(connection) as captured:
            assert fina.get(page("change", replay.pk)).status_code == 200
        return len(captured)

    assert queries(1) == queries(3)
    with CaptureQueriesContext(connection) as few:
        fina.get(page("changelist"))
    asked()
    with CaptureQueriesContext(connection) as more:
        fina.get(page("changelist"))
    assert len(few) == len(more)
