"""Replaying past sessions under another tariff: sessions per CPU second, and how much memory more of them take.

Hours with a register value every five minutes, written as billed and replayed under a tariff by time of day; CPU is
this process's own, the database's is not in it. Memory is what the process holds at most after the whole replay, less
what it held at most after the first tenth of it: what would grow with the number of sessions.

REPLAY_SESSIONS says how many (default 2000). Uses a database of its own, which is dropped; SQLite where DATABASE_URL
names no other.
"""

import os
import resource
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

BATCH = 1000
METER_VALUES = 12
NOON = datetime(2025, 6, 16, 12, tzinfo=UTC)


def run() -> dict[str, Any]:
    from django.conf import settings
    from django.db import connection
    from django.test.utils import get_runner, setup_test_environment, teardown_test_environment

    count = int(os.environ.get("REPLAY_SESSIONS", "2000"))
    setup_test_environment()
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        _write(count)
        if connection.vendor == "postgresql":
            # As autovacuum does beside a running site; a database without statistics reads whole tables.
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        return _replay(count)
    finally:
        runner.teardown_databases(databases)
        teardown_test_environment()


def _replay(count: int) -> dict[str, Any]:
    from billing.domain.replay import Replay
    from billing.services.replay import replay
    from billing.services.repricing import Selection
    from tests.factories import component, element, tariff_document

    document = tariff_document(
        element(component("ENERGY", "0.30"), start_time="22:00", end_time="06:00"),
        element(component("ENERGY", "0.45"), component("PARKING_TIME", "3.00")),
    )
    totals = Replay("EUR")
    peak_early_kib = 0
    started = time.process_time()
    for number, session in enumerate(replay(document=document, selection=Selection()), 1):
        totals.add(session.repriced, location=session.location, customer_group=session.customer_group)
        if number == count // 10:
            peak_early_kib = _peak_kib()
    spent = time.process_time() - started
    assert totals.total.sessions == count
    return {
        "sessions": count,
        "sessions_per_cpu_second": round(count / spent),
        "peak_memory_mib": round(_peak_kib() / 1024),
        "peak_memory_grown_mib": round((_peak_kib() - peak_early_kib) / 1024, 1),
    }


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _write(count: int) -> None:
    """Sessions and Cdrs as settlement leaves them, without postings: nothing here reads those."""
    from billing.models import Cdr, ChargingSession, MeterValue
    from tests.billing.factories import EndedSessionFactory

    template = EndedSessionFactory(connector__max_power_w=22_000, outcome="in_review", review_reason="template")
    for first in range(0, count, BATCH):
        sessions = ChargingSession.objects.bulk_create(
            ChargingSession(
                charge_point=template.charge_point,
                connector=template.connector,
                contract=template.contract,
                driver=template.driver,
                tariff_version=template.tariff_version,
                currency="EUR",
                vat_percent=Decimal(19),
                status="ended",
                outcome="billed",
                started_at=NOON + timedelta(minutes=number),
                stopped_at=NOON + timedelta(minutes=number + 60),
                ended_at=NOON + timedelta(minutes=number + 60),
                meter_start_wh=Decimal(1000),
                meter_stop_wh=Decimal(16_000),
            )
            for number in range(first, min(first + BATCH, count))
        )
        Cdr.objects.bulk_create(
            Cdr(
                charging_session=session,
                currency="EUR",
                net=Decimal(0),
                vat=Decimal(0),
                gross=Decimal(0),
                energy_wh=Decimal(15_000),
                duration_seconds=3600,
            )
            for session in sessions
        )
        MeterValue.objects.bulk_create(
            MeterValue(
                charging_session=session,
                occurred_at=at,
                reported_at=at,
                measurand="energy_wh",
                value=Decimal(1000 + step * 1250),
            )
            for session in sessions
            for step in range(1, METER_VALUES)
            for at in [session.started_at + timedelta(minutes=5 * step)]
        )
