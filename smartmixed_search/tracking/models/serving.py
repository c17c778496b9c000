"""A table's network as MLflow serves it: it answers as its predictor does, and says what is wrong with a record.

MLflow's server hands on the words of its own kind of error; of any other it says that it was unexpected.
"""

from typing import Any

import pandas as pd

from smartmixed_search.errors import UserError
from smartmixed_search.export.predictor import Predictor, load_predictor


class ServedPredictor:
    """A predictor whose errors MLflow knows."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, rows: Any, params: Any = None) -> pd.DataFrame:
        """Answer as `Predictor.predict` does.

        Args:
            rows: of a table.
            params: none are taken; MLflow hands them over.

        Raises:
            MlflowException: a column is missing, or a value is not what its column holds.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self.predictor.predict(rows)
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _load_pyfunc(path: str) -> ServedPredictor:
    """Load what MLflow keeps of a model, by the name that it looks for."""
    return ServedPredictor(load_predictor(path))
