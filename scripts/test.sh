#!/usr/bin/env bash
# The whole check: format, lint, types, tests. Arguments go to pytest (for example: -m slow).
source "$(dirname "$0")/environment.sh"
prepare_environment dev

.venv/bin/ruff format --check --quiet .
.venv/bin/ruff check --quiet .
.venv/bin/mypy
.venv/bin/pytest -n auto --maxprocesses 4 "$@"
