"""Prices come in, are corrected, are fetched; what is there is never lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django_q.models import OrmQ

from accounts.models import AuditEvent
from common.errors import BadInput
from tariffs.domain.price_file import PricePoint
from tariffs.models import PriceImport, PriceSeries, PriceSeriesValue
from tariffs.providers import price_files
from tariffs.providers.price_files import SourceFailed, SourceNotAllowed, check_source, fetch
from tariffs.selectors.price_series import standing_of, steps_between
from tariffs.services.price_pull import pull_prices
from tariffs.services.price_series import import_prices
from tariffs.tasks import pull_all_prices
from tests.factories import PriceSeriesFactory, StaffFactory

NOON = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def points(*prices: str, start_at: datetime = NOON) -> list[PricePoint]:
    return [PricePoint(start_at + index * HOUR, Decimal(price)) for index, price in enumerate(prices)]


def stored(series: PriceSeries) -> list[Decimal]:
    return list(series.values.order_by("start_at").values_list("price", flat=True))


@pytest.mark.django_db
class TestImporting:
    def test_new_prices_are_added_and_others_corrected(self):
        series, otto = PriceSeriesFactory(), StaffFactory()
        import_prices(series_id=series.pk, rows=points("0.10", "0.20"), source="monday.csv", actor_id=otto.pk)
        rows = points("0.25", "0.30", start_at=NOON + HOUR)
        taken = import_prices(series_id=series.pk, rows=rows, source="tuesday.csv", actor_id=otto.pk)
        assert stored(series) == [Decimal("0.10"), Decimal("0.25"), Decimal("0.30")]
        assert (taken.added, taken.changed, taken.unchanged) == (1, 1, 0)
        assert (taken.starts_at, taken.ends_at) == (NOON + HOUR, NOON + 3 * HOUR)
        event = AuditEvent.objects.filter(action="prices_imported").latest("pk")
        assert (event.actor, event.data) == (otto, {"source": "tuesday.csv", "added": 1, "changed": 1})

    def test_the_same_again_changes_nothing(self):
        series = PriceSeriesFactory()
        for expected in ((2, 0, 0), (0, 0, 2)):
            taken = import_prices(series_id=series.pk, rows=points("0.1", "0.2"), source="api", actor_id=None)
            assert (taken.added, taken.changed, taken.unchanged) == expected
        assert stored(series) == [Decimal("0.1"), Decimal("0.2")]

    def test_many_rows_take_no_more_queries(self, django_assert_max_num_queries):
        series = PriceSeriesFactory()
        with django_assert_max_num_queries(9) as few:
            import_prices(series_id=series.pk, rows=points("0.1"), source="api", actor_id=None)
        with django_assert_max_num_queries(len(few)):
            import_prices(series_id=series.pk, rows=points(*["0.2"] * 300), source="api", actor_id=None)

    @pytest.mark.parametrize("rows", [[], points("0.1", "NaN"), points("0.1", start_at=NOON + timedelta(minutes=15))])
    def test_a_defect_saves_nothing(self, rows):
        series = PriceSeriesFactory()
        with pytest.raises(BadInput):
            import_prices(series_id=series.pk, rows=rows, source="api", actor_id=None)
        assert (stored(series), PriceImport.objects.count()) == ([], 0)

    def test_what_came_in_is_kept_as_it_is(self):
        taken = import_prices(series_id=PriceSeriesFactory().pk, rows=points("0.1"), source="api", actor_id=None)
        with pytest.raises(IntegrityError, match="kept as it is"), transaction.atomic():
            PriceImport.objects.filter(pk=taken.pk).update(added=7)
        with pytest.raises(IntegrityError, match="kept as it is"), transaction.atomic():
            taken.delete()

    def test_a_step_has_one_price(self):
        series = PriceSeriesFactory()
        PriceSeriesValue.objects.create(series=series, start_at=NOON, price=1)
        with pytest.raises(IntegrityError), transaction.atomic():
            PriceSeriesValue.objects.create(series=series, start_at=NOON, price=2)

    def test_gaps_are_told(self, django_assert_num_queries):
        series = PriceSeriesFactory()
        import_prices(
            series_id=series.pk, rows=[points("0.1")[0], points("0", "0", "0.3")[2]], source="", actor_id=None
        )
        with django_assert_num_queries(1):
            steps = steps_between(series, NOON, NOON + 4 * HOUR)
        assert steps == [
            (NOON, Decimal("0.1")),
            (NOON + HOUR, None),
            (NOON + 2 * HOUR, Decimal("0.3")),
            (NOON + 3 * HOUR, None),
        ]


CSV = b"start,price\n2026-06-17T12:00Z,0.10\n2026-06-17T13:00Z,0.20\n"


class Exchange(BaseHTTPRequestHandler):
    """A market place's server: what it answers is by path."""

    def do_GET(self) -> None:
        body = {"/day/ahead.csv": CSV, "/day/broken.csv": b"start,price\nnow,1\n", "/day/huge.csv": b"x" * 3_000_000}
        if self.path == "/day/away.csv":
            self.send_response(302)
            self.send_header("Location", "/other/ahead.csv")
            self.end_headers()
            return
        content = body.get(self.path)
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content or b"") + (9 if self.path == "/day/half.csv" else 0)))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def exchange(settings) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    settings.PRICE_SERIES_ALLOW_LOOPBACK = True
    settings.PRICE_SERIES_SOURCES = [f"{address}/day/"]
    yield address
    server.shutdown()
    server.server_close()
    thread.join()


