# `make run` starts everything, `make test` checks everything; both work on a bare checkout. The work is in scripts/.

VENV_PYTHON := .venv/bin/python
FOR_RUNNING := @sh scripts/set_up.sh runtime &&
FOR_DEVELOPING := @sh scripts/set_up.sh development &&

.PHONY: help run test lint types format bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: ## web, worker and simulated charge points on http://127.0.0.1:8000/ (PORT=8001 make run for another port)
	$(FOR_RUNNING) exec $(VENV_PYTHON) scripts/run.py

test: ## everything CI runs: format, lint, layers, types, set-up, production settings, tests on every database in reach
	$(FOR_DEVELOPING) exec $(VENV_PYTHON) scripts/check.py

lint: ## formatting, lint, layers
	$(FOR_DEVELOPING) exec $(VENV_PYTHON) scripts/check.py format lint layers

types: ## mypy
	$(FOR_DEVELOPING) exec $(VENV_PYTHON) scripts/check.py types

format: ## rewrite the sources the way `make lint` wants them
	$(FOR_DEVELOPING) $(VENV_PYTHON) -m ruff check --fix-only --quiet . && $(VENV_PYTHON) -m ruff format .

bench: ## the benchmarks, as one JSON object of ratios (make bench ONLY=rating for one)
	$(FOR_DEVELOPING) exec $(VENV_PYTHON) -m benchmarks $(ONLY)

clean: ## caches and the local database; the virtual environment stays
	rm -rf var staticfiles .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
