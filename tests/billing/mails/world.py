"""A mail server that can be out of order, and what it took."""

from collections.abc import Sequence
from typing import Any

from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend

from billing.models import DriverMail


class DeafServer(EmailBackend):
    """Refuses whatever it is given."""

    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        raise ConnectionRefusedError("the mail server does not answer")


DEAF = f"{__name__}.DeafServer"


def outbox() -> list[Any]:
    return mail.outbox


def only_mail() -> EmailMultiAlternatives:
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    return message


def html_of(message: EmailMultiAlternatives) -> str:
    ((content, media_type),) = message.alternatives
    assert media_type == "text/html"
    return str(content).replace("\N{NO-BREAK SPACE}", " ")


def states() -> list[tuple[str, str]]:
    """Kind and state of every mail written down, oldest first."""
    return list(DriverMail.objects.order_by("pk").values_list("kind", "status"))
