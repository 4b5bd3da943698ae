"""Who calls: the API key in the Authorization header, and nothing else. A browser's login does not open the API."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiKey
from accounts.services.api_keys import check_api_key
from common import clock
from config.api.problems import KeyMissing, ScopeMissing

if TYPE_CHECKING:
    # The framework loads this module while it loads its views.
    from rest_framework.views import APIView

_SCHEME = "bearer"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer vl_…`. The key is `request.auth`; there is no user behind it."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        scheme, _space, presented = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != _SCHEME or not presented.strip():
            return None
        return AnonymousUser(), check_api_key(presented.strip(), at=clock.now())

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """The key has the scope the view names for this method (`ApiView.scopes`)."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            raise KeyMissing
        scopes: dict[str, str] = view.scopes  # type: ignore[attr-defined]
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        scope = scopes.get(method or "")
        if scope is not None and scope not in request.auth.scopes:
            raise ScopeMissing(scope)
        return True


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the reference describes the key."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key made in the operator portal under Administration, API keys.",
        }
