"""Lists take the same number of queries whatever their length."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import ChargingSession
from tests.factories import ConnectorFactory, ContractFactory, TokenFactory

pytestmark = pytest.mark.django_db

LISTS = [
    "accounts_driver", "accounts_token", "accounts_contract", "accounts_contracttype", "accounts_auditevent",
    "locations_chargepoint", "locations_connector", "locations_location", "billing_chargingsession",
]  # fmt: skip


def add_rows(count: int) -> None:
    for _row in range(count):
        contract = ContractFactory()
        token = TokenFactory(driver=contract.driver)
        connector = ConnectorFactory()
        ChargingSession.objects.create(
            charge_point=connector.charge_point,
            connector=connector,
            driver=contract.driver,
            contract=contract,
            token=token,
            id_tag=token.id_tag,
            status="requested",
        )
        AuditEvent.objects.create(action="seen", subject_type="accounts.driver", subject_id=str(contract.driver_id))


@pytest.mark.parametrize("name", LISTS)
def test_query_count_is_constant(name: str, otto: Client) -> None:
    path = reverse(f"admin:{name}_changelist")
    add_rows(2)
    otto.get(path)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert otto.get(path).status_code == 200
    add_rows(6)
    with CaptureQueriesContext(connection) as many:
        assert otto.get(path).status_code == 200
    assert len(many) == len(few), [query["sql"] for query in many]


@pytest.mark.parametrize("name", ["accounts_driver", "billing_chargingsession", "locations_chargepoint"])
def test_search_finds_and_the_rest_is_left_out(name: str, otto: Client) -> None:
    add_rows(3)
    row = ChargingSession.objects.select_related("driver", "charge_point").latest("pk")
    assert row.driver is not None
    wanted = {
        "accounts_driver": row.driver.email,
        "billing_chargingsession": row.driver.email,
        "locations_chargepoint": row.charge_point.identity,
    }[name]
    found = otto.get(reverse(f"admin:{name}_changelist"), {"q": wanted})
    assert found.context["cl"].result_count == 1


def test_a_list_without_rows_says_so_and_what_to_do(otto: Client) -> None:
    path = reverse("admin:tariffs_tariff_changelist")
    empty = otto.get(path).content.decode()
    assert "There are no tariffs yet." in empty
    assert reverse("admin:tariffs_tariff_add") in empty
    assert "Nothing matches." in otto.get(path, {"q": "nowhere"}).content.decode()
    read_only = otto.get(reverse("admin:billing_pricecorrection_changelist")).content.decode()
    assert "There are no price corrections yet." in read_only
