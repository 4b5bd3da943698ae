"""Who charged for nothing and is known gets a receipt that says so; a stranger gets none, and none is missed."""

from datetime import timedelta

import pytest

from billing.models import ChargingSession, OpenAccess
from billing.services.books import verify
from billing.services.settlement import settle_session
from common import clock
from invoicing.errors import NothingToReceipt
from invoicing.selectors.documents import due_cdr_ids
from invoicing.services.receipts import issue_receipt
from tests.billing.factories import EndedSessionFactory

pytestmark = pytest.mark.django_db


def free_session(**changes) -> ChargingSession:
    session = EndedSessionFactory()
    grant = OpenAccess.objects.create(name="Car park", location=session.charge_point.location)
    ChargingSession.objects.filter(pk=session.pk).update(open_access=grant, contract=None, **changes)
    return session


def test_a_driver_gets_a_receipt_the_operator_paid():
    cdr = settle_session(session_id=free_session().pk)
    (due,) = due_cdr_ids(clock.now())
    assert due == cdr.pk
    document = issue_receipt(cdr_id=cdr.pk)
    assert document.gross == cdr.gross


def test_a_stranger_gets_none_and_the_books_miss_none():
    cdr = settle_session(session_id=free_session(driver=None).pk)
    assert list(due_cdr_ids(clock.now())) == []
    with pytest.raises(NothingToReceipt):
        issue_receipt(cdr_id=cdr.pk)
    assert verify(clock.now() + timedelta(days=2)).findings == []
