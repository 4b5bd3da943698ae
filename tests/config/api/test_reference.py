"""The OpenAPI document says what the API does, and the reference needs nothing from elsewhere."""

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.validation import validate_schema

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> Any:
    return Client().get("/api/v1/schema/").json()


def test_the_document_is_valid_openapi(document: Any) -> None:
    validate_schema(document)


def test_every_operation_names_its_refusals_and_every_write_its_key(document: Any) -> None:
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert len(operations) >= 6
    for path, method, operation in operations:
        assert {"400", "401", "403", "404", "409", "429"} <= set(operation["responses"]), path
        assert operation["security"] == [{"apiKey": []}]
        keys = [one for one in operation.get("parameters", []) if one["name"] == "Idempotency-Key"]
        assert bool(keys) is (method != "get"), path


def test_the_reference_is_made_of_our_own_files() -> None:
    page = Client().get("/api/v1/reference/")
    script = Client().get("/api/v1/reference/?script=")

    text = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all(address.startswith("/") and not address.startswith("//") for address in addresses)
    assert not re.search(r"<script>", text)
    for address in addresses:
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert "'unsafe-eval'" not in page["Content-Security-Policy"]
    assert '"validatorUrl": null' in script.content.decode()
