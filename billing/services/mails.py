"""Mail to drivers: written down with what it tells of, composed and sent by a task after the commit, once.

`queue_mail` is called in the transaction of the event, so the mail exists exactly when the event does. `send_mail`
claims, sends with nothing open, and records. A task that was lost is taken up by the sweep.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django_q.tasks import async_task

from billing.models import ChargingSession, DriverMail, Hold, Payment
from common import clock
from common.errors import VoltledgerError
from common.locking import lock_row

log = logging.getLogger(__name__)

Kind = DriverMail.Kind
Status = DriverMail.Status

# A task that is queued or running right now is left to finish.
PATIENCE = timedelta(minutes=1)
# A task is killed after 60 s (Q_CLUSTER); a run stops before, so that no mail is cut off while it is being sent.
RUN_FOR_SECONDS = 30
# Whoever began to send and has not written down how it went by then was killed.
CLAIM_LASTS = timedelta(minutes=10)
# A mail server that refuses or does not answer is asked again this long after each failure; then it is given up.
RETRY_AFTER = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(hours=24),
)


class NotNeeded(VoltledgerError):
    """What a mail was to tell is no longer so, or its driver does not want to hear it."""

    code = "mail_not_needed"
    sentence = _("What it tells is no longer so.")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says: a subject, the template of its words with what they name, and one link with its words.

    `attachments` are (file name, content, media type).
    """

    subject: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    link: str = ""
    link_words: str = ""
    attachments: tuple[tuple[str, bytes, str], ...] = ()


# Composes the letter of a mail in the active language; raises NotNeeded.
Writer = Callable[[DriverMail], Letter]
_writers: dict[str, Writer] = {}


def register_writer(kind: str, writer: Writer) -> None:
    """Say who composes the mails of a kind; from AppConfig.ready. One registered again is replaced."""
    _writers[kind] = writer


def queue_mail(
    *,
    driver_id: int,
    kind: str,
    key: str,
    payment: Payment | None = None,
    hold: Hold | None = None,
    session: ChargingSession | None = None,
) -> DriverMail:
    """Write down a mail about an event, in the event's own transaction, and queue its sending.

    Idempotent: the same key is the first mail, and queues nothing.
    """
    mail, is_new = DriverMail.objects.get_or_create(
        key=key,
        defaults={
            "driver_id": driver_id,
            "kind": kind,
            "payment": payment,
            "hold": hold,
            "charging_session": session,
            "next_attempt_at": clock.now(),
        },
    )
    if is_new:
        async_task("billing.mail_tasks.send_mail", mail.pk)
    return mail


def send_mail(*, mail_id: int) -> DriverMail:
    """Compose a queued mail in its driver's language and send it. Any number of callers at once send it once.

    One that is not needed any more is dropped. Talks to the mail server; what that refuses is tried again later.
    """
    mail = DriverMail.objects.select_related("driver", "payment__method", "hold", "charging_session").get(pk=mail_id)
    if mail.status != Status.QUEUED or mail.next_attempt_at is None or mail.next_attempt_at > clock.now():
        return mail
    with translation.override(mail.driver.language):
        try:
            message = _compose(mail)
        except NotNeeded as reason:
            return _drop(mail_id, reason.message)
    if not _claim(mail, message):
        return DriverMail.objects.get(pk=mail_id)
    try:
        message.send()
    except OSError as error:  # SMTP's own errors are among them.
        log.warning("mail %s is not sent: %s", mail.key, error)
        return _record_failure(mail_id, str(error))
    return _record_sent(mail_id)


def _compose(mail: DriverMail) -> EmailMultiAlternatives:
    """The message as text and as simple HTML. Raises NotNeeded."""
    if not mail.driver.email:
        raise NotNeeded(_("The customer has no e-mail address."))
    letter = _writers[mail.kind](mail)
    body = render_to_string(f"mail/{letter.template}.txt", letter.context).strip()
    context = {
        "name": mail.driver.name,
        "body": body,
        "link": letter.link,
        "link_words": letter.link_words,
        "operator_name": settings.OPERATOR_NAME,
        "subject": letter.subject,
        "language": mail.driver.language,
    }
    message = EmailMultiAlternatives(
        subject=_plain(letter.subject),
        body=_plain(render_to_string("mail/letter.txt", context).strip() + "\n"),
        to=[mail.driver.email],
        headers={"Message-ID": _message_id(mail.key), "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("mail/letter.html", context), "text/html")
    for attachment in letter.attachments:
        message.attach(*attachment)
    return message


def _plain(text: str) -> str:
    """Text as mailboxes search and quote it: with ordinary spaces before units."""
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def _message_id(key: str) -> str:
    """The same for every sending of one mail, so that a mailbox recognises one it has."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"<{digest}@{urlsplit(settings.SITE_URL).hostname or 'localhost'}>"


def _claim(mail: DriverMail, message: EmailMultiAlternatives) -> bool:
    """True for the one caller who is to send it."""
    claimed = DriverMail.objects.filter(pk=mail.pk, status=Status.QUEUED).update(
        status=Status.SENDING,
        claimed_at=clock.now(),
        attempts=mail.attempts + 1,
        next_attempt_at=None,
        address=mail.driver.email,
        subject=str(message.subject)[:200],
        note="",
    )
    return bool(claimed)


def _record_sent(mail_id: int) -> DriverMail:
    DriverMail.objects.filter(pk=mail_id, status=Status.SENDING).update(status=Status.SENT, sent_at=clock.now())
    return DriverMail.objects.get(pk=mail_id)


def _drop(mail_id: int, reason: str) -> DriverMail:
    DriverMail.objects.filter(pk=mail_id, status=Status.QUEUED).update(
        status=Status.DROPPED, next_attempt_at=None, note=reason[:200]
    )
    return DriverMail.objects.get(pk=mail_id)


@transaction.atomic
def _record_failure(mail_id: int, reason: str) -> DriverMail:
    mail = lock_row(DriverMail.objects.filter(pk=mail_id))
    if mail.status == Status.SENDING:
        is_over = mail.attempts > len(RETRY_AFTER)
        mail.status = Status.FAILED if is_over else Status.QUEUED
        mail.next_attempt_at = None if is_over else clock.now() + RETRY_AFTER[mail.attempts - 1]
        mail.note = reason[:200]
        mail.save(update_fields=["status", "next_attempt_at", "note"])
    return mail


def sweep_mails(now: datetime) -> int:
    """Send what is due and was not sent; mark what a killed worker was sending. How many were taken up. Repeatable.

    What a slow mail server leaves no time for is the next run's.
    """
    stop_at = time.monotonic() + RUN_FOR_SECONDS
    killed = DriverMail.objects.filter(status=Status.SENDING, claimed_at__lte=now - CLAIM_LASTS)
    marked = killed.update(
        status=Status.UNCLEAR, note="The worker was killed while sending; it may have arrived and is not repeated."
    )
    due = DriverMail.objects.filter(status=Status.QUEUED, next_attempt_at__lte=now - PATIENCE).order_by("pk")
    mail_ids = list(due.values_list("pk", flat=True))
    for mail_id in mail_ids:
        if time.monotonic() > stop_at:
            break
        try:
            send_mail(mail_id=mail_id)
        except Exception:  # a letter that cannot be written keeps no other from going out
            log.exception("mail %s is left for the next sweep", mail_id)
    return marked + len(mail_ids)
