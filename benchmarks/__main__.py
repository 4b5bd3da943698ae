"""`python -m benchmarks [rating] [settlement] [gateway] [replay] [migration]`: all, or those named, as one JSON object.

Where there is a plain rival, ours is measured beside it in the same run on the same machine: only such ratios carry
over to another one.
"""

import argparse
import json
import os
import sys
from importlib import import_module

import django

NAMES = ("rating", "settlement", "gateway", "replay", "migration")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed, as ratios in one run.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"one or more of: {', '.join(NAMES)} (default: all)")
    names = parser.parse_args().names or NAMES
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    results = {}
    for name in names:
        print(f"Running {name} ...", file=sys.stderr, flush=True)
        results[name] = import_module(f"benchmarks.{name}").run()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