class TestSources:
    @pytest.mark.parametrize(
        "source",
        [
            "https://prices.example.org/day/ahead.csv",
            "https://prices.example.org:443/day/ahead.csv?area=DE-LU",
            "https://PRICES.example.org/day/deeper/ahead.csv",
            "https://exact.example.org/file.csv",
        ],
    )
    def test_what_is_listed_is_allowed(self, settings, source):
        settings.PRICE_SERIES_SOURCES = ["https://prices.example.org/day", "https://exact.example.org/file.csv"]
        check_source(source)

    @pytest.mark.parametrize(
        "source",
        [
            "https://other.example.org/day/ahead.csv",
            "https://prices.example.org.evil.example/day/ahead.csv",
            "https://prices.example.org@evil.example/day/ahead.csv",
            "https://user@prices.example.org/day/ahead.csv",
            "https://prices.example.org:8443/day/ahead.csv",
            "https://prices.example.org/daylight.csv",
            "https://prices.example.org/day/../secret.csv",
            "https://prices.example.org/day/%2e%2e/secret.csv",
            "https://prices.example.org/day/%252e%252e/secret.csv",
            "https://prices.example.org/day/..%2fsecret.csv",
            "https://prices.example.org\\@evil.example/day/",
            "https://prices.example.org/day/#x",
            "http://prices.example.org/day/ahead.csv",
            "http://127.0.0.1/day/ahead.csv",
            "file:///etc/passwd",
            "ftp://prices.example.org/day/ahead.csv",
            "https://[::1/day",
            "https://prices.example.org:port/day/",
            "prices.csv",
            "/etc/passwd",
        ],
    )
    def test_everything_else_is_not(self, settings, source):
        settings.PRICE_SERIES_SOURCES = ["https://prices.example.org/day/", "/srv/prices"]
        with pytest.raises(SourceNotAllowed):
            check_source(source)

    def test_loopback_needs_its_setting(self, settings):
        settings.PRICE_SERIES_SOURCES = ["http://127.0.0.1:8110/"]
        with pytest.raises(SourceNotAllowed):
            check_source("http://127.0.0.1:8110/ahead.csv")
        settings.PRICE_SERIES_ALLOW_LOOPBACK = True
        check_source("http://127.0.0.1:8110/ahead.csv")

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
    )
    def test_a_host_inside_the_network_is_refused_though_it_is_listed(self, settings, host):
        settings.PRICE_SERIES_SOURCES = [f"https://{host}/"]
        check_source(f"https://{host}/ahead.csv")
        with pytest.raises(SourceNotAllowed, match="not on the public internet"):
            fetch(f"https://{host}/ahead.csv")

    def test_files_of_a_directory_and_no_others(self, settings, tmp_path: Path):
        allowed = tmp_path / "prices"
        allowed.mkdir()
        (allowed / "ahead.csv").write_bytes(CSV)
        (tmp_path / "secret.csv").write_bytes(CSV)
        (allowed / "link.csv").symlink_to(tmp_path / "secret.csv")
        settings.PRICE_SERIES_SOURCES = [str(allowed)]
        assert fetch(str(allowed / "ahead.csv")) == CSV
        for other in ("../secret.csv", "link.csv"):
            with pytest.raises(SourceNotAllowed):
                fetch(str(allowed / other))
        with pytest.raises(SourceFailed, match="cannot be read"):
            fetch(str(allowed / "tomorrow.csv"))

    def test_an_address_is_read(self, exchange):
        assert fetch(f"{exchange}/day/ahead.csv") == CSV

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("away.csv", "status 302. Redirects are not followed"),
            ("none.csv", "status 404"),
            ("huge.csv", "larger than"),
        ],
    )
    def test_what_is_not_taken(self, exchange, path, why):
        with pytest.raises(SourceFailed, match=why):
            fetch(f"{exchange}/day/{path}")

    def test_a_server_that_trickles_is_left(self, exchange, monkeypatch):
        monkeypatch.setattr(price_files, "ANSWER_WITHIN_SECONDS", 0.05)
        monkeypatch.setattr(Exchange, "do_GET", lambda handler: handler.rfile.read(1))
        with pytest.raises(SourceFailed, match="did not answer in time"):
            fetch(f"{exchange}/day/ahead.csv")

    def test_half_a_file_is_none(self, exchange, monkeypatch):
        def break_off(handler: Exchange) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CSV) + 9))
            handler.end_headers()
            handler.wfile.write(CSV)

        monkeypatch.setattr(Exchange, "do_GET", break_off)
        with pytest.raises(SourceFailed, match="broke off"):
            fetch(f"{exchange}/day/ahead.csv")


