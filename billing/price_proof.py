"""The price of a past session made again from what is stored, beside the hash it was stored with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.models import Cdr, CdrRevision, ChargingSession
from billing.services.rating import rate_session
from billing.services.repricing import Selection, reprice
from common.errors import VoltledgerError
from tariffs.domain.explain import session_document, shown
from tariffs.domain.result import RatedSession


@dataclass(frozen=True)
class Proof:
    """One price of a session: the one it was billed at (`revision` 0), or what a correction made of it.

    `rated` is None where the stored values cannot be priced any more, and then `problem` says why.
    """

    revision: int
    known_since: datetime
    gross: Decimal
    stored_digest: str
    rated: RatedSession | None
    problem: str = ""

    @property
    def is_reproduced(self) -> bool:
        return self.rated is not None and self.rated.digest == self.stored_digest


def proofs_of(session: ChargingSession, cdr: Cdr) -> list[Proof]:
    """Every price the session has had, oldest first, each under the tariff it was made with."""
    return [_first(session, cdr), *_revised(cdr)]


def _first(session: ChargingSession, cdr: Cdr) -> Proof:
    rated, problem = None, ""
    try:
        rated = rate_session(session)
    except VoltledgerError as error:
        problem = error.message
    return Proof(0, cdr.created_at, cdr.gross, cdr.rating_digest, rated, problem)


def _revised(cdr: Cdr) -> Iterator[Proof]:
    revisions: list[CdrRevision] = list(
        cdr.revisions.select_related("session_correction__correction").order_by("number")
    )
    for revision in revisions:
        document = revision.session_correction.correction.document
        (again,) = reprice(selection=Selection(session_ids=[cdr.charging_session_id]), document=document)
        yield Proof(
            revision.number, revision.created_at, revision.gross, revision.rating_digest, again.rated, again.problem
        )


def proof_document(proof: Proof) -> dict[str, Any]:
    """A proof as plain JSON values for `jsontext.dumps`."""
    document: dict[str, Any] = {
        "revision": proof.revision,
        "known_since": proof.known_since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "gross": proof.gross,
        "stored_digest": proof.stored_digest,
        "is_reproduced": proof.is_reproduced,
        "problem": proof.problem,
    }
    if proof.rated is not None:
        document["rating"] = session_document(proof.rated)
    return document


def proof_text(proof: Proof) -> str:
    """The same for a person at a terminal."""
    since = f"{proof.known_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    title = f"Correction {proof.revision}, known since {since}" if proof.revision else f"Billed {since}"
    lines = [f"{title}: {proof.gross}"]
    if proof.rated is not None:
        for line in proof.rated.lines:
            because = ", ".join(condition.words for condition in line.matched)
            quantity, price, net = (shown(value) for value in (line.quantity, line.unit_price, line.exact_net))
            lines.append(f"  {line.kind}: {quantity} {line.unit} x {price} = {net} before tax {because}".rstrip())
    lines.append(f"  Stored hash: {proof.stored_digest}")
    if proof.rated is None:
        lines.append(f"  Made again:  not possible: {proof.problem}")
    else:
        lines.append(f"  Made again:  {proof.rated.digest}{'' if proof.is_reproduced else ' (another one)'}")
    return "\n".join(lines)
