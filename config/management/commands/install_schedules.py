"""Write down when each background task runs."""

from typing import Any

from django.core.management.base import BaseCommand

from config.schedules import install_schedules


class Command(BaseCommand):
    help = "Install the schedules of every app's background tasks. Safe to repeat; a changed interval is taken over."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in install_schedules():
            self.stdout.write(name)
