"""Whose failed log-ins are counted together."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest


def attempted_login(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """The e-mail address somebody tries to log in with, in lower case, however the form or backend calls it.

    django-axes asks for every attempt. Without an address all attempts from one network address would count as one
    person's, and a stranger's guesses would lock out everybody behind it.
    """
    given = credentials or {}
    address = given.get("email") or given.get("username") or given.get("login") or request.POST.get("login", "")
    return str(address).strip().lower()
