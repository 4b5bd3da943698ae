"""Create the operator roles, or bring them back to what accounts.roles says."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.roles import install_roles


class Command(BaseCommand):
    help = "Create the operator roles (groups), or reset their permissions. Members are kept. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for group in install_roles():
            self.stdout.write(f"{group.name}: {group.permissions.count()} permissions")
