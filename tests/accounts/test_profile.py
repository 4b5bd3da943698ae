import pytest

from accounts.models import AuditEvent
from accounts.services.profile import change_profile
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db


def test_what_changed_is_recorded_but_not_what_it_says() -> None:
    ada = DriverFactory()
    change_profile(driver_id=ada.pk, values={"name": "Ada", "city": "Berlin", "phone": "+49 30 1"})
    ada.refresh_from_db()
    assert (ada.city, ada.phone) == ("Berlin", "+49 30 1")
    event = AuditEvent.objects.get()
    assert (event.action, event.subject_id, event.data) == (
        "profile_changed",
        str(ada.pk),
        {"fields": ["city", "phone"]},
    )


def test_nothing_new_leaves_no_trace() -> None:
    ada = DriverFactory()
    change_profile(driver_id=ada.pk, values={"name": ada.name})
    assert not AuditEvent.objects.exists()


def test_a_driver_cannot_change_what_is_not_the_own_to_change() -> None:
    ada = DriverFactory()
    with pytest.raises(KeyError):
        change_profile(driver_id=ada.pk, values={"name": "Eve", "status": "blocked"})
    ada.refresh_from_db()
    assert (ada.name, ada.status) == ("Ada", "active")
