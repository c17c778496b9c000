#!/usr/bin/env bash
# torch 2.15.0: functional_call gives a module its parameters back, but not one that stands in two places of the network.
# A layer applied twice in an nn.Sequential is registered under two names; after one functional_call with the network's
# own named_parameters() its weight is the tensor that was handed in, no nn.Parameter any more. So whoever evaluates that
# way between two steps goes on training without this layer: no error, the loss still falls. Weights shared by two
# different modules are given back. Not with tie_weights=False.
# A good engineer would expect: the network is afterwards as it was, whatever is shared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch import nn
from torch.func import functional_call


def kept(network, layer, **options):
    parameter = layer.weight
    state = {name: torch.zeros_like(one) for name, one in network.named_parameters()}
    functional_call(network, state, (torch.ones(1, 2),), **options)
    return layer.weight is parameter


layer, other = nn.Linear(2, 2), nn.Linear(2, 2)
other.weight = layer.weight
twice = kept(nn.Sequential(layer, nn.ReLU(), layer), layer)
layer = nn.Linear(2, 2)
untied = kept(nn.Sequential(layer, nn.ReLU(), layer), layer, tie_weights=False)
layer = nn.Linear(2, 2)
other.weight = layer.weight
shared = kept(nn.Sequential(layer, nn.ReLU(), other), layer)
print(f"given back: of one module twice {twice}, without tie_weights {untied}, of two modules that share it {shared}")
assert (twice, untied, shared) == (False, True, True), "changed"
PYTHON
