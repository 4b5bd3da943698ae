"""Refusals as problem documents (RFC 9457), each with a stable `code`.

Our own errors bring their code; what the framework refuses is given one here.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions
from rest_framework.response import Response

from accounts.errors import ApiKeyExpired, ApiKeyRevoked, ApiKeyUnknown, IdempotencyKeyReused
from common.errors import BadInput, IdempotencyConflict, InvalidTransition, Refused, VoltledgerError

CONTENT_TYPE = "application/problem+json"


class KeyMissing(Refused):
    code = "api_key_missing"
    sentence = gettext_lazy("Send your API key as “Authorization: Bearer …”.")


class ScopeMissing(Refused):
    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(_("This API key lacks the scope “%(scope)s”.") % {"scope": scope})


class NotThere(Refused):
    code = "not_found"
    sentence = gettext_lazy("There is nothing at this address.")


class IdempotencyKeyMissing(Refused):
    code = "idempotency_key_missing"
    sentence = gettext_lazy(
        "Every write needs the header Idempotency-Key: a text of your choice, up to 100 characters, new for each write."
    )


# The first class that fits decides.
_STATUS: tuple[tuple[type[VoltledgerError], int], ...] = (
    (KeyMissing, 401),
    (ApiKeyUnknown, 401),
    (ApiKeyRevoked, 401),
    (ApiKeyExpired, 401),
    (ScopeMissing, 403),
    (NotThere, 404),
    (IdempotencyKeyMissing, 400),
    (IdempotencyKeyReused, 422),
    (BadInput, 400),
    (IdempotencyConflict, 409),
    (InvalidTransition, 409),
    (Refused, 409),
)
_FRAMEWORK_CODES = {
    400: "bad_input",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to whatever a view raised; None for a fault of ours, which Django answers and logs."""
    if isinstance(error, VoltledgerError):
        answer_status = next((code for kind, code in _STATUS if isinstance(error, kind)), 409)
        details = [_located(detail) for detail in error.details] if isinstance(error, BadInput) else []
        return _answer(answer_status, error.code, error.message, details, _headers(answer_status))
    if isinstance(error, Http404):
        return _answer(404, NotThere.code, str(NotThere.sentence))
    if isinstance(error, PermissionDenied):
        return _answer(403, "forbidden", str(exceptions.PermissionDenied.default_detail))
    if isinstance(error, exceptions.ValidationError):
        return _answer(400, BadInput.code, _("The request has mistakes. Nothing was done."), list(_defects(error)))
    if isinstance(error, exceptions.APIException):
        code = _FRAMEWORK_CODES.get(error.status_code, str(error.default_code))
        headers = {}
        wait: float | None = getattr(error, "wait", None)  # of Throttled
        if wait:
            headers["Retry-After"] = str(int(wait))
        return _answer(error.status_code, code, str(error.detail), headers=headers)
    return None


def _answer(
    answer_status: int,
    code: str,
    detail: str,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:voltledger:problem:{code}",
        "title": HTTPStatus(answer_status).phrase,
        "status": answer_status,
        "code": code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return Response(body, status=answer_status, headers=headers, content_type=CONTENT_TYPE)


def _headers(answer_status: int) -> dict[str, str]:
    return {"WWW-Authenticate": "Bearer"} if answer_status == 401 else {}


def _located(detail: str) -> dict[str, str]:
    """A defect as our services write it: “path: what is wrong”."""
    path, colon, message = detail.partition(": ")
    return {"path": path, "message": message} if colon and " " not in path else {"path": "", "message": detail}


def _defects(error: exceptions.ValidationError) -> Iterator[dict[str, str]]:
    yield from _walk(error.detail, "")


def _walk(detail: Any, path: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for key, item in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _walk(item, f"{path}.{name}" if path and name else path or name)
    elif isinstance(detail, list):
        for index, item in enumerate(detail):
            is_nested = isinstance(item, dict | list)
            yield from _walk(item, f"{path}[{index}]" if is_nested else path)
    else:
        yield {"path": path, "message": str(detail)}
