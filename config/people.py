"""How people sign up and where they arrive: a login becomes a driver with the contract type given at sign-up."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Driver, User
from accounts.services.drivers import enrol_driver


class AccountAdapter(DefaultAccountAdapter):
    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Save the login and enrol its driver in one transaction."""
        user = super().save_user(request, user, form, commit=commit)
        if commit:
            enrol_driver(user_id=user.pk)
        return user

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Staff who do not charge arrive in the operator portal, everybody else on the driver's own page."""
        user = request.user
        if user.is_staff and not Driver.objects.filter(user=user.pk).exists():
            return reverse("admin:index")
        return reverse("home")
