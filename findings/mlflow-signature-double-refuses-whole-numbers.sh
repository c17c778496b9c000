#!/usr/bin/env bash
# MLflow 3.17.2: a model whose signature says `double` refuses a data frame's column of whole numbers, int64, although
# every one of them is a double. So a model that was tried with a frame of floats fails on the next frame, whose column
# happens to have no gap and no fraction. A good engineer would expect the conversion that numpy calls safe for these.
# Seen: an error for int64, none for float64; a column of type Any takes both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow-skinny==3.17.2 pandas==3.1.1 numpy
cd "$folder"
env/bin/python - <<'PYTHON'
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models.utils import _enforce_schema
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

double, anything = (Schema([ColSpec(kind, "age")]) for kind in (DataType.double, AnyType()))
floats, whole = pd.DataFrame({"age": [30.0, 31.0]}), pd.DataFrame({"age": [30, 31]})
assert _enforce_schema(floats, double)["age"].tolist() == [30.0, 31.0]
try:
    _enforce_schema(whole, double)
except MlflowException as error:
    print("int64 where double is said:", error)
    assert "int64 to float64" in str(error)
else:
    raise SystemExit("changed: whole numbers are taken where double is said")
assert _enforce_schema(whole, anything)["age"].tolist() == [30, 31]
print("Any takes both")
PYTHON
