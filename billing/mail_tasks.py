"""Background work about mail. Each may run twice or be lost: the sweep takes up what was."""

from billing.services import mails
from common import clock


def send_mail(mail_id: int) -> None:
    """A mail was written down with what it tells of: send it."""
    mails.send_mail(mail_id=mail_id)


def sweep_mails() -> int:
    """Send what is due and was not sent."""
    return mails.sweep_mails(clock.now())


SCHEDULES = [("Mails: send what is due", "billing.mail_tasks.sweep_mails", 1)]
