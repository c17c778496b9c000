#!/usr/bin/env bash
# safetensors 0.8.0: equal tensors with equal metadata are not equal files. The metadata's keys are written in an order that
# changes from call to call, even within one process, so a checksum over the bytes tells equal networks apart.
# A good engineer would expect: a format made for safety writes one content in one way (tensors are sorted, after all).
# Seen: several different files in 200 calls; what they load is equal. Cure: sort the header's metadata before hashing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from safetensors.numpy import load, save

tensors = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
metadata = {"config": "{}", "choices": "[]", "made_by": "somebody"}
files = {save(tensors, metadata) for _ in range(200)}
assert all((load(file)["weight"] == tensors["weight"]).all() for file in files)
print(f"{len(files)} different files of one content in 200 calls")
assert len(files) > 1, "changed: the order of the metadata is fixed now"
PYTHON
