"""Install the demo network."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from config.demo import DemoNetwork, facts, install_demo
from locations.models import Connector


class Command(BaseCommand):
    help = (
        "Install the demo network: two regions, nine charge points, every contract type, people with their cards. "
        "Safe to repeat. Log-ins share one published password, so it refuses to run where real money moves."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", action="store_true", help="also play about twenty sessions of the last days")
        parser.add_argument("--json", action="store_true", help="print addresses and log-ins as JSON")
        parser.add_argument("--force", action="store_true", help="install even with production settings (staging)")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PAYMENT_PROVIDER != "fake":
            raise CommandError(
                "The demo network pays with the fake provider, this installation does not. Nothing done."
            )
        if settings.SETTINGS_MODULE.endswith(".production") and not options["force"]:
            raise CommandError("These are production settings. On a staging system, say so with --force: nothing done.")
        installed = install_demo(with_past=options["day"])
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(installed), ensure_ascii=False, indent=2))
        else:
            self.stdout.write(_as_text(installed))


def _as_json(installed: DemoNetwork) -> dict[str, Any]:
    return {
        "site": settings.SITE_URL,
        "operator_portal": settings.SITE_URL + reverse("admin:index"),
        "pay_without_account": _label_page(),
        "password": facts.PASSWORD,
        "log_ins": [{"email": person.email, "name": person.name, "who": person.who} for person in facts.PEOPLE],
        "charge_points": installed.charge_points,
        "sessions_played": installed.sessions_played,
    }


def _label_page() -> str:
    """Of the connector that is there: a network installed before keeps its codes."""
    identity, number = facts.LABELLED
    connector = Connector.objects.get(charge_point__identity=identity, number=number)
    return f"{settings.SITE_URL}{reverse('connector_qr', args=[connector.code])}"


def _as_text(installed: DemoNetwork) -> str:
    width = max(len(person.email) for person in facts.PEOPLE)
    lines = [f"  Demo log-ins, all with the password {facts.PASSWORD}", ""]
    lines += [f"  {person.email:<{width}}  {person.who}" for person in facts.PEOPLE]
    lines += ["", f"  Pay without an account, as by the QR label of a connector: {_label_page()}"]
    if installed.sessions_played:
        lines += ["", f"  {installed.sessions_played} past sessions were played."]
    return "\n".join(lines)
