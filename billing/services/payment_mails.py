"""Mail about payments. Sent from a task, after whatever it tells of has been committed."""

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from djmoney.money import Money

from billing.models import Payment
from common.money import quantize


def send_confirmation_link(*, payment_id: int) -> bool:
    """Mail the driver the page where their bank wants a payment confirmed, in the driver's language.

    False when it is confirmed or over, or the driver has no address. A repeat sends it again.
    """
    payment = Payment.objects.select_related("driver", "funding_leg__cdr__charging_session").get(pk=payment_id)
    if payment.status != Payment.Status.REQUIRES_ACTION or not payment.driver.email:
        return False
    with translation.override(payment.driver.language):
        send_mail(
            subject=_("Please confirm your payment"),
            message=render_to_string(
                "billing/pay/confirm_mail.txt",
                {
                    "driver": payment.driver,
                    "amount": quantize(Money(payment.amount, payment.currency)),
                    "action_url": payment.action_url,
                    "is_top_up": payment.purpose == Payment.Purpose.TOP_UP,
                    "operator_name": settings.OPERATOR_NAME,
                },
            ),
            from_email=None,
            recipient_list=[payment.driver.email],
        )
    return True
