#!/usr/bin/env bash
# tqdm 4.70.1: a bar with `disable=None`, which shows itself only on a terminal, does not count either when it is hidden.
# A good engineer would expect: `bar.n`, advanced by `update`, says how much is done, shown or not, so that it can be the
# place where the next part of an array is written: on a terminal that works, in a job's log everything lands at 0.
# Seen: after update(3) `n` is 0 when stderr is no terminal, and 3 with `disable=False`. Cure: a counter of one's own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tqdm==4.70.1
counted=$("$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from tqdm import tqdm

for disable in (None, False):
    bar = tqdm(total=10, disable=disable)
    bar.update(3)
    print(bar.n)
PYTHON
)
echo "counted, hidden and shown:" $counted
if [ "$counted" != $'0\n3' ]; then
    echo "changed: a hidden bar counts"
    exit 1
fi
