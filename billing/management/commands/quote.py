"""`manage.py quote`: the price a person would be shown at a connector, with why it applies."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.quote_document import quote_document, quote_text
from billing.services.quotes import connector_named, contract_of, quote
from common import clock
from common.errors import BadInput, VoltledgerError
from tariffs.domain import jsontext

# Far enough from the ends of the calendar for any zone and any stay.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Command(BaseCommand):
    help = "Tell the price at a connector for a driver or for anybody, and price a session there. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--connector", metavar="ID", required=True, help="code on the label, or charge point and number: CP-1/2"
        )
        parser.add_argument("--driver", metavar="EMAIL", help="whose price; without it that of anybody")
        parser.add_argument("--kwh", metavar="X", help="energy of the session to price")
        parser.add_argument("--minutes", metavar="Y", help="minutes of charging; from the rated power where not given")
        parser.add_argument("--parked-minutes", metavar="Z", default="0", help="minutes parked after charging")
        parser.add_argument("--at", metavar="ISO", help="when it starts, by the location's clock or with an offset")
        parser.add_argument("--channel", choices=["rfid", "app", "ad_hoc"], default="app", help="how it is started")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: str, **options: Any) -> None:
        try:
            connector = connector_named(options["connector"])
            asked = _read(options, connector.charge_point.location.time_zone)
            contract = contract_of(options["driver"], asked["at"]) if options["driver"] else None
            found = quote(connector=connector, contract=contract, channel=options["channel"], **asked)
        except VoltledgerError as error:
            details = list(error.details) if isinstance(error, BadInput) else []
            if options["json"]:
                self.stdout.write(jsontext.dumps({"error": error.message, "code": error.code, "details": details}))
            raise CommandError("\n".join((error.message, *details))) from error
        self.stdout.write(jsontext.dumps(quote_document(found)) if options["json"] else quote_text(found))


def _read(options: dict[str, Any], time_zone: str) -> dict[str, Any]:
    """The options as `quote` takes them. Raises BadInput naming every one that cannot be read."""
    details: list[str] = []
    asked: dict[str, Any] = {"kwh": None, "minutes": None, "parked_minutes": 0, "at": clock.now()}
    if options["kwh"] is not None:
        try:
            asked["kwh"] = Decimal(options["kwh"])
        except InvalidOperation:
            details.append(f"kwh: “{options['kwh']}” is not a number")
    for name in ("minutes", "parked_minutes"):
        text = options[name]
        if text is not None and text.isascii() and text.isdigit() and len(text) < 9:
            asked[name] = int(text)
        elif text is not None:
            details.append(f"{name}: “{text}” is not a whole number of minutes")
    if options["at"] is not None:
        try:
            at = datetime.fromisoformat(options["at"])
            at = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(time_zone))
            asked["at"] = at.astimezone(UTC)
            if not EARLIEST <= at < LATEST:
                details.append("at: must lie between the years 2000 and 2199")
        except (ValueError, OverflowError):
            details.append(f"at: “{options['at']}” is not a moment such as 2026-06-15T18:30 or 2026-06-15T16:30Z")
    if details:
        raise BadInput("The question cannot be read.", details)
    return asked
