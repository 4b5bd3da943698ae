"""`manage.py replay_tariff`: past sessions under a draft or published tariff version."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.domain.replay import Replay, Revenue, replay_document
from billing.services.replay import ReplayedSession, how_many, replay, version_to_replay
from billing.services.repricing import Selection
from common.errors import BadInput
from common.spreadsheets import csv_lines
from locations.models import Location
from tariffs.domain import jsontext
from tariffs.models import Tariff, TariffVersion

CSV_HEADING = (
    "session", "started_at", "location", "customer_group", "currency", "billed_gross", "would_cost_gross", "difference",
    "not_priced_because", "what_was_seen",
)  # fmt: skip


class Command(BaseCommand):
    help = (
        "Price past billed sessions by another tariff: revenue before and after, who would pay less and who more. "
        "Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tariff", metavar="CODE", required=True, help="price them by this tariff")
        parser.add_argument(
            "--version", type=int, dest="number", metavar="N", help="its version; the newest draft, else the published"
        )
        parser.add_argument("--from", dest="since", metavar="DATE", help="sessions that began on this day or later")
        parser.add_argument("--to", dest="until", metavar="DATE", help="sessions that began on this day or earlier")
        parser.add_argument("--priced-by", metavar="CODE", help="only sessions that were priced by this tariff")
        parser.add_argument("--location", metavar="CODE", help="only sessions at this location")
        parser.add_argument("--csv", metavar="FILE", help="write every session to this file")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        # Django's own --version would stand in the way of the tariff's.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **options)

    def handle(self, *args: str, **options: Any) -> None:
        try:
            version = version_to_replay(code=options["tariff"], number=options["number"])
            selection = _selection(options)
            totals = Replay(version.tariff.currency)
            sessions = self._counted(version, selection, totals)
            if options["csv"]:
                with Path(options["csv"]).open("w", encoding="utf-8", newline="") as file:
                    file.writelines(csv_lines(CSV_HEADING, map(_csv_row, sessions)))
            else:
                for _ in sessions:
                    pass
        except BadInput as error:
            if options["json"]:
                document = {"error": error.message, "code": error.code, "details": list(error.details)}
                self.stdout.write(jsontext.dumps(document))
            raise CommandError("\n".join((error.message, *error.details))) from error
        except OSError as error:
            raise CommandError(f"{options['csv']} cannot be written: {error.strerror}") from error
        if options["json"]:
            asked = {
                "tariff": version.tariff.code,
                "version": version.number,
                "status": version.status,
                "digest": version.digest,
                "from": options["since"],
                "to": options["until"],
            }
            self.stdout.write(jsontext.dumps(asked | replay_document(totals)))
        else:
            self.stdout.write(_text(version, totals))

    def _counted(self, version: TariffVersion, selection: Selection, totals: Replay) -> Iterator[ReplayedSession]:
        """The sessions, each added to `totals` as it passes; how far it is stands on stderr."""
        every = how_many(selection)

        def tell(done: int) -> None:
            self.stderr.write(f"\r{done} of {every} sessions", ending="" if sys.stderr.isatty() else "\n")

        for session in replay(document=version.document, selection=selection, progress=tell):
            totals.add(session.repriced, location=session.location, customer_group=session.customer_group)
            yield session


def _selection(options: dict[str, Any]) -> Selection:
    """Raises BadInput naming every option that cannot be read."""
    details: list[str] = []
    since = _moment("from", options["since"], details, at_end=False)
    until = _moment("to", options["until"], details, at_end=True)
    if since is not None and until is not None and since >= until:
        details.append("to: is before from")
    tariff_id = location_ids = None
    if options["priced_by"] is not None:
        tariff_id = Tariff.objects.filter(code=options["priced_by"]).values_list("pk", flat=True).first()
        if tariff_id is None:
            details.append(f"priced-by: there is no tariff with the code “{options['priced_by']}”")
    if options["location"] is not None:
        location_ids = list(Location.objects.filter(code=options["location"]).values_list("pk", flat=True))
        if not location_ids:
            details.append(f"location: there is none with the code “{options['location']}”")
    if details:
        raise BadInput("The question cannot be read.", details)
    return Selection(since=since, until=until, tariff_id=tariff_id, location_ids=location_ids)


def _moment(name: str, text: str | None, details: list[str], *, at_end: bool) -> datetime | None:
    """The start of a day by the operator's clock, of the day after it `at_end`; or the moment as it stands."""
    if text is None:
        return None
    try:
        if len(text) > len("2026-06-15"):
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo is not None else timezone.make_aware(moment)
        day = date.fromisoformat(text) + timedelta(days=at_end)
        return timezone.make_aware(datetime.combine(day, time())).astimezone(UTC)
    except (ValueError, OverflowError):
        details.append(f"{name}: “{text}” is not a day such as 2026-06-15 or a moment such as 2026-06-15T16:30Z")
        return None


def _csv_row(session: ReplayedSession) -> tuple[object, ...]:
    repriced = session.repriced
    return (
        repriced.past.public_id,
        session.started_at,
        session.location,
        session.customer_group,
        repriced.past.currency,
        repriced.past.billed.gross,
        None if repriced.payable is None else repriced.payable.gross,
        repriced.difference,
        repriced.problem,
        repriced.note,
    )


def _text(version: TariffVersion, totals: Replay) -> str:
    lines = [
        f"{version}: {totals.sessions} sessions, {totals.total.sessions} of them priced",
        _line("All", totals.total),
        f"  {totals.winners.sessions} would have cost less, {totals.winners.amount} {totals.currency} together",
        f"  {totals.losers.sessions} would have cost more, {totals.losers.amount} {totals.currency} together",
        f"  {totals.unchanged} the same",
    ]
    lines += [_line(f"Location {name}", revenue) for name, revenue in sorted(totals.locations.items())]
    lines += [
        _line(f"Customer group {name}" if name else "In no customer group", revenue)
        for name, revenue in sorted(totals.customer_groups.items())
    ]
    lines += [
        f"Not priced, {reason}: {entry.sessions}, such as {entry.examples[0]}"
        for reason, entry in sorted(totals.not_priced.items())
    ]
    return "\n".join(lines)


def _line(name: str, revenue: Revenue) -> str:
    before, after, difference = revenue.before.gross, revenue.after.gross, revenue.difference.gross
    return f"{name}: {before} before, {after} after, {difference:+} with VAT"
