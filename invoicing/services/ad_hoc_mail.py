"""The receipt's link to whoever paid without an account and left an address. Sent from a task, after the commit."""

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from common.formats import money_words
from invoicing.models import Document


def send_receipt_link(*, document_id: int) -> bool:
    """Mail the link in the payer's language; False when no address was left. A repeat sends it again."""
    document = Document.objects.get(pk=document_id)
    address = document.buyer["email"]
    if document.driver_id is not None or not address:
        return False
    with translation.override(document.language):
        send_mail(
            subject=_("Your receipt %(number)s") % {"number": document.number},
            message=render_to_string(
                "invoicing/ad_hoc_mail.txt",
                {
                    "number": document.number,
                    "place": document.content["place"]["name"],
                    "gross": money_words(document.gross, document.currency),
                    "address": document.content["online"],
                    "operator_name": settings.OPERATOR_NAME,
                },
            ),
            from_email=None,
            recipient_list=[address],
        )
    return True
