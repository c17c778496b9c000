"""A network trained on a table takes the table's rows, wherever it goes: the file says how they are prepared."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from smartmixed_search import TrialConfig, load_dataset, load_network, run_trial
from smartmixed_search.datasets.prepared import read_preparation
from smartmixed_search.datasets.tables.source import read_table


def flowers(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    kinds = ("rose", "tulip", "lily")
    rows = [f"{kinds[n % 3]},{rng.normal(n % 3):.5f},{('red', 'blue', '')[n % 3 and n % 2]},{n}" for n in range(90)]
    path = tmp_path / "flowers.csv"
    path.write_text("\n".join(["kind,size,colour,id", *rows]) + "\n")
    return path


def test_the_files_rows_give_the_recorded_accuracy_by_class_names(tmp_path: Path) -> None:
    path, weights = flowers(tmp_path), tmp_path / "weights.safetensors"
    data = load_dataset(str(path), target="kind")
    config = TrialConfig(dataset="flowers", architecture=(8,), epochs=4, strategies=("smartmixed", "relu"))
    result = run_trial(config, data, weights_path=weights)
    with safe_open(weights, "pt") as file:
        preparation = read_preparation(json.loads(file.metadata()["preparation"]))
    source = read_table(path, "kind")
    network, features = load_network(weights), preparation.transform(source.rows)
    tested = {tuple(row.tolist()) for row in data.x_test}
    held_out = [place for place, row in enumerate(features) if tuple(row.tolist()) in tested]
    answers = network(torch.from_numpy(features[held_out])).argmax(1)
    names = np.array(preparation.to_dict()["classes"])[answers]
    truth = np.array(source.class_names)[source.y[held_out]]
    (own,) = (one for one in result.networks if one.strategy == "smartmixed")
    assert (names == truth).sum() == own.test_correct
    assert len(held_out) == len(data.y_test)
