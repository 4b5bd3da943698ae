"""manage.py simulate_stations"""

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ocpp_gateway.simulator.network import id_tags, station_plans
from ocpp_gateway.simulator.runner import run_stations


class Command(BaseCommand):
    help = (
        "Connect simulated charge points of the demo network to a running server; they authorise, charge, "
        "report and stop, and obey remote starts and stops."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stations", type=int, help="how many charge points; without it, all of the demo network")
        parser.add_argument("--protocol", choices=["1.6", "2.0.1"], help="only charge points of this OCPP version")
        parser.add_argument("--url", help="where the server listens, such as ws://127.0.0.1:8000/ocpp/")
        parser.add_argument(
            "--speed",
            type=int,
            default=1,
            help="how many times faster than real time; fast stations begin in the past and never report the future",
        )
        parser.add_argument("--once", action="store_true", help="one session each, then exit")
        parser.add_argument("--seed", type=int, help="repeat the same cars and stays")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] < 1 or (options["stations"] is not None and options["stations"] < 1):
            raise CommandError("--speed and --stations are whole numbers from 1 up.", returncode=2)
        plans, cards = station_plans(options["stations"], options["protocol"]), id_tags()
        if not plans or not cards:
            raise CommandError("There are no charge points or no cards to simulate. Run manage.py demo first.")
        if options["stations"] and len(plans) < options["stations"]:
            self.stdout.write(f"The network has {len(plans)} such charge points; simulating all of them.")
        url = options["url"] or f"{settings.SITE_URL.replace('http', 'ws', 1)}/ocpp/"
        self.stdout.write(f"{len(plans)} simulated charge points connect to {url}")
        without_session = asyncio.run(
            _until_stopped(
                run_stations(
                    plans, url=url, id_tags=cards, speed=options["speed"], once=options["once"], seed=options["seed"]
                )
            )
        )
        if without_session is None:
            return
        if without_session:
            raise CommandError(f"No session was possible at: {', '.join(without_session)}.")
        self.stdout.write(f"Each of the {len(plans)} charge points has done one session.")


async def _until_stopped(stations: Any) -> list[str] | None:
    """The outcome, or None when somebody pressed Ctrl-C or asked the process to end."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(stations)
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    try:
        outcome: list[str] = await task
    except asyncio.CancelledError:
        return None
    return outcome
