"""`manage.py explain_price`: make the price of a past session again and compare its hash with the stored one."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.models import ChargingSession
from billing.price_proof import proof_document, proof_text, proofs_of
from tariffs.domain import jsontext


class Command(BaseCommand):
    help = (
        "Price a past session again from its stored meter values, frozen tariff and market prices, line by line, and "
        "compare the hash with the stored one. Fails where they differ. Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--session", metavar="ID", required=True, help="the session's public id")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: str, **options: Any) -> None:
        session = _session(options["session"])
        cdr = getattr(session, "cdr", None)
        if cdr is None:
            raise CommandError(f"Session {session.public_id} has not been billed, so no price of it is stored.")
        proofs = proofs_of(session, cdr)
        if options["json"]:
            document = {
                "session": str(session.public_id),
                "cdr": str(cdr.public_id),
                "tariff": str(session.tariff_version),
                "prices": [proof_document(proof) for proof in proofs],
            }
            self.stdout.write(jsontext.dumps(document))
        else:
            self.stdout.write("\n".join([f"Tariff {session.tariff_version}", *map(proof_text, proofs)]))
        if not all(proof.is_reproduced for proof in proofs):
            raise CommandError(
                "The stored price could not be made again. Look for meter values that were stored after the session "
                "was billed; the stored price stays the one that counts."
            )


def _session(public_id: str) -> ChargingSession:
    try:
        known = UUID(public_id)
    except ValueError as error:
        raise CommandError(f"“{public_id}” is not the public id of a session.") from error
    session = (
        ChargingSession.objects.filter(public_id=known)
        .select_related("cdr", "charge_point__location", "connector", "tariff_version__tariff")
        .first()
    )
    if session is None:
        raise CommandError(f"There is no session {public_id}.")
    return session
