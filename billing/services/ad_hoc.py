"""Charging without an account: agree to a price, leave a card with the provider, charge, be forgotten.

`agree` writes down the price that was shown. The card is typed in on the provider's page, with nothing reserved and no
connector kept; `take_card` follows when it is there, from the payer's return or the webhook, whichever is first. From
then on it is a session whose amount is held like any other's (billing.services.card_holds).
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_q.tasks import async_task

from billing.models import AdHocSession, ChargingSession, FundingLeg, Hold, PaymentMethod
from billing.providers.base import CardDetails, CustomerRequest, PaymentProvider, SetupRequest, SetupResult, SetupState
from billing.providers.registry import get_provider, least_charge
from billing.selectors.hold_policies import amount_to_hold
from billing.selectors.open_access import open_access_at
from billing.selectors.payments import OPEN_LEG_STATES
from billing.services.admission import terms_for
from billing.services.sessions.requesting import check_ready, lock_connector, request_ad_hoc_start
from billing.services.write_offs import write_off_leg
from common import clock
from common.errors import Refused
from common.formats import money_words
from common.ids import new_secret
from common.locking import lock_row
from locations.models import Connector

# How long a price that was agreed to stands while the card is typed in.
PAY_WITHIN = timedelta(minutes=15)
# Whether a capture comes is known long before.
GIVE_UP_AFTER = timedelta(minutes=15)
# So many may agree at one connector in that time; more are no customers.
MOST_AT_A_CONNECTOR = 30


class PriceChanged(Refused):
    code = "price_changed"
    sentence = gettext_lazy("The price has changed since this page was shown. Look at the new one, then decide again.")


class TooManyPayers(Refused):
    code = "too_many_payers"
    sentence = gettext_lazy("Too many people are paying at this connector just now. Try again in a few minutes.")


class FreeHere(Refused):
    code = "free_here"
    sentence = gettext_lazy("Charging is free here just now: plug in and hold any card to the charge point.")


class PaidTooLate(Refused):
    code = "paid_too_late"
    sentence = gettext_lazy(
        "Your card came more than 15 minutes after you had agreed to the price. Nothing was reserved; start again."
    )


@dataclass(frozen=True)
class AdHocOffer:
    """What charging at a connector is offered for without an account: `terms` freeze the price, `hold_amount` is what
    is reserved, in the currency of the terms; `digest` changes when any of it does.
    """

    terms: dict[str, Any]
    hold_amount: Decimal
    digest: str

    @property
    def currency(self) -> str:
        return str(self.terms["currency"])


def offer_at(*, connector: Connector, at: datetime) -> AdHocOffer:
    """The offer of a moment. Give the connector with its charge point and location. Reads only.

    Raises NoTariff, NoVatRate: without a price nothing is offered, and nothing is ever free for want of one. Raises
    FreeHere where the place is open to everybody.
    """
    if open_access_at(connector, at) is not None:
        raise FreeHere
    channel = ChargingSession.Channel.AD_HOC
    terms = terms_for(connector=connector, contract=None, channel=channel, at=at)
    about = ChargingSession(
        charge_point=connector.charge_point,
        connector=connector,
        channel=channel,
        requested_at=at,
        **terms,
    )
    hold_amount = amount_to_hold(about)
    agreed = [
        connector.pk,
        terms["tariff_digest"],
        terms["rating_inputs"],
        terms["currency"],
        str(terms["vat_percent"].normalize()),
        str(hold_amount.normalize()),
    ]
    digest = hashlib.sha256(json.dumps(agreed, sort_keys=True).encode()).hexdigest()
    return AdHocOffer(terms, hold_amount, digest)


@transaction.atomic
def agree(*, connector_id: int, digest: str, email: str = "", language: str = "en") -> AdHocSession:
    """Write down that somebody takes the offer named by `digest`, which is what they were shown.

    Nothing is reserved yet. Locks: the Connector. Raises PriceChanged, TooManyPayers, ConnectorBusy,
    ConnectorNotReady, ChargePointOffline, NoTariff, NoVatRate; after a refusal nothing has changed.
    """
    now = clock.now()
    connector = lock_connector(connector_id)
    check_ready(connector)
    offer = offer_at(connector=connector, at=now)
    if offer.digest != digest:
        raise PriceChanged
    if AdHocSession.objects.filter(connector=connector, agreed_at__gt=now - PAY_WITHIN).count() >= MOST_AT_A_CONNECTOR:
        raise TooManyPayers
    kept = ("tariff_version", "tariff_assignment", "tariff_trace", "rating_inputs", "currency", "vat_percent")
    return AdHocSession.objects.create(
        connector=connector,
        email=email,
        language=language,
        hold_amount=offer.hold_amount,
        price_digest=offer.digest,
        agreed_at=now,
        pay_by=now + PAY_WITHIN,
        **{name: offer.terms[name] for name in kept},
    )


def card_page(*, order: AdHocSession, return_url: str) -> str:
    """The address of the provider's page where a card is left, from which one comes back to `return_url`?setup=….

    Talks to the provider; raises ProviderUnavailable.
    """
    provider = get_provider()
    reference = str(order.public_id)
    customer = provider.customer(
        CustomerRequest(
            idempotency_key=f"ad_hoc:{reference}:customer", client_reference=reference, name="", email=order.email
        )
    )
    page = provider.start_setup(
        SetupRequest(
            # Each visit is an event of its own.
            idempotency_key=f"ad_hoc:{reference}:setup:{new_secret()}",
            customer=customer,
            client_reference=reference,
            return_url=return_url,
            notice=_("%(amount)s will be reserved. Only what you charge is taken; the rest is released.")
            % {"amount": money_words(order.hold_amount, order.currency)},
        )
    )
    return page.url


def take_card(*, provider: PaymentProvider, setup: SetupResult, order_id: int | None = None) -> AdHocSession | None:
    """A card was left: begin the session it is for and have its amount held; or write down why that cannot be.

    None when no card was left, or not for an ad hoc session (not for `order_id`, when given). Idempotent: the first
    card counts. A card that came in vain is deleted at the provider.
    Locks: the AdHocSession, the Connector.
    """
    order = AdHocSession.objects.filter(public_id=setup.client_reference).first()
    if order is None or setup.state is not SetupState.SUCCEEDED or setup.card is None:
        return None
    if order_id is not None and order.pk != order_id:
        return None
    try:
        return _begin(order.pk, provider.name, setup.customer, setup.card)
    except Refused as refusal:
        return _refuse(order.pk, refusal, provider.name, setup.customer, setup.card)


@transaction.atomic
def _begin(order_id: int, provider: str, customer: str, card: CardDetails) -> AdHocSession:
    order = lock_row(AdHocSession.objects.filter(pk=order_id).select_related("tariff_version", "tariff_assignment"))
    if order.charging_session_id is not None or order.refusal_code:
        return order
    if clock.now() > order.pay_by:
        raise PaidTooLate
    _keep(order, provider, customer, card, PaymentMethod.Status.ACTIVE)
    request_ad_hoc_start(order=order)
    return order


@transaction.atomic
def _refuse(order_id: int, refusal: Refused, provider: str, customer: str, card: CardDetails) -> AdHocSession:
    order = lock_row(AdHocSession.objects.filter(pk=order_id))
    if order.charging_session_id is not None or order.refusal_code:
        return order
    with translation.override(order.language):
        order.refusal_code, order.refusal_words = refusal.code, str(refusal.message)
    order.save(update_fields=["refusal_code", "refusal_words"])
    method = _keep(order, provider, customer, card, PaymentMethod.Status.REMOVED)
    async_task("billing.payment_tasks.forget_method", method.pk)
    return order


def _keep(order: AdHocSession, provider: str, customer: str, card: CardDetails, status: str) -> PaymentMethod:
    return PaymentMethod.objects.create(
        ad_hoc=order,
        provider=provider,
        provider_customer=customer,
        provider_reference=card.reference,
        brand=card.brand,
        last4=card.last4,
        expires_on=card.expires_on,
        status=status,
    )


def sweep_ad_hoc() -> int:
    """Give up what no card can be asked for any more, and forget cards that have done their work; how many. Safe to
    repeat.
    """
    owed = FundingLeg.objects.filter(state=FundingLeg.State.DUE, cdr__charging_session__ad_hoc__isnull=False)
    remainders = owed.filter(source=FundingLeg.Source.DEBT)
    return (
        _give_up(remainders, _("Above the amount held; paid without an account"))
        + _give_up_small(owed.filter(source=FundingLeg.Source.CARD))
        + _forget_cards()
    )


def _give_up_small(legs: QuerySet[FundingLeg]) -> int:
    """What is too small to charge by itself, where nothing is held (any more): no other session will take it along."""
    is_held = Hold.objects.filter(charging_session=OuterRef("cdr__charging_session"), status__in=Hold.OPEN)
    alone = legs.filter(~Exists(is_held), cdr__created_at__lte=clock.now() - GIVE_UP_AFTER)
    currencies = list(alone.order_by().values_list("cdr__currency", flat=True).distinct())
    return sum(
        _give_up(
            alone.filter(cdr__currency=currency, amount__lt=F("refunded") + least_charge(currency)),
            _("Too small to be charged; paid without an account"),
        )
        for currency in currencies
    )


def _give_up(legs: QuerySet[FundingLeg], reason: str) -> int:
    """There is nobody to send a bill to."""
    leg_ids = list(legs.order_by("pk").values_list("pk", flat=True))
    for leg_id in leg_ids:
        write_off_leg(leg_id=leg_id, actor_id=None, reason=reason)
    return len(leg_ids)


def _forget_cards() -> int:
    """Cards of sessions that are over, paid or given up, with nothing held on them any more."""
    status, outcome = ChargingSession.Status, ChargingSession.Outcome
    session = "ad_hoc__charging_session"
    is_over = Q(**{f"{session}__status": status.CANCELLED}) | Q(
        **{
            f"{session}__status": status.ENDED,
            f"{session}__outcome__in": [outcome.BILLED, outcome.FREE, outcome.DISCARDED],
        }
    )
    is_owed = FundingLeg.objects.filter(
        cdr__charging_session=OuterRef("ad_hoc__charging_session"),
        source=FundingLeg.Source.CARD,
        state__in=OPEN_LEG_STATES,
    )
    is_held = Hold.objects.filter(method=OuterRef("pk"), status__in=Hold.OPEN)
    done = PaymentMethod.objects.filter(is_over, ~Exists(is_owed), ~Exists(is_held)).exclude(
        status=PaymentMethod.Status.REMOVED
    )
    return sum(_forget(method_id) for method_id in list(done.order_by("pk").values_list("pk", flat=True)))


@transaction.atomic
def _forget(method_id: int) -> int:
    known = PaymentMethod.objects.filter(pk=method_id).exclude(status=PaymentMethod.Status.REMOVED)
    changed = known.update(status=PaymentMethod.Status.REMOVED)
    if changed:
        async_task("billing.payment_tasks.forget_method", method_id)
    return changed
