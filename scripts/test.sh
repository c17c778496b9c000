#!/usr/bin/env bash
# The whole check: format, lint, types, tests. Arguments go to pytest (for example: -m slow).
source "$(dirname "$0")/environment.sh"
prepare_environment dev
unset PYTHONDONTWRITEBYTECODE # many tests start Python, which would compile the package each time

.venv/bin/ruff format --check --quiet .
.venv/bin/ruff check --quiet .
.venv/bin/mypy & # beside the tests: it takes a minute where nothing is cached
types=$! status=0
.venv/bin/pytest -n auto --maxprocesses 4 "$@" || status=$?
wait "$types"
exit "$status"
