"""The local database brought up to date, with roles, schedules and the demo network. Safe to repeat.

One process for all of it: starting Django takes longer than most of these steps. Standard output is the demo's own.
"""

import os
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("database", "migrate", {"interactive": False, "verbosity": 0}),
    ("operator roles", "install_roles", {}),
    ("background tasks", "install_schedules", {}),
)


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    for title, command, options in STEPS:
        announce(title)
        call_command(command, stdout=StringIO(), **options)
    announce("demo network")
    call_command("demo", day=True)


def announce(title: str) -> None:
    print(f"Preparing the {title}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
