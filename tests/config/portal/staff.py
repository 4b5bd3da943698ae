"""Staff with their browsers, and the demo network they look at."""

from django.contrib.auth.models import Group
from django.test import Client, TestCase

from accounts.models import Driver, User
from accounts.roles import install_roles
from config.demo import install_demo
from tests.factories import StaffFactory


def browser_of(role: str) -> Client:
    """The browser of somebody with this role and no other."""
    install_roles()
    email = f"{role.lower()}@example.org"
    user = User.objects.filter(email=email).first() or StaffFactory(email=email, is_superuser=False)
    user.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(user)
    return client


def member(client: Client) -> User:
    """Who is behind this browser."""
    return User.objects.get(pk=client.session["_auth_user_id"])


def demo_driver(first_name: str) -> Driver:
    return Driver.objects.get(name__startswith=first_name)


class DemoDays(TestCase):
    """Tests on the demo network after its past sessions; it is installed once for all of a class."""

    otto: Client

    @classmethod
    def setUpTestData(cls) -> None:
        install_demo(with_past=True)

    def setUp(self) -> None:
        self.otto = browser_of("Owner")
