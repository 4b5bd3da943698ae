"""Whose ad hoc session is it? Whoever has its link: nobody is logged in."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from django.core import signing
from django.urls import reverse

from billing.models import AdHocSession, ChargingSession

_signer = signing.Signer(salt="billing.ad_hoc", sep=".")


def link_of(order: AdHocSession) -> str:
    """The unguessable part of an ad hoc session's addresses: 122 random bits, signed with the SECRET_KEY.

    The same every time, and never stored, so that a copy of the database opens nobody's page.
    """
    return _signer.sign(urlsafe_b64encode(order.public_id.bytes).decode().rstrip("="))


def ad_hoc_by_link(link: str) -> AdHocSession:
    """What a link opens; a forged one costs no query. Raises AdHocSession.DoesNotExist."""
    try:
        public_id = UUID(bytes=urlsafe_b64decode(_signer.unsign(link) + "=="))
    except (signing.BadSignature, ValueError) as error:
        raise AdHocSession.DoesNotExist from error
    return AdHocSession.objects.select_related(
        "connector__charge_point__location",
        "charging_session__charge_point__location",
        "charging_session__connector",
        "charging_session__cdr",
    ).get(public_id=public_id)


def confirmed_path(session: ChargingSession) -> str:
    """Where a payer comes back to from their bank's page."""
    order = AdHocSession.objects.filter(charging_session=session).first()
    if order is not None:
        return reverse("ad_hoc_confirmed", args=[link_of(order)])
    return reverse("payment_return", args=[session.public_id])
