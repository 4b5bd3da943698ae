"""A tariff is drafted, published and then never rewritten."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent
from common import clock
from common.errors import BadInput, InvalidTransition
from tariffs.models import TariffVersion
from tariffs.services.versions import draft_version, publish_version, withdraw_version
from tests.factories import PriceSeriesFactory, StaffFactory, TariffFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db


ENERGY = element(component("ENERGY", "0.49"))


def draft(tariff=None, price="0.49"):
    tariff = tariff or TariffFactory()
    return draft_version(tariff_id=tariff.pk, ocpi_text=tariff_document(element(component("ENERGY", price))))


def test_drafts_are_numbered_and_equal_prices_have_equal_digests():
    tariff = TariffFactory()
    first, second, third = draft(tariff), draft(tariff, price="0.490"), draft(tariff, price="0.50")
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.digest == second.digest != third.digest


def test_a_defective_tariff_is_refused_with_every_defect_and_nothing_is_saved():
    tariff = TariffFactory()
    text = tariff_document(element({"type": "ENERGY", "price": "free", "step_size": -1}), colour="red")
    with pytest.raises(BadInput) as refusal:
        draft_version(tariff_id=tariff.pk, ocpi_text=text)
    paths = " ".join(refusal.value.details)
    assert "price_components[0].price" in paths
    assert "price_components[0].step_size" in paths
    assert "tariff.colour" in paths
    assert not TariffVersion.objects.exists()


def test_a_tariff_in_another_currency_is_refused():
    with pytest.raises(BadInput, match="CHF"):
        draft_version(
            tariff_id=TariffFactory().pk,
            ocpi_text=tariff_document(element(component("ENERGY", "0.49")), currency="CHF"),
        )


def test_a_tariff_begins_and_ends_when_its_document_says_so():
    tariff = TariffFactory()
    spring, summer = "2030-03-01T00:00:00Z", "2030-06-01T00:00:00Z"
    document = tariff_document(ENERGY, start_date_time=spring, end_date_time=summer)
    version = draft_version(tariff_id=tariff.pk, ocpi_text=document)
    assert (version.valid_from, version.valid_until) == (
        datetime(2030, 3, 1, tzinfo=UTC),
        datetime(2030, 6, 1, tzinfo=UTC),
    )
    later = datetime(2030, 4, 1, tzinfo=UTC)
    assert draft_version(tariff_id=tariff.pk, ocpi_text=document, valid_from=later).valid_from == later
    begun = tariff_document(ENERGY, start_date_time="2020-03-01T00:00:00Z")
    assert abs(draft_version(tariff_id=tariff.pk, ocpi_text=begun).valid_from - clock.now()) < timedelta(minutes=5)
    with pytest.raises(BadInput, match="starts on 1 Mar 2030") as refusal:
        draft_version(tariff_id=tariff.pk, ocpi_text=document, valid_from=datetime(2030, 2, 1, tzinfo=UTC))
    assert refusal.value.details == ("tariff.start_date_time: is after the moment from which the version applies",)
    assert tariff.versions.count() == 3


def test_the_end_of_a_published_version_stays():
    version = publish_version(version_id=draft().pk)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        TariffVersion.objects.filter(pk=version.pk).update(valid_until=clock.now())


def test_publishing_leaves_one_trace_and_a_repeat_none():
    otto = StaffFactory()
    version = draft()
    for _ in range(2):
        published = publish_version(version_id=version.pk, actor_id=otto.pk, reason="new prices")
    assert published.status == "published"
    assert AuditEvent.objects.filter(action="tariff_published", actor=otto).count() == 1


SPOT = {"series": "NL", "fallback": Decimal("0.45"), "floor": Decimal("0.10")}
TIERS = [{"up_to_kwh": 100, "price": Decimal("0.50")}, {"price": Decimal("0.40")}]


def with_extensions(**extensions):
    text = tariff_document(element(component("ENERGY", "0.49")), voltledger=extensions)
    return draft_version(tariff_id=TariffFactory().pk, ocpi_text=text)


@pytest.mark.parametrize(
    "extensions",
    [
        {"spot": SPOT},
        {"energy_tiers": {"per": "SESSION", "tiers": TIERS}},
        {"energy_tiers": {"per": "MONTH", "tiers": TIERS}},
    ],
)
def test_market_prices_and_energy_tiers_are_published(extensions):
    PriceSeriesFactory(code="NL")
    version = with_extensions(**extensions)
    assert publish_version(version_id=version.pk).status == "published"


def test_a_withdrawn_version_cannot_be_published_again():
    version = publish_version(version_id=draft().pk)
    withdraw_version(version_id=version.pk)
    with pytest.raises(InvalidTransition):
        publish_version(version_id=version.pk)


def test_the_database_keeps_a_published_version_as_it_is():
    version = publish_version(version_id=draft().pk)
    for change in ({"document": "{}"}, {"digest": "0"}, {"status": "draft", "published_at": None}):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            TariffVersion.objects.filter(pk=version.pk).update(**change)
    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic():
        TariffVersion.objects.filter(pk=version.pk).delete()
    drafted = draft()
    TariffVersion.objects.filter(pk=drafted.pk).delete()
    assert list(TariffVersion.objects.all()) == [version]
