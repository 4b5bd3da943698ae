"""Past sessions under a draft: revenue before and after, winners and losers, to the cent; nothing is changed."""

import csv
import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.domain.replay import Replay
from billing.domain.repricing import Amounts, PastSession, Repriced
from billing.models import ChargingSession, LedgerTransaction
from billing.services.replay import replay
from billing.services.repricing import Selection
from billing.services.settlement import settle_session
from tariffs.domain.frozen import NOTHING_FROZEN
from tariffs.domain.result import Payable
from tests.billing.factories import NOON, EndedSessionFactory
from tests.factories import (
    CustomerGroupFactory,
    TariffFactory,
    TariffVersionFactory,
    component,
    element,
    tariff_document,
)

# 15 kWh cost 4.50 net and 5.36 with 19 % VAT, 30 kWh 9.00 and 10.71; by the tariff they were billed by 10.20 and 20.40.
THIRTY_CENTS = tariff_document(element(component("ENERGY", "0.30")))


def billed(**terms: Any) -> ChargingSession:
    session = EndedSessionFactory(**terms)
    assert settle_session(session_id=session.pk) is not None
    return session


def draft(document: str = THIRTY_CENTS, **terms: Any) -> str:
    version = TariffVersionFactory(document=document, status="draft", published_at=None, **terms)
    return str(version.tariff.code)


def run(code: str, *options: str) -> Any:
    out = StringIO()
    call_command("replay_tariff", "--tariff", code, "--json", *options, stdout=out, stderr=StringIO())
    return json.loads(out.getvalue(), parse_float=Decimal)


@pytest.mark.django_db
class TestTheCommand:
    def test_revenue_before_and_after(self) -> None:
        billed()
        billed(used_wh=30_000)
        found = run(draft())
        assert (found["sessions"], found["priced"], found["currency"]) == (2, 2, "EUR")
        assert found["before"] == {"net": Decimal("25.71"), "vat": Decimal("4.89"), "gross": Decimal("30.60")}
        assert found["after"] == {"net": Decimal("13.50"), "vat": Decimal("2.57"), "gross": Decimal("16.07")}
        assert found["difference"]["gross"] == Decimal("-14.53")
        assert found["winners"] == {"sessions": 2, "amount": Decimal("14.53")}
        assert found["losers"] == {"sessions": 0, "amount": 0}
        # 4.84 less and 9.69 less.
        assert [entry for entry in found["distribution"] if entry["sessions"]] == [
            {"from": Decimal("-10.00"), "to": Decimal("-5.00"), "sessions": 1},
            {"from": Decimal("-5.00"), "to": Decimal("-2.00"), "sessions": 1},
        ]

    def test_by_the_tariff_it_was_billed_by_nothing_changes(self) -> None:
        session = billed()
        assert session.tariff_version is not None
        found = run(session.tariff_version.tariff.code)
        assert (found["status"], found["unchanged"], found["difference"]["gross"]) == ("published", 1, 0)

    def test_by_location_and_customer_group(self) -> None:
        fleet, home = billed(), billed(used_wh=30_000)
        fleet.driver.customer_group = CustomerGroupFactory(code="fleet")
        fleet.driver.save()
        found = run(draft())
        assert {entry["location"]: entry["before"]["gross"] for entry in found["locations"]} == {
            fleet.charge_point.location.code: Decimal("10.20"),
            home.charge_point.location.code: Decimal("20.40"),
        }
        assert {entry["customer_group"]: entry["after"]["gross"] for entry in found["customer_groups"]} == {
            "fleet": Decimal("5.36"),
            "": Decimal("10.71"),
        }

    def test_what_cannot_be_priced_says_why_and_is_in_no_sum(self) -> None:
        billed()
        odd = billed()
        ChargingSession.objects.filter(pk=odd.pk).update(currency="CHF")
        found = run(draft())
        assert (found["sessions"], found["priced"], found["before"]["gross"]) == (2, 1, Decimal("10.20"))
        assert found["not_priced"] == [
            {
                "reason": "tariff_currency_mismatch",
                "sessions": 1,
                "billed": {"CHF": Decimal("10.20")},
                "examples": [str(odd.public_id)],
            }
        ]

    def test_days_are_whole_and_both_count(self) -> None:
        for days in range(3):
            billed(started_at=NOON + timedelta(days=days))
        assert run(draft(), "--from", "2025-06-17", "--to", "2025-06-17")["sessions"] == 1
        assert run(draft(), "--from", "2025-06-17")["sessions"] == 2
        assert run(draft(), "--to", "2025-06-16T11:59:59Z")["sessions"] == 0

    def test_only_one_location_or_what_one_tariff_priced(self) -> None:
        one, _other = billed(), billed()
        assert one.tariff_version is not None
        assert run(draft(), "--location", one.charge_point.location.code)["sessions"] == 1
        assert run(draft(), "--priced-by", one.tariff_version.tariff.code)["sessions"] == 1

    def test_the_newest_draft_unless_a_version_is_named(self) -> None:
        session = billed()
        assert session.tariff_version is not None
        tariff = session.tariff_version.tariff
        draft(tariff=tariff, number=2)
        assert (run(tariff.code)["version"], run(tariff.code, "--version", "1")["version"]) == (2, 1)

    def test_every_session_in_a_file_that_runs_nothing_in_a_spreadsheet(self, tmp_path: Path) -> None:
        session = billed()
        session.driver.customer_group = CustomerGroupFactory(code="-2+3")
        session.driver.save()
        run(draft(), "--csv", str(tmp_path / "replay.csv"))
        with (tmp_path / "replay.csv").open(encoding="utf-8-sig", newline="") as file:
            (row,) = csv.DictReader(file)
        assert (row["session"], row["difference"], row["customer_group"]) == (
            str(session.public_id),
            "-4.8400",
            "'-2+3",
        )

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--version", "9"], "has no version 9"),
            (["--from", "yesterday"], "from: “yesterday”"),
            (["--from", "2026-02-30", "--priced-by", "x", "--location", "y"], "priced-by: there is no tariff"),
            (["--from", "2026-02-02", "--to", "2026-02-01"], "to: is before from"),
            (["--csv", "/nowhere/replay.csv"], "cannot be written"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, options: list[str], told: str) -> None:
        with pytest.raises(CommandError, match=told):
            run(draft(), *options)

    def test_a_tariff_there_is_none_of(self) -> None:
        with pytest.raises(CommandError, match="“nothing”"):
            run("nothing")
        TariffFactory(code="empty")
        with pytest.raises(CommandError, match="neither a draft nor"):
            run("empty")

    def test_nothing_is_changed_and_progress_is_told(self) -> None:
        session = billed()
        before = ChargingSession.objects.values().get(pk=session.pk), LedgerTransaction.objects.count()
        told, out = StringIO(), StringIO()
        call_command("replay_tariff", "--tariff", draft(), stdout=out, stderr=told)
        assert (ChargingSession.objects.values().get(pk=session.pk), LedgerTransaction.objects.count()) == before
        assert "1 of 1 sessions" in told.getvalue()
        assert "10.20 before, 5.36 after, -4.84 with VAT" in out.getvalue()


