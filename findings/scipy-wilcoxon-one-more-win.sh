#!/usr/bin/env bash
# scipy 1.17.1: scipy.stats.wilcoxon can report weaker evidence for stronger data. With the default method it leaves the exact
# distribution for a normal one at more than 50 differences (and earlier where differences are tied), and in the far tail the
# two disagree by orders of magnitude: 51 wins of 51 have a p-value 300,000 times that of 50 wins of 50.
# A good engineer would expect: one more win, of the largest size, never raises p. Cure: count the signs exactly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from scipy.stats import wilcoxon

fifty, more = (wilcoxon(np.arange(1.0, n + 1)).pvalue for n in (50, 51))
print(f"50 wins of 50: p = {fifty:.2g}; 51 wins of 51: p = {more:.2g}")
assert np.isclose(fifty, 2.0**-49) and more > 1e5 * fifty, "changed: p no longer rises"
PYTHON
