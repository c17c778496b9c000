#!/usr/bin/env bash
# Runs a tool of the project's environment, which is made first where there is none: ./scripts/tool.sh ruff check
source "$(dirname "$0")/environment.sh"
prepare_environment dev
exec ".venv/bin/$1" "${@:2}"
