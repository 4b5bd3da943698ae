"""Id tags are found without regard to case and belong to one driver."""

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import TokenTaken
from accounts.models import AuditEvent, Token
from accounts.selectors.tokens import find_token
from accounts.services.tokens import add_rfid_token, set_token_status
from tests.factories import DriverFactory, TokenFactory

pytestmark = pytest.mark.django_db


def test_an_id_tag_is_found_in_any_case_and_an_empty_one_never():
    token = TokenFactory(id_tag="04AbCdEf")
    assert find_token(" 04abcdef ") == token
    assert find_token("") is None
    assert find_token("04ABCDEE") is None


def test_the_database_knows_an_id_tag_once_in_any_case():
    TokenFactory(id_tag="04ABCDEF")
    with pytest.raises(IntegrityError), transaction.atomic():
        TokenFactory(id_tag="04abcdef")


def test_a_card_that_is_taken_is_refused_and_nothing_changes():
    taken = TokenFactory()
    with pytest.raises(TokenTaken, match="already belongs"):
        add_rfid_token(driver_id=DriverFactory().pk, id_tag=taken.id_tag.lower())
    assert list(Token.objects.all()) == [taken]
    assert not AuditEvent.objects.exists()


def test_blocking_twice_leaves_one_trace():
    token = TokenFactory()
    for _ in range(2):
        set_token_status(token_id=token.pk, status="blocked", reason="lost")
    token.refresh_from_db()
    assert token.status == "blocked"
    assert AuditEvent.objects.filter(action="token_blocked").count() == 1
