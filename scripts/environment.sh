# Sourced by the other scripts: makes .venv and installs the project, unless that has been done already.
# Usage: prepare_environment [EXTRA]   (EXTRA: dev adds what linters and tests need)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "error: Python must be 3.11 or newer, but none was found; install python3.11, or set PYTHON to its path"
    exit 2
}

prepare_environment() {
    local extra=${1:-} stamp=".venv/.installed${1:+-$1}" wanted
    wanted=$(cat pyproject.toml constraints.txt scripts/environment.sh | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return; fi
    if ! [ -x .venv/bin/pip ]; then
        say "Making .venv ..."
        if ! "$(find_python)" -m venv .venv; then
            say "error: Python's venv module failed; on Debian and Ubuntu: apt-get install python3-venv"
            exit 2
        fi
    fi
    say "Installing (torch with CUDA is about 5 GB; this is done once) ..."
    .venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".${extra:+[$extra]}"
    printf '%s' "$wanted" >"$stamp"
}
