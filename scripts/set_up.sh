#!/bin/sh
# Brings .venv up to date for "runtime" or "development". Nothing to do: nothing said, a fraction of a second.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
"$python" -c '' 2>/dev/null || python=$(sh scripts/find_python.sh)
exec "$python" scripts/set_up.py "$1"
