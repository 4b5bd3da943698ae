"""What every page may say about the operator."""

from django.conf import settings
from django.http import HttpRequest


def operator(request: HttpRequest) -> dict[str, str]:
    return {"operator_name": settings.OPERATOR_NAME}