@pytest.mark.django_db
def test_five_queries_a_chunk_however_many_sessions() -> None:
    def queries(count: int) -> int:
        for _ in range(count):
            billed()
        with CaptureQueriesContext(connection) as captured:
            list(replay(document=THIRTY_CENTS, selection=Selection()))
        return len(captured)

    # And one that finds no further chunk.
    assert queries(2) == queries(3) == 6


def repriced(before: str, after: str) -> Repriced:
    gross = Decimal(before)
    past = PastSession(1, "s", "EUR", None, "UTC", "", NOTHING_FROZEN, None, Amounts(gross, Decimal("0.00"), gross))
    return Repriced(past, Payable("EUR", (), Decimal(after), Decimal("0.00"), Decimal(after)))


@pytest.mark.parametrize(
    ("before", "after", "low", "high"),
    [
        ("1.00", "2.00", "0.50", "1.00"),
        ("1.00", "2.01", "1.00", "2.00"),
        ("2.00", "1.00", "-1.00", "-0.50"),
        ("2.01", "1.00", "-2.00", "-1.00"),
        ("1.00", "1.01", "0.00", "0.50"),
        ("1.01", "1.00", "-0.50", "0.00"),
        ("0.00", "99.00", "20.00", None),
        ("99.00", "0.00", None, "-20.00"),
    ],
)
def test_the_class_of_a_difference(before: str, after: str, low: str | None, high: str | None) -> None:
    totals = Replay("EUR")
    totals.add(repriced(before, after), location="x", customer_group="")
    found = [(entry[0], entry[1]) for entry in totals.distribution() if entry[2]]
    assert found == [(low and Decimal(low), high and Decimal(high))]
