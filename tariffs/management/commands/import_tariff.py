"""`manage.py import_tariff`: a draft from an OCPI Tariff object. Nothing is saved unless all of it can be."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.exchange import OcpiVersion
from tariffs.services.exchange import LARGEST_FILE, import_tariff

STDIN = "-"


class Command(BaseCommand):
    help = "Import an OCPI 2.2.1 or 2.3.0 Tariff object as a draft. Every defect is named; then nothing is saved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="one OCPI Tariff object as JSON; - reads standard input")
        parser.add_argument("--ocpi", choices=list(OcpiVersion), help="read it as this version; else as it is written")
        parser.add_argument("--code", default="", help="the tariff it becomes a version of; else made of its id")
        parser.add_argument(
            "--accept",
            action="append",
            default=[],
            metavar="CODE",
            help="a warning that is meant to be so (repeatable)",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: str, **options: Any) -> None:
        try:
            version = import_tariff(
                text=_read(options["file"]),
                version=OcpiVersion(options["ocpi"]) if options["ocpi"] else None,
                code=options["code"],
                accepted=options["accept"],
            )
        except BadInput as error:
            if options["json"]:
                refusal = {"error": error.message, "code": error.code, "details": list(error.details)}
                self.stdout.write(jsontext.dumps(refusal))
            raise CommandError("\n".join((error.message, *error.details))) from error
        if options["json"]:
            result = {"tariff": version.tariff.code, "version": version.number, "digest": version.digest}
            self.stdout.write(jsontext.dumps(result))
        else:
            self.stdout.write(f"{version} ({version.tariff.code}) is a draft. Check and publish it in the portal.")


def _read(name: str) -> bytes:
    """At most a byte more than is accepted."""
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(LARGEST_FILE + 1)
        with Path(name).open("rb") as source:
            return source.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
