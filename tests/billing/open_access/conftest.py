"""The stand of the session tests serves here as well."""

from tests.billing.sessions.conftest import stand

__all__ = ["stand"]
