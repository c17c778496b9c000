#!/usr/bin/env bash
# mlflow 3.17.2: of two values of a metric at one step and one timestamp the greater one counts as the latest, whichever came
# last. A correction downwards that carries the moment of what it corrects (as a replayed record does) is stored in the
# history and shown nowhere; one upwards is shown.
# A good engineer would expect: the last write wins. Cure: a repeat carries equal values, or a later timestamp.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
"$folder/venv/bin/python" - <<'PYTHON'
from mlflow import MlflowClient

client = MlflowClient("sqlite:///store.db")
run = client.create_run(client.create_experiment("tried", artifact_location="artifacts")).info.run_id
shown = []
for value in (0.9, 0.8, 0.95):
    client.log_metric(run, "accuracy", value, timestamp=1_700_000_000_000, step=3)
    shown.append(client.get_run(run).data.metrics["accuracy"])
history = sorted(one.value for one in client.get_metric_history(run, "accuracy"))
print(f"logged 0.9, 0.8, 0.95 at one step and moment; shown after each: {shown}; history: {history}")
assert shown == [0.9, 0.9, 0.95] and history == [0.8, 0.9, 0.95], "changed"
PYTHON
