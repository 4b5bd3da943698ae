"""Several people save over one draft: one of them replaces it. Beside it, what happens without the lock."""

import threading

import pytest
from django.db import transaction

from common.locking import lock_row
from tariffs.models import Tariff, TariffVersion
from tariffs.services.redrafting import DraftIsGone, redraft_version
from tariffs.services.versions import draft_version
from tests.billing.payments.test_races import WORKERS, at_once
from tests.factories import TariffFactory, component, element, tariff_document

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


def priced(number: int) -> str:
    return tariff_document(element(component("ENERGY", f"0.{number + 1}")))


def first_draft() -> TariffVersion:
    return draft_version(tariff_id=TariffFactory().pk, ocpi_text=priced(0))


def test_one_of_eight_replaces_the_draft_and_the_others_are_told() -> None:
    draft = first_draft()

    def save(number: int) -> str:
        try:
            return str(redraft_version(version_id=draft.pk, ocpi_text=priced(number)).number)
        except DraftIsGone:
            return "gone"

    assert sorted(at_once(save)) == ["2", *["gone"] * (WORKERS - 1)]
    assert list(draft.tariff.versions.order_by("number").values_list("number", "status")) == [
        (1, "withdrawn"),
        (2, "draft"),
    ]


def test_control_without_the_lock_all_eight_replace_it() -> None:
    """Reads the status, then decides: what `redraft_version` would do without locking first."""
    draft = first_draft()
    have_read = threading.Barrier(WORKERS)

    @transaction.atomic
    def save(number: int) -> bool:
        is_draft = TariffVersion.objects.get(pk=draft.pk).status == TariffVersion.Status.DRAFT
        have_read.wait(timeout=30)
        lock_row(Tariff.objects.filter(pk=draft.tariff_id))
        if is_draft:
            draft_version(tariff_id=draft.tariff_id, ocpi_text=priced(number))
        return is_draft

    assert at_once(save) == [True] * WORKERS
    assert draft.tariff.versions.count() == 1 + WORKERS
