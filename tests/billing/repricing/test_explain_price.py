"""`manage.py explain_price`: the stored hash comes out again, or the command fails and says so."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.services.correction_application import apply_correction
from billing.services.corrections import approve_correction, draft_correction, preview_correction
from tests.billing.factories import NOON, EndedSessionFactory, meter
from tests.billing.refunds.world import billed_session, paid_session
from tests.factories import StaffFactory, TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db


def explained(session) -> dict:
    out = StringIO()
    call_command("explain_price", "--session", str(session.public_id), "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_hash_of_the_cdr_comes_out_again() -> None:
    session = billed_session()

    found = explained(session)

    (price,) = found["prices"]
    assert (price["is_reproduced"], price["gross"]) == (True, 10.2)
    assert price["rating"]["digest"] == price["stored_digest"] == session.cdr.rating_digest
    assert [(line["kind"], line["quantity"]) for line in price["rating"]["lines"]] == [("ENERGY", 15)]


def test_a_corrected_session_has_both_hashes(capsys: pytest.CaptureFixture[str]) -> None:
    session = paid_session()
    correction = draft_correction(
        tariff_id=session.tariff_version.tariff_id,
        ocpi_text=tariff_document(element(component("ENERGY", "0.40"))),
        reason="entered twice",
        author_id=StaffFactory().pk,
        since=NOON - timedelta(days=1),
        until=NOON + timedelta(days=1),
    )
    preview_correction(correction_id=correction.pk)
    approve_correction(correction_id=correction.pk, actor_id=StaffFactory().pk, reason="checked")
    apply_correction(correction_id=correction.pk)

    first, corrected = explained(session)["prices"]

    revision = session.cdr.revisions.get()
    assert (first["revision"], first["gross"], first["is_reproduced"]) == (0, 10.2, True)
    assert (corrected["revision"], corrected["gross"], corrected["is_reproduced"]) == (1, 7.14, True)
    assert corrected["rating"]["digest"] == revision.rating_digest != session.cdr.rating_digest

    call_command("explain_price", "--session", str(session.public_id))
    text = capsys.readouterr().out
    assert "ENERGY: 15.0000 kWh x 0.4000 = 6.0000 before tax" in text
    assert f"Made again:  {revision.rating_digest}\n" in text


def test_a_meter_value_that_turned_up_later_fails_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    document = tariff_document(
        element(component("ENERGY", "0.20"), start_time="00:00", end_time="14:30"), element(component("ENERGY", "0.60"))
    )
    session = billed_session(started_at=NOON, tariff_version=TariffVersionFactory(document=document))
    meter(session, 30, "3000")

    with pytest.raises(CommandError, match="could not be made again"):
        call_command("explain_price", "--session", str(session.public_id))

    text = capsys.readouterr().out
    assert f"Stored hash: {session.cdr.rating_digest}" in text
    assert "(another one)" in text


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("12", "“12” is not the public id of a session."),
        ("00000000-0000-4000-8000-000000000000", "There is no session 00000000-0000-4000-8000-000000000000."),
    ],
)
def test_no_such_session(asked: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("explain_price", "--session", asked)


def test_a_session_that_is_not_billed_has_no_price_to_explain() -> None:
    session = EndedSessionFactory()
    with pytest.raises(CommandError, match="has not been billed"):
        call_command("explain_price", "--session", str(session.public_id))