@pytest.mark.django_db
class TestPulling:
    def test_a_source_is_taken_over(self, exchange):
        series = PriceSeriesFactory(source=f"{exchange}/day/ahead.csv", source_unit="kwh")
        taken = pull_prices(series_id=series.pk)
        assert (taken.status, taken.origin, taken.added, taken.actor) == ("taken", "pull", 2, None)
        assert stored(series) == [Decimal("0.10"), Decimal("0.20")]

    def test_a_failure_is_kept_and_takes_nothing_away(self, exchange):
        series = PriceSeriesFactory(source=f"{exchange}/day/ahead.csv", source_unit="kwh")
        taken = pull_prices(series_id=series.pk)
        PriceSeries.objects.update(source=f"{exchange}/day/broken.csv")
        refused = pull_prices(series_id=series.pk)
        assert refused.status == "refused"
        assert refused.problem.splitlines() == [
            "The prices have mistakes. Nothing was saved.",
            "line 2: the start “now” is not a time such as 2026-06-17T14:00+02:00",
            "line 2: there are no prices",
        ]
        assert stored(series) == [Decimal("0.10"), Decimal("0.20")]
        standing = standing_of(series)
        assert (standing.taken, standing.refused) == (taken, refused)
        PriceSeries.objects.update(source=f"{exchange}/day/ahead.csv")
        again = pull_prices(series_id=series.pk)
        assert (standing_of(series).taken, standing_of(series).refused) == (again, None)

    def test_the_same_failure_again_is_counted_and_not_kept_once_more(self, exchange):
        series = PriceSeriesFactory(source=f"{exchange}/day/broken.csv", source_unit="kwh")
        first = pull_prices(series_id=series.pk)
        with time_machine.travel(datetime(2031, 5, 1, 12, tzinfo=UTC), tick=False):
            assert [pull_prices(series_id=series.pk).pk for _ in range(3)] == [first.pk] * 3
        series.refresh_from_db()
        assert (series.refused_again, series.refused_again_at) == (3, datetime(2031, 5, 1, 12, tzinfo=UTC))
        assert PriceImport.objects.count() == 1
        # Another reason is another row, and so is the same one after prices came in.
        PriceSeries.objects.update(source=f"{exchange}/day/none.csv")
        other = pull_prices(series_id=series.pk)
        series.refresh_from_db()
        assert (other.pk != first.pk, series.refused_again, series.refused_again_at) == (True, 0, None)
        pull_prices(series_id=series.pk)
        PriceSeries.objects.update(source=f"{exchange}/day/ahead.csv")
        pull_prices(series_id=series.pk)
        series.refresh_from_db()
        assert (series.refused_again, series.refused_again_at) == (0, None)
        PriceSeries.objects.update(source=f"{exchange}/day/none.csv")
        pull_prices(series_id=series.pk)
        statuses = PriceImport.objects.order_by("pk").values_list("status", flat=True)
        assert list(statuses) == ["refused", "refused", "taken", "refused"]

    def test_a_source_that_is_allowed_no_more_is_not_read(self, exchange, settings):
        series = PriceSeriesFactory(source=f"{exchange}/day/ahead.csv", source_unit="kwh")
        settings.PRICE_SERIES_SOURCES = []
        assert "is not allowed" in pull_prices(series_id=series.pk).problem
        assert stored(series) == []

    def test_every_series_with_a_source_has_a_task_of_its_own(self, exchange):
        PriceSeriesFactory(code="NL")
        series = PriceSeriesFactory(source=f"{exchange}/day/ahead.csv", source_unit="kwh")
        assert pull_all_prices() == 1
        task = OrmQ.objects.get().task
        assert (task["func"], task["args"]) == ("tariffs.tasks.pull_prices", (series.pk,))
