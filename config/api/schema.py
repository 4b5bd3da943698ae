"""How operations describe themselves in the OpenAPI document, beyond what their fields say."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework.serializers import ListSerializer

from config.api.problems import CONTENT_TYPE

_PROBLEM = {
    "type": "object",
    "description": "A refusal (RFC 9457). Decide by `code`; `detail` is for people.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_REFUSALS = {
    "400": "The request has mistakes; every one is named.",
    "401": "No API key, or one that is not valid.",
    "403": "The API key lacks the scope.",
    "404": "There is nothing at this address.",
    "409": "Refused: the present state does not allow it. Nothing was changed.",
    "422": "This Idempotency-Key was used for another request.",
    "429": "Too many requests; try again after Retry-After seconds.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New for each write; the same key and body again get the first answer and change nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9._:-]+$"},
}


class ApiSchema(AutoSchema):
    """Adds what all operations share: how refusals look, and the key of every write."""

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").partition("/")[0]]

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Reading a collection is a page of rows, whatever the view is made of."""
        if self.method == "GET":
            return "{" not in self.path and getattr(self.view, "pagination_class", None) is not None
        return bool(super()._is_list_view(serializer))

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        is_write = self.method not in ("GET", "HEAD", "OPTIONS")
        if is_write:
            operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        for status, words in _REFUSALS.items():
            if status == "422" and not is_write:
                continue
            schema = {"$ref": "#/components/schemas/Problem"}
            operation["responses"].setdefault(
                status, {"description": words, "content": {CONTENT_TYPE: {"schema": schema}}}
            )
        return operation


class StrictExtension(OpenApiSerializerExtension):
    """A body that refuses what it does not name says so, and how many entries its lists may have."""

    target_class = "config.api.fields.Strict"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        for name, field in self.target.fields.items():
            if isinstance(field, ListSerializer):
                limits = {
                    "minItems": getattr(field, "min_length", None),
                    "maxItems": getattr(field, "max_length", None),
                }
                schema["properties"][name] |= {key: limit for key, limit in limits.items() if limit is not None}
        return {**schema, "additionalProperties": False}


def add_problem(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Put the shape of refusals beside the other components."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    return result
