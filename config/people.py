"""How people sign up: a login becomes a driver with the contract type given at sign-up."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.services.drivers import enrol_driver


class AccountAdapter(DefaultAccountAdapter):
    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Save the login and enrol its driver in one transaction."""
        user = super().save_user(request, user, form, commit=commit)
        if commit:
            enrol_driver(user_id=user.pk)
        return user
