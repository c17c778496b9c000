#!/usr/bin/env bash
# torch 2.15.0: the gradient of GELU's tanh form is NaN where the value is right: its formula squares the input, which
# overflows from 1.9e19 in float32, and infinity times the zero of 1 - tanh² is no number. The exact form is right there.
# A good engineer would expect: where a function is 0 or x to all digits, its derivative is 0 or 1.
# Seen: value 1e20, gradient nan at 1e20; with approximate="none" gradient 1. Cure: limit the input of the derivative.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torch.nn.functional as F

for approximate in ("none", "tanh"):
    x = torch.tensor([-1e20, 1e18, 1e20], requires_grad=True)
    y = F.gelu(x, approximate=approximate)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    print(approximate, y.tolist(), gradient.tolist())
assert gradient.isnan().tolist() == [True, False, True], "changed: the derivative is limited now"
PYTHON
