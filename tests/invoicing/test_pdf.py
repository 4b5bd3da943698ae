"""The PDF: what it says, that it is an archive file, that a receipt gives the same bytes, and what it never fetches."""

import http.server
import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdf
import pytest
import time_machine

from invoicing.models import Document
from invoicing.services.pdf import html_to_pdf
from invoicing.services.receipts import issue_receipt
from invoicing.services.render import draw
from tests.factories import ChargePointFactory, ConnectorFactory, EvseFactory
from tests.invoicing.builders import Leg, Line, ada, bill

GOLDENS = Path(__file__).parent / "goldens"


def text_of(pdf: bytes) -> str:
    """The words in reading order, one line per line; the session's number, which depends on the run, is N."""
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    lines = (" ".join(line.split()) for line in "\n".join(pages).splitlines())
    return re.sub(r"#\d+", "#N", "\n".join(line for line in lines if line))


def check_golden(name: str, text: str) -> None:
    """Compare word by word with goldens/<name>.txt; where a line breaks depends on the version of Pango.

    To accept a change, delete the file, run the test and read what it wrote.
    """
    file = GOLDENS / f"{name}.txt"
    if not file.exists():
        file.write_text(text + "\n", encoding="utf-8")
    assert text.split() == file.read_text(encoding="utf-8").split()


@pytest.fixture
def issued(db: None) -> Callable[..., Document]:
    """Issues a receipt at 15:20 in Berlin on 20 November 2026."""

    def issue(**story: Any) -> Document:
        connector = ConnectorFactory(evse=EvseFactory(charge_point=ChargePointFactory(identity="HARBOUR-1")))
        with time_machine.travel(datetime(2026, 11, 20, 14, 20, tzinfo=UTC), tick=False):
            return issue_receipt(cdr_id=bill(connector=connector, **story).pk)

    return issue


def test_a_paid_receipt_word_for_word(issued):
    check_golden("paid", text_of(draw(issued())))


def test_an_open_receipt_with_everything_on_it_word_for_word(issued):
    energy = {
        "matched": [{"code": "time_of_day", "words": "18:00–22:00"}, {"code": "duration", "words": "≥ 14400 s"}],
        "step_size": 100,
        "quantity": "18.4000",
        "measured": "18.3120",
    }
    document = issued(
        driver=ada(language="de"),
        lines=(
            Line("FLAT", "1", "1", "0.99"),
            Line("ENERGY", "18.4", "kWh", "0.49", explanation=energy),
            Line("TIME", "0.75", "h", "1.20"),
            Line("PARKING_TIME", "0.45", "h", "6.00"),
            Line("MAX_PRICE", "1", "1", "-0.60"),
        ),
        vat_totals=({"percent": "19", "net": "10.94", "vat": "2.08", "gross": "13.02"},),
        legs=(Leg("wallet_promo", "2.00"), Leg("wallet_cash", "4.00"), Leg("card", "7.02", "due")),
    )
    check_golden("open", text_of(draw(document)))


def test_two_rates_are_two_rows_and_a_total(issued):
    document = issued(
        lines=(Line("ENERGY", "10", "kWh", "0.50"), Line("PARKING_TIME", "1", "h", "2.14", vat="7")),
        vat_totals=(
            {"percent": "7", "net": "2.00", "vat": "0.14", "gross": "2.14"},
            {"percent": "19", "net": "4.20", "vat": "0.80", "gross": "5.00"},
        ),
        legs=(Leg("card", "7.14"),),
    )
    text = text_of(draw(document))
    assert "19 % 4.20 € 0.80 € 5.00 €\n7 % 2.00 € 0.14 € 2.14 €\nTotal 6.20 € 0.94 € 7.14 €" in text


def test_a_hostile_name_is_text(issued):
    name = "<script>alert(1)</script><img src='http://127.0.0.1:8169/x.png'>{{ 7|add:7 }} & Söhne"
    text = text_of(draw(issued(driver=ada(name=name))))
    assert name.replace(" ", "") in re.sub(r"\s", "", text)


def test_it_is_an_archive_file_with_its_fonts_and_a_structure(issued):
    document = issued()
    reader = pypdf.PdfReader(io.BytesIO(draw(document)))
    root: Any = reader.trailer["/Root"]
    page: Any = reader.pages[0]
    metadata = root["/Metadata"].get_data().decode()
    assert 'pdfaid:part="3"' in metadata
    assert 'pdfaid:conformance="B"' in metadata
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en"
    assert root["/OutputIntents"]
    assert reader.metadata is not None
    assert reader.metadata.title == f"Receipt {document.number}"
    assert reader.metadata.creation_date == datetime(2026, 11, 20, 14, 20, tzinfo=UTC)
    fonts = {font.get_object()["/BaseFont"].split("+")[1] for font in page["/Resources"]["/Font"].values()}
    assert fonts == {"Document", "Document-Medium", "Document-Semi-Bold"}
    assert len(reader.pages) == 1


def test_the_same_receipt_gives_the_same_bytes(issued):
    document = issued()
    first = draw(document)
    assert draw(Document.objects.get(pk=document.pk)) == first


def test_another_process_gives_the_same_bytes():
    html = "<html lang='en'><title>T</title><p style='font-weight: 600'>10.20 €</p></html>"
    program = (
        "import sys, django; django.setup(); from invoicing.services.pdf import html_to_pdf; "
        "sys.stdout.buffer.write(html_to_pdf(sys.argv[1]))"
    )
    other = subprocess.run([sys.executable, "-c", program, html], capture_output=True, check=True, timeout=60)
    assert other.stdout == html_to_pdf(html)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server on the loopback, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_nothing_is_fetched_from_the_network_or_the_disk(listener, tmp_path):
    address, asked = listener
    secret = tmp_path / "secret.svg"
    secret.write_text("<svg xmlns='http://www.w3.org/2000/svg'><text y='9'>SECRET</text></svg>")
    style = tmp_path / "secret.css"
    style.write_text("p::after { content: 'SECRET' }")
    template = "<html><head><title>T</title>{head}</head><body><p>x</p>{body}</body></html>"
    quiet = html_to_pdf(template.format(head="", body=""))
    for source in (f"{address}/x.svg", secret.as_uri(), "asset:///../services/pdf.py", "asset:////etc/passwd"):
        pdf = html_to_pdf(
            template.format(
                head=f"<link rel=stylesheet href='{source}'><link rel=attachment href='{source}'>"
                f"<link rel=stylesheet href='{style.as_uri()}'><style>@import '{source}';</style>"
                f"<base href='{address}/'>",
                body=f"<img src='{source}' alt=''><object data='{source}'></object><embed src='{source}'>"
                "<img src='relative.png' alt=''>",
            )
        )
        reader = pypdf.PdfReader(io.BytesIO(pdf))
        assert "SECRET" not in reader.pages[0].extract_text()
        assert not reader.attachments
        assert not reader.pages[0].images
    assert asked == []
    assert b"%PDF" in quiet
