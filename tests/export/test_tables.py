"""A network trained on a table takes the table's rows, wherever it goes: the file says how they are prepared."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from onnxruntime import InferenceSession
from safetensors import safe_open
from torch import Tensor

from smartmixed_search import TrialConfig, load_dataset, load_network, run_trial
from smartmixed_search.datasets.prepared import read_preparation
from smartmixed_search.datasets.tables.frames import read_frame
from smartmixed_search.datasets.tables.preparation import CategoricalFeature, TablePreparation
from smartmixed_search.datasets.tables.source import read_table
from smartmixed_search.export.formats import encode
from smartmixed_search.export.inputs import TableInputs
from smartmixed_search.export.weights import TrainedNetwork, named_layers
from tests.helpers.networks import draw, drop_in


def flowers(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    kinds = ("rose", "tulip", "lily")
    rows = [f"{kinds[n % 3]},{rng.normal(n % 3):.5f},{('red', 'blue', '')[n % 3 and n % 2]},{n}" for n in range(90)]
    path = tmp_path / "flowers.csv"
    path.write_text("\n".join(["kind,size,colour,id", *rows]) + "\n")
    return path


def layout(preparation: TablePreparation, rows: pd.DataFrame) -> Tensor:
    """Put rows into the numeric layout by hand."""
    cells, told = read_frame(rows).cells, []
    for feature in preparation.features:
        values = list(feature.column.values(cells[feature.column.name]))
        if isinstance(feature, CategoricalFeature):
            places = {name: place for place, name in enumerate(feature.categories)}
            values = [-1 if pd.isna(value) else places.get(value, 99) for value in values]
        told.append(np.array(values, dtype=np.float64))
    return torch.from_numpy(np.column_stack(told))


def prepared(path: Path) -> tuple[TablePreparation, pd.DataFrame]:
    """The preparation fitted to a table's first rows, and all of them, as text."""
    _, preparation = read_table(path, "flowers", "kind").prepare([np.arange(60)])
    return preparation, pd.read_csv(path, dtype=str, keep_default_na=False)


def test_a_program_prepares_rows_to_the_same_bits(tmp_path: Path) -> None:
    preparation, own = prepared(flowers(tmp_path))
    strange = own.assign(colour=["green", "red", ""] * 30, size=["", "nan", "1e6"] * 30)
    for rows in (own, strange):
        expected = torch.from_numpy(preparation.transform(rows))
        assert torch.equal(TableInputs(preparation)(layout(preparation, rows)), expected)


def test_programs_take_rows_and_name_classes(tmp_path: Path) -> None:
    preparation, own = prepared(flowers(tmp_path))
    features = torch.from_numpy(preparation.transform(own))
    weights, biases, choices = draw((features.shape[1], 8, 3))
    network = TrainedNetwork(
        replicate=0, tensors=named_layers(weights, biases), choices=choices, config={}, preparation=preparation
    )
    expected = drop_in(weights, biases, choices)(features).softmax(1)
    program = torch.export.load(io.BytesIO(encode(network, "torch-export"))).module()
    torch.testing.assert_close(program(layout(preparation, own)), expected)
    assert program(layout(preparation, own)).numpy().dtype == np.float32  # none asks for gradients
    session = InferenceSession(encode(network, "onnx"))
    rows = {
        "size": own["size"].to_numpy(np.float64)[:, None],
        "colour": own["colour"].to_numpy(object)[:, None],
    }
    probabilities, labels = session.run(["probabilities", "label"], rows)
    torch.testing.assert_close(torch.from_numpy(probabilities), expected)
    assert labels.tolist() == [preparation.classes[place] for place in expected.argmax(1)]


def test_the_files_rows_give_the_recorded_accuracy_by_class_names(tmp_path: Path) -> None:
    path, weights = flowers(tmp_path), tmp_path / "weights.safetensors"
    data = load_dataset(str(path), target="kind")
    config = TrialConfig(dataset="flowers", architecture=(8,), epochs=4, strategies=("smartmixed", "relu"))
    result = run_trial(config, data, weights_path=weights)
    with safe_open(weights, "pt") as file:
        preparation = read_preparation(json.loads(file.metadata()["preparation"]))
    rows = pd.read_csv(path, dtype=str)
    network, features = load_network(weights), preparation.transform(rows)
    tested = {tuple(row.tolist()) for row in data.x_test}
    held_out = [place for place, row in enumerate(features) if tuple(row.tolist()) in tested]
    answers = network(torch.from_numpy(features[held_out])).argmax(1)
    names = np.array(preparation.to_dict()["classes"])[answers]
    truth = rows["kind"].to_numpy()[held_out]
    (own,) = (one for one in result.networks if one.strategy == "smartmixed")
    assert (names == truth).sum() == own.test["correct"]
    assert len(held_out) == len(data.y_test)
