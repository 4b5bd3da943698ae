"""The one door through which payment providers speak to us."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.providers.errors import WebhookRefused
from billing.services.provider_events import receive_event


@csrf_exempt  # The sender proves itself by its signature, not by a cookie.
@require_POST
def payment_webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Verify, store, acknowledge; the work follows in a task. Refused with 400, and not stored, unless it is signed."""
    if provider != settings.PAYMENT_PROVIDER:
        raise Http404
    try:
        receive_event(provider=provider, body=request.body, headers=request.headers)
    except WebhookRefused as error:
        return JsonResponse({"code": error.code, "message": error.message}, status=400)
    return HttpResponse(status=200)
