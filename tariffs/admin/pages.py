"""What the portal's tariff pages share."""

from typing import Any

from django.urls import reverse

from tariffs.domain.jsontext import dumps
from tariffs.models import TariffVersion


def version_address(version: TariffVersion) -> str:
    return reverse("admin:tariffs_tariffversion_change", args=[version.pk])


def pretty(value: Any, indent: str = "") -> str:
    """JSON with line breaks; numbers exactly as they are stored."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{dumps(key)}: {pretty(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"{inner}{pretty(item, inner)}" for item in value) + f"\n{indent}]"
    return dumps(value)
