"""`manage.py rate`: price a CDR under a tariff, or a file of such pairs, with the production engine. No database."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.explain import session_document
from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.ocpi_cdr import CdrInput, parse_cdr, parse_time_zone
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.spec import TariffSpec

STDIN = "-"


class Command(BaseCommand):
    help = "Price an OCPI CDR under an OCPI tariff (2.2.1 or 2.3.0). Needs no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tariff", metavar="FILE", help="OCPI Tariff object; - reads standard input")
        parser.add_argument(
            "--cdr",
            metavar="FILE",
            help='OCPI CDR object; - reads standard input. Its "voltledger" may hold spot_prices and month_to_date_kwh',
        )
        parser.add_argument(
            "--batch",
            metavar="FILE",
            help='JSON lines {"tariff": .., "cdr": .., "time_zone": ..}; one result line each; - reads standard input',
        )
        parser.add_argument(
            "--time-zone",
            metavar="TZ",
            help="IANA zone of the Location; else the CDR's cdr_location.time_zone, else UTC",
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: str, **options: Any) -> None:
        if options["batch"]:
            if options["tariff"] or options["cdr"]:
                raise CommandError("Give --batch alone, or --tariff and --cdr.")
            self._rate_batch(options["batch"], options["time_zone"])
        elif options["tariff"] and options["cdr"]:
            self._rate_one(options)
        else:
            raise CommandError("Give --tariff FILE and --cdr FILE, or --batch FILE.")

    def _rate_one(self, options: dict[str, Any]) -> None:
        try:
            entry = {
                "tariff": jsontext.loads(_read(options["tariff"])),
                "cdr": jsontext.loads(_read(options["cdr"])),
                "time_zone": options["time_zone"],
            }
            document = _rated(entry, None)
        except BadInput as error:
            if options["json"]:
                self.stdout.write(jsontext.dumps(_refused(error)))
            raise CommandError("\n".join((error.message, *error.details))) from error
        self.stdout.write(jsontext.dumps(document) if options["json"] else _table(document))

    def _rate_batch(self, name: str, time_zone: str | None) -> None:
        lines = bad = 0
        for line in _lines(name):
            lines += 1
            try:
                document = _rated(jsontext.loads(line), time_zone)
            except BadInput as error:
                bad += 1
                document = _refused(error)
            self.stdout.write(jsontext.dumps(document))
        if bad:
            raise CommandError(f"{bad} of {lines} lines could not be rated; each says why in its result line.")


def _rated(entry: object, time_zone: str | None) -> dict[str, Any]:
    """The result document of one {"tariff", "cdr", "time_zone"}. Raises BadInput with the defects of all three."""
    if not isinstance(entry, dict):
        raise BadInput("A line is an object with tariff and cdr.", details=["$: must be an object"])
    details = [f"{key}: is not a known field here" for key in entry if key not in ("tariff", "cdr", "time_zone")]
    spec: TariffSpec | None = None
    cdr: CdrInput | None = None
    try:
        spec = parse_tariff(entry.get("tariff"))
    except BadInput as error:
        details += error.details
    try:
        cdr = parse_cdr(entry.get("cdr"))
    except BadInput as error:
        details += error.details
    zone = entry.get("time_zone") or time_zone or (cdr and cdr.time_zone) or "UTC"
    try:
        zone = parse_time_zone(zone)
    except BadInput as error:
        details += error.details
    if spec and cdr and cdr.currency not in (None, spec.currency):
        details.append(f"cdr.currency: is {cdr.currency}, but the tariff is in {spec.currency}")
    if details or spec is None or cdr is None:
        raise BadInput("The input has mistakes. Nothing was rated.", details=details)
    return session_document(
        rate(
            compile_tariff(spec, zone),
            cdr.periods,
            spot_prices=cdr.spot_prices,
            month_to_date_wh=cdr.month_to_date_wh,
        )
    )


def _refused(error: BadInput) -> dict[str, Any]:
    return {"error": error.message, "code": error.code, "details": list(error.details)}


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _lines(name: str) -> Iterator[bytes]:
    """The lines of a file that are not blank, read one at a time."""
    try:
        with sys.stdin.buffer if name == STDIN else Path(name).open("rb") as source:
            for line in source:
                if line.strip():
                    yield line
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _table(document: dict[str, Any]) -> str:
    heading = ("kind", "quantity", "unit", "price", "VAT %", "net", "gross", "because")
    rows = [heading]
    for line in document["lines"]:
        because = ", ".join(condition["words"] for condition in line["matched"])
        rows.append(
            (
                line["kind"],
                _number(line["quantity"]),
                line["unit"],
                _number(line["unit_price"]),
                _number(line["vat_percent"]),
                _number(line["net"]),
                _number(line["gross"]),
                because,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = document["total_cost"]
    text.append("")
    text.append(f"Total before tax: {_number(total['excl_vat'])} {document['currency']}")
    text.append(f"Total after tax:  {_number(total['incl_vat'])} {document['currency']}")
    return "\n".join(text)


def _number(value: Decimal | None) -> str:
    return "unknown" if value is None else format(value, "f")
