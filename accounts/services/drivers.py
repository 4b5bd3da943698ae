"""Drivers come in through the site or an operator."""

from django.db import transaction

from accounts.models import ContractType, Driver, User
from accounts.services.contracts import change_contract
from accounts.services.tokens import issue_app_token


@transaction.atomic
def enrol_driver(*, user_id: int) -> Driver:
    """Make a login a driver: its app token and, where the network offers one at sign-up, its first contract.

    Idempotent: a login that is a driver already returns that driver unchanged.
    """
    user = User.objects.get(pk=user_id)
    driver, created = Driver.objects.get_or_create(
        user=user, defaults={"name": user.name or user.email, "email": user.email}
    )
    if created:
        issue_app_token(driver_id=driver.pk)
        first_type = ContractType.objects.filter(is_default_for_sign_up=True).first()
        if first_type is not None:
            change_contract(driver_id=driver.pk, contract_type_id=first_type.pk, reason="sign-up")
    return driver
