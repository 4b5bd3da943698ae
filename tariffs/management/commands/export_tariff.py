"""`manage.py export_tariff`: a version of a tariff as an OCPI Tariff object."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.exchange import OcpiVersion
from tariffs.models import Tariff, TariffVersion
from tariffs.selectors.in_force import version_in_force
from tariffs.services.exchange import export_tariff


class Command(BaseCommand):
    help = "Print a tariff as an OCPI Tariff object (JSON)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="code of the tariff")
        parser.add_argument("--number", type=int, help="number of the version; else the one in force, else the newest")
        parser.add_argument("--ocpi", choices=list(OcpiVersion), default=str(OcpiVersion.V230))

    def handle(self, *args: str, **options: Any) -> None:
        version = _version(options["code"], options["number"])
        try:
            document = export_tariff(version, ocpi=OcpiVersion(options["ocpi"]))
        except BadInput as error:
            raise CommandError("\n".join((error.message, *error.details))) from error
        self.stdout.write(jsontext.dumps(document))


def _version(code: str, number: int | None) -> TariffVersion:
    tariff = Tariff.objects.filter(code=code).first()
    if tariff is None:
        raise CommandError(f"There is no tariff {code}.")
    versions = tariff.versions.select_related("tariff")
    if number is not None:
        version = versions.filter(number=number).first()
    else:
        version = version_in_force(tariff.pk) or versions.first()
    if version is None:
        raise CommandError(f"The tariff {code} has no such version.")
    return version
