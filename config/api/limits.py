"""How often a key may call, and how long a list's page is."""

import binascii
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Model, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.utils.urls import replace_query_param

from accounts.models import ApiKey

if TYPE_CHECKING:
    # The framework loads this module while it loads its views.
    from rest_framework.views import APIView

WINDOW_SECONDS = 60


class PerKeyThrottle(BaseThrottle):
    """So many requests a minute per key (API_REQUESTS_PER_MINUTE), counted in the cache the processes share."""

    _wait: float | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        now = time.time()
        name = f"api:{request.auth.pk}:{int(now // WINDOW_SECONDS)}"
        cache.add(name, 0, timeout=2 * WINDOW_SECONDS)
        try:
            count: int = cache.incr(name)
        except ValueError:  # dropped between the two calls: nothing is counted any more
            return True
        self._wait = WINDOW_SECONDS - now % WINDOW_SECONDS + 1
        return count <= int(settings.API_REQUESTS_PER_MINUTE)

    def wait(self) -> float | None:
        return self._wait


class CursorPages(BasePagination):
    """Pages by cursor, so that rows which come in meanwhile move no page; newest first.

    `limit` rows a page: 50 unless asked, at most 200. `next` is the address of the following page, or null.
    """

    default_limit = 50
    most = 200
    _next: str | None = None

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        if not isinstance(queryset, QuerySet):
            raise TypeError("pages are made of rows")
        limit = self._limit(request)
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            queryset = queryset.filter(pk__lt=self._read(cursor))
        rows: list[Model] = list(queryset.order_by("-pk")[: limit + 1])
        if len(rows) > limit:
            rows.pop()
            self._next = replace_query_param(request.build_absolute_uri(), "cursor", self._write(rows[-1].pk))
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": {"type": "string", "format": "uri", "nullable": True}, "results": schema},
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        limits = {"type": "integer", "minimum": 1, "maximum": self.most, "default": self.default_limit}
        return [
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "required": False, "schema": limits},
        ]

    def _limit(self, request: Request) -> int:
        raw = request.query_params.get("limit")
        if raw is None:
            return self.default_limit
        if not (raw.isascii() and raw.isdigit() and len(raw) < 9 and 1 <= int(raw) <= self.most):
            raise ValidationError({"limit": [f"Must be a whole number from 1 to {self.most}."]})
        return int(raw)

    @staticmethod
    def _write(pk: int) -> str:
        return urlsafe_b64encode(f"after:{pk}".encode()).decode().rstrip("=")

    @staticmethod
    def _read(cursor: str) -> int:
        try:
            word, _colon, pk = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").partition(":")
        except (binascii.Error, ValueError):
            word, pk = "", ""
        if word != "after" or not pk.isdigit() or len(pk) > 18:
            raise ValidationError({"cursor": ["Is not a cursor of this list; take it from “next”."]})
        return int(pk)
