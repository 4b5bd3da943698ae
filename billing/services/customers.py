"""A driver is one customer at the provider: made once, told new names. Claim, commit, call, record, as everywhere."""

import logging
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models import F, Q

from accounts.models import Driver
from billing.models import ProviderCustomer
from billing.providers.base import CustomerRequest, CustomerUpdate, PaymentProvider
from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused
from billing.providers.registry import get_provider
from common import clock
from common.errors import VoltledgerError
from common.locking import lock_row

log = logging.getLogger(__name__)

# Told again after 2, 4, 8 ... minutes, at most a day.
LONGEST_WAIT = timedelta(days=1)
# What one run takes up; the next goes on.
MOST_AT_ONCE = 500


def customer_of(*, provider: PaymentProvider, driver: Driver) -> str:
    """The provider's reference of a driver; made when there is none yet, under a key and terms that stay the same.

    Any number of callers at once make one customer. Talks to the provider; raises ProviderUnavailable, and then the
    next call asks again with the same terms.
    """
    customer, _is_new = ProviderCustomer.objects.get_or_create(
        driver=driver, provider=provider.name, defaults={"name": driver.name, "email": driver.email}
    )
    if customer.reference:
        return customer.reference
    reference = provider.customer(
        CustomerRequest(
            idempotency_key=f"driver:{driver.public_id}:customer",
            client_reference=str(driver.public_id),
            name=customer.name,
            email=customer.email,
        )
    )
    ProviderCustomer.objects.filter(pk=customer.pk, reference="").update(reference=reference, told_at=clock.now())
    return ProviderCustomer.objects.values_list("reference", flat=True).get(pk=customer.pk)


def adopt_customer(*, driver_id: int, provider: str, reference: str) -> None:
    """Write down the customer a driver's card turned out to be kept under, where we know of none.

    In the caller's transaction, which holds the Driver.
    """
    if not reference:
        return
    customer, _is_new = ProviderCustomer.objects.get_or_create(
        driver_id=driver_id, provider=provider, defaults={"reference": reference}
    )
    if not customer.reference:
        ProviderCustomer.objects.filter(pk=customer.pk, reference="").update(reference=reference)


def tell_customers() -> int:
    """Tell the providers all new names and addresses; how many customers were taken up. Safe to repeat.

    Talks to the providers; what fails is told again later and stops no other.
    """
    now = clock.now()
    is_due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    differs = Q(told_at=None) | ~Q(name=F("driver__name")) | ~Q(email=F("driver__email"))
    found = ProviderCustomer.objects.filter(is_due, differs).exclude(reference="").order_by("pk")
    keys = list(found.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for key in keys:
        try:
            tell_customer(customer_id=key)
        except (VoltledgerError, DatabaseError):
            log.exception("provider customer %s is left for the next run", key)
    return len(keys)


def tell_customer(*, customer_id: int) -> ProviderCustomer:
    """Tell the provider what a driver is called and written to now; nothing new is a no-op.

    What it has not confirmed yet is told first, under the same key. What it refuses is not repeated: `failure_code`
    says so until the driver changes again. Talks to the provider; a silent one is asked again later.
    """
    customer, is_news = _claim(customer_id)
    if not is_news:
        return customer
    failure = ""
    try:
        get_provider(customer.provider).update_customer(
            CustomerUpdate(
                idempotency_key=f"driver:{customer.driver.public_id}:customer:{customer.version}",
                reference=customer.reference,
                name=customer.name,
                email=customer.email,
            )
        )
    except ProviderUnavailable:
        return customer
    except (IdempotencyMismatch, RequestRefused) as error:
        log.error("provider customer %s is not told: %s", customer.reference, error.code)
        failure = error.code
    ProviderCustomer.objects.filter(pk=customer.pk, version=customer.version, told_at=None).update(
        told_at=clock.now(), attempts=0, next_attempt_at=None, failure_code=failure
    )
    customer.refresh_from_db()
    return customer


@transaction.atomic
def _claim(customer_id: int) -> tuple[ProviderCustomer, bool]:
    """Write down what is about to be told and when it is told again; False when there is nothing new.

    Locks: the ProviderCustomer.
    """
    customer = lock_row(ProviderCustomer.objects.filter(pk=customer_id).select_related("driver"))
    driver = customer.driver
    if customer.told_at is not None and (customer.name, customer.email) == (driver.name, driver.email):
        return customer, False
    # What was sent and not confirmed is sent again as it was.
    if customer.told_at is not None or customer.attempts == 0:
        customer.name, customer.email = driver.name, driver.email
        customer.version += 1
        customer.told_at, customer.attempts, customer.failure_code = None, 0, ""
    customer.attempts += 1
    customer.next_attempt_at = clock.now() + min(timedelta(minutes=2**customer.attempts), LONGEST_WAIT)
    customer.save()
    return customer, True
