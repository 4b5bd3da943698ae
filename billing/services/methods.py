"""Saved cards: how they come in through the provider's page, which one is used first, how they go."""

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_q.tasks import async_task

from accounts.models import Driver
from billing.models import PaymentMethod
from billing.providers.base import CardDetails, PaymentProvider, SetupRequest, SetupResult, SetupState
from billing.providers.registry import get_provider
from billing.selectors.debts import is_enough_together
from billing.selectors.payments import open_legs, usable_methods
from billing.selectors.undecided import undecided_sessions
from billing.services.customers import adopt_customer, customer_of
from common.errors import Refused
from common.ids import new_secret
from common.locking import lock_row, lock_rows
from common.states import check_step


class MethodInUse(Refused):
    code = "payment_method_in_use"
    sentence = _("This is your only card and a session is running or unpaid. Add another card first.")


class MethodNotUsable(Refused):
    code = "payment_method_not_usable"
    sentence = _("Your bank has refused this card for good, or it was removed. Choose or add another one.")


def start_setup(*, driver_id: int, return_url: str) -> str:
    """The address of the provider's page where a driver saves a card and comes back to `return_url`?setup=<reference>.

    Talks to the provider; raises ProviderUnavailable.
    """
    driver = Driver.objects.get(pk=driver_id)
    provider = get_provider()
    page = provider.start_setup(
        SetupRequest(
            # Each visit is an event of its own.
            idempotency_key=f"driver:{driver.public_id}:setup:{new_secret()}",
            customer=customer_of(provider=provider, driver=driver),
            client_reference=str(driver.public_id),
            return_url=return_url,
        )
    )
    return page.url


def adopt_setup(*, provider: PaymentProvider, reference: str, driver_id: int | None = None) -> PaymentMethod | None:
    """Take over the card saved by a setup, from the driver's return or the webhook, whichever is first.

    None when no card was saved, or the setup was not made for one of our drivers (for `driver_id`, when given).
    Talks to the provider; raises RequestRefused for an unknown setup.
    """
    return adopt_result(provider, provider.fetch_setup(reference), driver_id=driver_id)


def adopt_result(
    provider: PaymentProvider, setup: SetupResult, *, driver_id: int | None = None
) -> PaymentMethod | None:
    """The same of a setup that has been read."""
    driver = Driver.objects.filter(public_id=setup.client_reference).first()
    if driver is None or setup.state is not SetupState.SUCCEEDED or setup.card is None:
        return None
    if driver_id is not None and driver.pk != driver_id:
        return None
    return add_method(driver_id=driver.pk, provider=provider.name, customer=setup.customer, card=setup.card)


@transaction.atomic
def add_method(*, driver_id: int, provider: str, customer: str, card: CardDetails) -> PaymentMethod:
    """Write down a card the provider keeps for a driver, and let it pay what is open.

    The first usable card becomes the default. Idempotent by the provider's reference: a repeat returns the row as it
    is, removed or refused though it may be, and tries nothing. Locks: the Driver.
    """
    lock_row(Driver.objects.filter(pk=driver_id))
    adopt_customer(driver_id=driver_id, provider=provider, reference=customer)
    known = PaymentMethod.objects.filter(provider=provider, provider_reference=card.reference).first()
    if known is not None:
        return known
    method = PaymentMethod.objects.create(
        driver_id=driver_id,
        provider=provider,
        provider_customer=customer,
        provider_reference=card.reference,
        brand=card.brand,
        last4=card.last4,
        expires_on=card.expires_on,
        is_default=not usable_methods(driver_id).exists(),
    )
    async_task("billing.payment_tasks.retry_open_debt", driver_id, method.pk)
    return method


@transaction.atomic
def set_default(*, driver_id: int, method_id: int) -> PaymentMethod:
    """Use a card first from now on; the one that was first stays saved. A repeat changes nothing.

    Locks: the Driver, the PaymentMethods. Raises PaymentMethod.DoesNotExist for another driver's, MethodNotUsable.
    """
    lock_row(Driver.objects.filter(pk=driver_id))
    methods = {method.pk: method for method in lock_rows(PaymentMethod.objects.filter(driver_id=driver_id))}
    chosen = _own(methods, method_id)
    if chosen.status != PaymentMethod.Status.ACTIVE:
        raise MethodNotUsable
    PaymentMethod.objects.filter(driver_id=driver_id, is_default=True).exclude(pk=method_id).update(is_default=False)
    chosen.is_default = True
    chosen.save(update_fields=["is_default"])
    return chosen


@transaction.atomic
def remove_method(*, driver_id: int, method_id: int) -> PaymentMethod:
    """Take a card out of use and have the provider forget it. A repeat changes nothing.

    Locks: the Driver, the PaymentMethods. Raises PaymentMethod.DoesNotExist for another driver's, and MethodInUse for
    the last usable card while a session is open or something is unpaid.
    """
    lock_row(Driver.objects.filter(pk=driver_id))
    methods = {method.pk: method for method in lock_rows(PaymentMethod.objects.filter(driver_id=driver_id))}
    method = _own(methods, method_id)
    others = [other for other in methods.values() if other.status == "active" and other.pk != method_id]
    if method.status == PaymentMethod.Status.ACTIVE and not others and _needs_a_card(driver_id):
        raise MethodInUse
    if check_step(PaymentMethod.TRANSITIONS, method.status, PaymentMethod.Status.REMOVED):
        was_default = method.is_default
        method.status = PaymentMethod.Status.REMOVED
        method.is_default = False
        method.save(update_fields=["status", "is_default"])
        if was_default and others:
            others[0].is_default = True
            others[0].save(update_fields=["is_default"])
        async_task("billing.payment_tasks.forget_method", method.pk)
    return method


def refuse_method(*, driver_id: int | None, method_id: int) -> None:
    """The bank will never honour this card again: take it out of use, and another one comes first from now on.

    `driver_id` is None for a card without an account, which no other stands in for.
    In the caller's transaction. Locks: the driver's PaymentMethods, or that one.
    """
    whose = Q(driver_id=driver_id) if driver_id is not None else Q(pk=method_id)
    methods = lock_rows(PaymentMethod.objects.filter(whose))
    for method in methods:
        if method.pk == method_id and method.status == PaymentMethod.Status.ACTIVE:
            method.status = PaymentMethod.Status.REFUSED
            method.is_default = False
            method.save(update_fields=["status", "is_default"])
    usable = [method for method in methods if method.status == PaymentMethod.Status.ACTIVE]
    if usable and not any(method.is_default for method in usable):
        usable[0].is_default = True
        usable[0].save(update_fields=["is_default"])


def forget_method(*, method_id: int) -> None:
    """Have the provider delete a removed card. Safe to repeat; raises ProviderUnavailable."""
    method = PaymentMethod.objects.get(pk=method_id, status=PaymentMethod.Status.REMOVED)
    get_provider(method.provider).forget_method(method.provider_reference)


def _own(methods: dict[int, PaymentMethod], method_id: int) -> PaymentMethod:
    if method_id not in methods:
        raise PaymentMethod.DoesNotExist
    return methods[method_id]


def _needs_a_card(driver_id: int) -> bool:
    """Something is unpaid, or a session is open, not yet settled or in review and may become so.

    What is too little to be charged alone ties nobody to a card.
    """
    return undecided_sessions().filter(driver_id=driver_id).exists() or is_enough_together(open_legs(driver_id))
