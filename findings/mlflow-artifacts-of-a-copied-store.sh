#!/usr/bin/env bash
# mlflow 3.17.2: where a run's artifacts lie is remembered for the whole process, by the run's id alone and not by its store.
# So once a process has touched a run in one store, a copy of that store (same ids, artifact addresses corrected in its
# database) gets nothing: what a client of the copy logs is written into the original.
# A good engineer would expect: a client made for another tracking URI asks that store. Cure: pass the address yourself, or
# handle one store in a process.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
"$folder/venv/bin/python" - <<'PYTHON'
import pathlib, shutil, sqlite3
from contextlib import closing
from mlflow import MlflowClient

one, two = (pathlib.Path(name).absolute() for name in ("one", "two"))
one.mkdir()
first = MlflowClient(f"sqlite:///{one}/mlflow.db")
experiment = first.create_experiment("tried", artifact_location=(one / "artifacts").as_uri())
run = first.create_run(experiment).info.run_id
first.log_text(run, "of the first", "first.txt")

shutil.copytree(one, two)
with closing(sqlite3.connect(two / "mlflow.db")) as database, database:
    database.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)", (one.as_uri(), two.as_uri()))
    database.execute("UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)", (one.as_uri(), two.as_uri()))
second = MlflowClient(f"sqlite:///{two}/mlflow.db")
assert second.get_run(run).info.artifact_uri.startswith(two.as_uri())
second.log_text(run, "of the second", "second.txt")
where = [str(path.relative_to(one.parent)).split("/")[0] for path in one.parent.rglob("second.txt")]
print(f"the second store says {second.get_run(run).info.artifact_uri.rsplit('/', 4)[1:2]}; its file was written to: {where}")
assert where == ["one"], "changed: the file is where its store says"
PYTHON
