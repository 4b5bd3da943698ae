"""The API keeps to its own OpenAPI document: what is sent by it is answered by it, what breaks it is refused by it.

Requests are made up from the document (schemathesis), the same ones in every run, and end in this process.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from common import clock
from locations.models import ChargePoint
from ocpp_gateway.services.operator_commands import give_command_for_system
from tariffs.domain import jsontext
from tests.config.api.callers import Caller
from tests.config.site.world import driver_with, priced_network, reachable_connector, settled_session
from tests.factories import PriceSeriesFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

EXAMPLES = 6
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture
def in_this_process(settings: Any) -> Iterator[Caller]:
    """A caller whose requests share the test's database connection and are not counted."""
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield Caller()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def known_things() -> dict[str, dict[str, Any]]:
    """What a request to each operation has to name in order to be answered with something."""
    version = priced_network()
    connector = reachable_connector(code="HARBOUR1", evse__charge_point__identity="BERLIN-01")
    session = settled_session(driver_with(), connector=connector)
    series = PriceSeriesFactory()
    command = give_command_for_system(
        charge_point_id=ChargePoint.objects.get().pk, action="Reset", payload={"type": "Soft"}, system="x", reason="y"
    )
    hour = (clock.now() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    return {
        "GET /api/v1/locations/{id}/": {"path_parameters": {"id": connector.charge_point.location.code}},
        "GET /api/v1/quotes/": {"query": {"connector": "HARBOUR1", "kwh": "20", "minutes": "60"}},
        "GET /api/v1/sessions/{id}/": {"path_parameters": {"id": str(session.public_id)}},
        "GET /api/v1/cdrs/{id}/": {"path_parameters": {"id": str(session.cdr.public_id)}},
        "GET /api/v1/commands/{id}/": {"path_parameters": {"id": command.pk}},
        "GET /api/v1/tariffs/{id}/": {"path_parameters": {"id": version.tariff.code}},
        "POST /api/v1/commands/": {
            "body": {"charge_point": "BERLIN-01", "action": "Reset", "payload": {"type": "Hard"}, "reason": "stuck"}
        },
        "POST /api/v1/tariffs/": {
            "body": {"ocpi": jsontext.loads(tariff_document(element(component("FLAT", "1"))))},
        },
        "POST /api/v1/price-series/{series}/values/": {
            "path_parameters": {"series": series.pk},
            "body": {"values": [{"start_at": hour.isoformat(), "price": "0.1"}]},
        },
    }


def made_up(operation: APIOperation, mode: GenerationMode, check: Callable[[Case], None]) -> None:
    """`check` with requests that keep to the document or break it, the same ones in every run."""
    sure = hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    sure(given(operation.as_strategy(generation_mode=mode))(check))()


def test_every_operation_answers_as_the_document_says(in_this_process: Caller) -> None:
    headers = {"Authorization": f"Bearer {in_this_process.key_text}"}
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    schema.app = get_wsgi_application()
    known = known_things()
    broken: list[str] = []
    answers: dict[str, set[int]] = {}

    def check(case: Case) -> None:
        """Whatever it does is undone."""
        with transaction.atomic():
            try:
                answer = case.call_and_validate(headers=headers, checks=CHECKS)
                answers.setdefault(case.operation.label, set()).add(answer.status_code)
            except FailureGroup as failures:
                broken.append(f"{case.operation.label}: {failures}")
            transaction.set_rollback(True)

    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        things = {"headers": {"Idempotency-Key": "first"}, **known.pop(operation.label, {})}
        if "body" in things:
            things["media_type"] = "application/json"
        check(operation.Case(**things))
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            made_up(operation, mode, check)

    assert broken == []
    assert [label for label, codes in answers.items() if not codes & {200, 201, 202}] == []
    assert not known
