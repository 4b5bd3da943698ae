"""What every resource of the API is made of. How to add one: docs/api.md."""

import hashlib
from typing import Any, TypeVar

from django.db.models import Model
from django.http import HttpResponse
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from accounts.services.api_writes import answer_once
from common.errors import BadInput
from config.api.fields import Strict
from config.api.problems import IdempotencyKeyMissing, KeyMissing, NotThere
from tariffs.domain import jsontext

M = TypeVar("M", bound=Model)
LONGEST_IDEMPOTENCY_KEY = 100


class ApiView(GenericAPIView[Any]):
    """A resource. `scopes` names the scope each method needs; `query_class` reads the address's parameters."""

    scopes: dict[str, str] = {}
    query_class: type[Strict] = Strict

    @property
    def api_key(self) -> ApiKey:
        if not isinstance(self.request.auth, ApiKey):
            raise KeyMissing
        return self.request.auth

    def query(self) -> dict[str, Any]:
        """The address's parameters, read and checked. Raises ValidationError naming every one that is wrong."""
        given = self.query_class(data=self.request.query_params)
        given.is_valid(raise_exception=True)
        found: dict[str, Any] = given.validated_data
        return found

    def page_of(self, rows: Any, **context: Any) -> Response:
        """One page of `rows`, written by `serializer_class`."""
        page = self.paginate_queryset(rows)
        written = self.get_serializer(page, many=True, context={**self.get_serializer_context(), **context})
        return self.get_paginated_response(written.data)

    def one_of(self, row: M | None, **context: Any) -> Response:
        """One row. Raises NotThere for None."""
        if row is None:
            raise NotThere
        return Response(self.get_serializer(row, context={**self.get_serializer_context(), **context}).data)


class WriteView(ApiView):
    """A resource that changes something. A subclass says what in `write`; it is carried out once per Idempotency-Key.

    The body is read by `body_class`. `write` calls one service and answers (status, body); it runs in one transaction
    with the note that it ran, so it must not call out of this process itself.
    """

    body_class: type[Strict] = Strict

    def write(self, data: dict[str, Any], **place: Any) -> tuple[int, dict[str, Any]]:
        raise NotImplementedError

    def post(self, request: Request, **place: Any) -> HttpResponse:
        idempotency_key = _idempotency_key(request)
        body = request.data if isinstance(request.data, dict) else None
        if body is None:
            raise BadInput("The body must be a JSON object.", ["$: must be an object"])

        def perform() -> tuple[int, str]:
            given = self.body_class(data=body)
            given.is_valid(raise_exception=True)
            status, answer = self.write(given.validated_data, **place)
            return status, jsontext.dumps(answer)

        answer = answer_once(
            api_key_id=self.api_key.pk,
            idempotency_key=idempotency_key,
            request_digest=_digest(request, body),
            perform=perform,
        )
        response = HttpResponse(answer.body, status=answer.status, content_type="application/json")
        if answer.is_repeat:
            response["Idempotency-Replayed"] = "true"
        return response


class Elsewhere(ApiView):
    """Any address of the API that is none."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotThere


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key or len(key) > LONGEST_IDEMPOTENCY_KEY or not key.isprintable():
        raise IdempotencyKeyMissing
    return key


def _digest(request: Request, body: dict[str, Any]) -> str:
    text = f"{request.method} {request.path}\n{jsontext.dumps(body, sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()
