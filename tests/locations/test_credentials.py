"""Charge point keys: shown once, accepted in both forms, rotated without locking a station out."""

import pytest

from accounts.models import AuditEvent
from common.errors import BadInput
from locations.models import ChargePoint
from locations.services.credentials import confirm_key, is_present_key, issue_key, key_matches, set_key
from tests.factories import ChargePointFactory, StaffFactory


@pytest.fixture
def charge_point(db: None) -> ChargePoint:
    charge_point: ChargePoint = ChargePointFactory()
    return charge_point


def fresh(charge_point: ChargePoint) -> ChargePoint:
    return ChargePoint.objects.get(pk=charge_point.pk)


def test_a_key_is_160_bits_and_only_its_hmac_is_stored(charge_point: ChargePoint) -> None:
    otto = StaffFactory()
    key = issue_key(charge_point_id=charge_point.pk, actor_id=otto.pk)
    assert len(bytes.fromhex(key)) == 20
    stored = bytes(fresh(charge_point).key_hmac or b"")
    assert len(stored) == 32
    assert bytes.fromhex(key) not in stored
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.subject_id) == ("charge_point_key_issued", otto, str(charge_point.pk))
    assert key not in str(event.data)


def test_both_forms_of_a_key_match_and_nothing_else(charge_point: ChargePoint) -> None:
    key = issue_key(charge_point_id=charge_point.pk)
    present = fresh(charge_point)
    for form in (key.encode(), key.upper().encode(), bytes.fromhex(key)):
        assert key_matches(present, form)
    for wrong in (b"", key[:-1].encode(), key[:-2].encode(), b"0" * 40, bytes.fromhex(key)[:-1], bytes(20)):
        assert not key_matches(present, wrong)


def test_a_point_without_a_key_and_an_unknown_one_match_nothing(charge_point: ChargePoint) -> None:
    for presented in (b"", b"\x00" * 32, b"anything at all, really"):
        assert not key_matches(fresh(charge_point), presented)
        assert not key_matches(None, presented)


def test_rotation_keeps_the_key_the_station_has_until_the_new_one_is_confirmed(charge_point: ChargePoint) -> None:
    old = issue_key(charge_point_id=charge_point.pk)
    lost = issue_key(charge_point_id=charge_point.pk)
    new = issue_key(charge_point_id=charge_point.pk)
    rotating = fresh(charge_point)
    assert key_matches(rotating, old.encode())
    assert not key_matches(rotating, lost.encode())
    assert key_matches(rotating, new.encode())
    assert is_present_key(rotating, new.encode())
    assert not is_present_key(rotating, old.encode())
    confirm_key(charge_point_id=charge_point.pk)
    assert not key_matches(fresh(charge_point), old.encode())
    assert key_matches(fresh(charge_point), new.encode())


@pytest.mark.parametrize("key", ["delivered with this key!", "00112233445566778899aabbccddeeff00112233"])
def test_a_key_made_elsewhere_is_stored_once(charge_point: ChargePoint, key: str) -> None:
    set_key(charge_point_id=charge_point.pk, key=key)
    set_key(charge_point_id=charge_point.pk, key=key)
    assert key_matches(fresh(charge_point), key.encode())
    assert fresh(charge_point).previous_key_hmac is None
    assert AuditEvent.objects.count() == 1


def test_a_short_key_is_refused(charge_point: ChargePoint) -> None:
    with pytest.raises(BadInput):
        set_key(charge_point_id=charge_point.pk, key="fifteen letters")
    assert fresh(charge_point).key_hmac is None
