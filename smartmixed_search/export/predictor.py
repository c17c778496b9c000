"""A trained network that answers about rows and arrays as their users have them, in Python and served by MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from smartmixed_search.datasets.images.reading import Reading, read_picture
from smartmixed_search.datasets.tables.cells import is_number
from smartmixed_search.datasets.tables.columns import Column, find
from smartmixed_search.datasets.tables.frames import read_frame
from smartmixed_search.datasets.tables.numbers import are_codes
from smartmixed_search.datasets.tables.preparation import CategoricalFeature, TablePreparation
from smartmixed_search.errors import NetworkError
from smartmixed_search.errors.messages import show
from smartmixed_search.export.inputs import Inputs
from smartmixed_search.export.served import ServedNetwork, output_names
from smartmixed_search.export.weights import TrainedNetwork, read_network

CLASS = "class"
"""The column of an answer that names the likeliest class; the others have the probabilities, or predicted numbers."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network between its preparation and answers in the user's terms.

    Example:
        >>> from smartmixed_search.datasets.preparation import Preparation
        >>> layers = {f"layer{n}.weight": torch.eye(2) for n in (0, 1)}
        >>> layers |= {f"layer{n}.bias": torch.zeros(2) for n in (0, 1)}
        >>> network = TrainedNetwork(replicate=0, tensors=layers, choices=[["relu", "relu"]],
        ...     config={}, preparation=Preparation(divisor=255.0))
        >>> Predictor(network).predict(np.array([[0, 255]]))
          class         0         1
        0     1  0.268941  0.731059
    """

    network: TrainedNetwork

    def predict(self, examples: Any, params: Any = None) -> pd.DataFrame:
        """Return for every example the likeliest class and the probabilities of all, or the predicted numbers.

        Args:
            examples: of a table a data frame, columns found by name; else an array [N, …], or paths of pictures.
            params: none are taken; MLflow hands them over.

        Raises:
            DatasetError: a column is missing.
            NetworkError: a value is not what its column holds, examples have another shape, or it is not known how they
                are prepared.
        """
        if not self.network.preparation.known:
            raise NetworkError("the network was recorded by a version that did not keep how examples are prepared")
        module, names = ServedNetwork(self.network), output_names(self.network)
        with torch.inference_mode():
            answers = module.answer(self._features(examples, module.inputs)).numpy()
        answer = pd.DataFrame(answers, columns=names)
        if not module.numeric:
            answer.insert(0, CLASS, [names[place] for place in answers.argmax(1)], allow_duplicates=True)
        return answer

    def _features(self, examples: Any, inputs: Inputs) -> torch.Tensor:
        preparation = self.network.preparation
        if isinstance(preparation, TablePreparation):
            rows = examples if isinstance(examples, pd.DataFrame) else pd.DataFrame(examples)
            table = read_frame(rows, "the rows")
            for feature in preparation.features:
                column = feature.column
                if column.name in table.unreadable:
                    raise NetworkError(
                        f"column {column.name!r} must hold a {column.kind} in every row, or nothing, but got "
                        f"{table.unreadable[column.name]}"
                    )
                cells = find(table.cells, column.name)
                if isinstance(feature, CategoricalFeature):
                    _check_zeros(feature, cells)
                else:
                    _check(column, cells)
            return torch.from_numpy(preparation.transform(rows))
        if preparation.reading is not None and all(isinstance(one, str | Path) for one in examples):
            examples = np.stack([_picture(path, preparation.reading) for path in examples])
        elif preparation.reading is not None or preparation.layout is not None:
            examples = _channels_first(np.asarray(examples), inputs.examples(1).shape[1:])
        stored = np.asarray(examples)
        if preparation.divisor is not None:
            _check_stored(stored, preparation.divisor)
        array = torch.as_tensor(stored).to(inputs.examples(1).dtype)
        if array[:1].numel() != min(len(array), 1) * self.network.inputs:
            raise NetworkError(
                f"an example must have {self.network.inputs} values, but got the shape {tuple(array.shape[1:])}"
            )
        prepared: torch.Tensor = inputs(array)
        return prepared


def _channels_first(x: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return images [N, *shape] that have their channels first or last, or not at all if it is one; rows as they are.

    As many values in another order would be taken for noise.
    """
    channels, height, width = shape
    found = x.shape[1:]
    if found in ((channels, height, width), (channels * height * width,)) or (
        channels == 1 and found == (height, width)
    ):
        return x
    if found == (height, width, channels):
        return x.transpose(0, 3, 1, 2)
    raise NetworkError(
        f"an image must be of {channels} × {height} × {width} (channels, height, width), or have its channels last, "
        f"but got the shape {found}"
    )


def _check_stored(x: NDArray[Any], largest: float) -> None:
    """Make sure that values are those of stored examples: scaled already, they would be scaled again, to nearly 0."""
    strange = ~((x >= 0) & (x <= largest) & (x == np.floor(x)))
    if strange.any():
        raise NetworkError(f"examples must hold whole numbers from 0 to {largest:g}, but got {x[strange][0]:g}")


def _picture(path: str | Path, reading: Reading) -> NDArray[np.uint8]:
    try:
        return read_picture(str(path), Path(path).read_bytes(), reading)
    except OSError as error:
        raise NetworkError(f"a picture must be a file that can be read, but got {str(path)!r} ({error})") from error


def _check(column: Column, cells: "pd.Series[Any]") -> None:
    """Make sure that a column's cells are of its kind: what cannot be read would pass for missing."""
    values = np.asarray(column.values(cells))
    strange = np.flatnonzero(np.isnan(values) & cells.notna().to_numpy() & ~cells.isin(column.missing).to_numpy())
    if strange.size:
        raise NetworkError(
            f"column {column.name!r} must hold a {column.kind} in every row, or nothing, but got "
            f"{show(cells.iloc[strange[0]])} in row {strange[0]}, counted from 0"
        )


def _check_zeros(feature: CategoricalFeature, cells: "pd.Series[Any]") -> None:
    """Make sure that codes have not become numbers: 01067 would be 1067 then, and pass for an unknown category."""
    if not is_number(cells):
        return
    padded = {code.lstrip("0"): code for code in feature.categories if are_codes([code])[0]}
    values = pd.Categorical(feature.column.values(cells))
    for text in values.categories:
        if text in padded and text not in feature.categories:
            raise NetworkError(
                f"column {feature.column.name!r} must hold texts, whose zeros count, such as {padded[text]!r}, but got "
                f"the number {text} in row {(values == text).argmax()}, counted from 0; read the column as text"
            )


def load_predictor(path: str | Path, replicate: int | None = None) -> Predictor:
    """Load a network with its preparation; see `load_network` for the arguments and errors."""
    return Predictor(read_network(path, replicate))


def _load_pyfunc(path: str) -> Predictor:
    """Load what MLflow keeps of a model that was registered before `tracking.models.serving` was there."""
    return load_predictor(path)
