"""Answers about rows, arrays and pictures as their users have them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from smartmixed_search.datasets.images.reading import Reading
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.tables.source import read_table
from smartmixed_search.errors import DatasetError, NetworkError
from smartmixed_search.export.formats import encode
from smartmixed_search.export.onnx_rows import describe_columns
from smartmixed_search.export.predictor import Predictor, load_predictor
from smartmixed_search.export.weights import TrainedNetwork, named_layers
from smartmixed_search.tracking.models import serving
from smartmixed_search.tracking.models.model_files import write_model
from tests.helpers.networks import draw

COLOURS = ("red", "blue", "")
ROWS = pd.DataFrame(
    {
        "size": [1.5 * n if n % 7 else None for n in range(60)],
        "count": [n * n % 11 for n in range(60)],
        "colour": [COLOURS[n % 3] for n in range(60)],
        "old": [bool(n % 2) for n in range(60)],
        "bought": pd.date_range("2021-03-01", periods=60, freq="13h").astype(str),
        "kind": [("rose", "tulip")[n * n % 5 % 2] for n in range(60)],
    }
)


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    """Of a network that was drawn, with the preparation of a table, as it is read from a file."""
    return drawn(tmp_path, ROWS)


def drawn(tmp_path: Path, rows: pd.DataFrame) -> Predictor:
    rows.to_csv(tmp_path / "flowers.csv", index=False)
    (features,), preparation = read_table(tmp_path / "flowers.csv", "flowers", "kind").prepare([np.arange(60)])
    weights, biases, choices = draw((features.shape[1], 8, 2))
    network = TrainedNetwork(
        replicate=0, tensors=named_layers(weights, biases), choices=choices, config={}, preparation=preparation
    )
    (tmp_path / "network").write_bytes(encode(network, "safetensors"))
    return load_predictor(tmp_path / "network")


def expected(predictor: Predictor, rows: pd.DataFrame) -> np.ndarray:
    network = predictor.network
    features = torch.from_numpy(network.preparation.transform(rows))
    shares: np.ndarray = network.frozen()(features).softmax(1).detach().numpy()
    return shares


def test_rows_get_the_classes_probabilities(predictor: Predictor) -> None:
    answer = predictor.predict(ROWS)
    assert list(answer) == ["class", "rose", "tulip"]
    np.testing.assert_allclose(answer[["rose", "tulip"]], expected(predictor, ROWS), rtol=1e-5)
    assert (answer["class"] == answer[["rose", "tulip"]].idxmax(axis=1)).all()


@pytest.mark.parametrize("row", [0, 1, 2, 7])
def test_a_record_alone_is_answered_as_among_others(predictor: Predictor, row: int) -> None:
    """As JSON has it: what is missing is None, a truth is one."""
    record = ROWS.astype(object).where(ROWS.notna(), None).to_dict("records")[row]
    alone = predictor.predict([record])
    np.testing.assert_allclose(alone.iloc[0, 1:].astype(float), predictor.predict(ROWS).iloc[row, 1:].astype(float))


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (
            {"count": "many"},
            NetworkError,
            "'count' must hold a number in every row, or nothing, but got 'many' in row 0",
        ),
        ({"old": "perhaps"}, NetworkError, "'old' must hold a boolean .* 'perhaps'"),
        ({"bought": "some day"}, NetworkError, "'bought' must hold a date .* 'some day'"),
        ({"count": None, "size": None, "old": None, "colour": "green"}, None, ""),
        ({"count": 2.9, "old": "True"}, None, ""),
    ],
)
def test_values_are_held_to_their_columns(
    predictor: Predictor, change: dict[str, object], error: type[Exception] | None, told: str
) -> None:
    rows = pd.DataFrame([ROWS.iloc[1].to_dict() | change])
    if error is None:
        np.testing.assert_allclose(
            predictor.predict(rows).iloc[0, 1:].astype(float), expected(predictor, rows)[0], 1e-5
        )
    else:
        with pytest.raises(error, match=told):
            predictor.predict(rows)


def test_a_missing_column_is_named(predictor: Predictor) -> None:
    with pytest.raises(DatasetError, match="no column 'colour'; did you mean 'color'"):
        predictor.predict(ROWS.rename(columns={"colour": "color"}))


def test_numbers_are_predicted_in_their_own_unit(predictor: Predictor) -> None:
    numeric = replace(
        predictor.network.preparation, target="price", classes=(), target_mean=(100.0,), target_deviation=(20.0,)
    )
    tensors = predictor.network.tensors
    one = {name: tensors[name][:1] for name in ("layer1.weight", "layer1.bias")}
    network = replace(predictor.network, tensors=tensors | one, preparation=numeric)
    answer = Predictor(network).predict(ROWS)
    assert list(answer) == ["price"]
    features = torch.from_numpy(numeric.transform(ROWS))
    raw = network.frozen()(features)[:, 0].detach().numpy()
    np.testing.assert_allclose(answer["price"], 100 + 20 * raw, rtol=1e-5)


def pixels(preparation: Preparation) -> Predictor:
    weights, biases, choices = draw((12, 8, 2))
    return Predictor(
        TrainedNetwork(
            replicate=0, tensors=named_layers(weights, biases), choices=choices, config={}, preparation=preparation
        )
    )


def test_arrays_and_pictures_are_answered_alike(tmp_path: Path) -> None:
    pictures = pixels(Preparation(shape=(3, 2, 2), divisor=255.0, classes=("cat", "dog"), reading=Reading()))
    values = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    for number, picture in enumerate(values):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    answer = pictures.predict([tmp_path / "0.png", str(tmp_path / "1.png")])
    pd.testing.assert_frame_equal(answer, pictures.predict(values.transpose(0, 3, 1, 2)))
    assert set(answer["class"]) <= {"cat", "dog"}
    with pytest.raises(NetworkError, match=r"must be a file that can be read, but got .*none.png"):
        pictures.predict([tmp_path / "none.png"])
    with pytest.raises(NetworkError, match=r"must be of 3 × 2 × 2 .* got the shape \(2, 2\)"):
        pictures.predict(np.zeros((3, 2, 2)))


def test_images_have_their_channels_first_or_last(tmp_path: Path) -> None:
    predictor = pixels(Preparation(shape=(3, 1, 4), divisor=255.0, layout="NHWC"))
    values = np.random.default_rng(0).integers(0, 256, (2, 1, 4, 3), dtype=np.uint8)
    first = values.transpose(0, 3, 1, 2)
    answer = predictor.predict(values)
    pd.testing.assert_frame_equal(answer, predictor.predict(first))
    pd.testing.assert_frame_equal(answer, predictor.predict(first.reshape(2, -1)))
    with pytest.raises(NetworkError, match=r"must be of 3 × 1 × 4 .* got the shape \(4, 1, 3\)"):
        predictor.predict(values.transpose(0, 2, 1, 3))


def test_without_a_known_preparation_there_is_no_answer() -> None:
    with pytest.raises(NetworkError, match="did not keep how examples are prepared"):
        pixels(Preparation()).predict(np.zeros((1, 12)))


def test_a_category_without_a_value_in_training_has_an_example_too(tmp_path: Path) -> None:
    ROWS.assign(colour=[""] * 40 + ["red", "blue"] * 10).to_csv(tmp_path / "flowers.csv", index=False)
    _, preparation = read_table(tmp_path / "flowers.csv", "flowers", "kind").prepare([np.arange(40)])
    assert preparation.example()["colour"] == ""


def test_a_model_says_what_it_takes_of_each_column(predictor: Predictor) -> None:
    assert describe_columns(predictor.network.preparation).split("; ")[1:] == [
        "double, NaN where missing: size, count",
        "double, 1 or 0, NaN where missing: old",
        "double, days since 1970-01-01, NaN where missing: bought",
        "text, empty where missing: colour",
    ]


def test_codes_that_have_lost_their_zeros_are_refused(tmp_path: Path) -> None:
    """As `pandas.read_csv` has them: they would pass for unknown categories."""
    codes = ROWS.assign(colour=["01067", "10115"] * 30)
    predictor = drawn(tmp_path, codes)
    expected = predictor.predict(codes)
    pd.testing.assert_frame_equal(
        predictor.predict(codes[1:2].assign(colour=10115)), expected[1:2].reset_index(drop=True)
    )
    with pytest.raises(NetworkError, match=r"'colour' must hold texts, .* such as '01067', but got the number 1067 in"):
        predictor.predict(pd.read_csv(tmp_path / "flowers.csv"))


def test_mlflow_serves_a_tables_network_by_rows(predictor: Predictor, tmp_path: Path) -> None:
    import mlflow

    write_model(predictor.network, tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    pd.testing.assert_frame_equal(model.predict(ROWS), predictor.predict(ROWS))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROWS.assign(count="many"), "column 'count' must hold a number in every row, or nothing, but got 'many'"),
        (ROWS.assign(old="perhaps"), "column 'old' must hold a boolean"),
        (
            ROWS.assign(count=[[1, 2]] * len(ROWS)),
            "column 'count' must hold a number in .*, but got values of type list",
        ),
    ],
)
def test_what_is_wrong_with_a_record_reaches_who_sent_it(
    predictor: Predictor, tmp_path: Path, rows: pd.DataFrame, told: str
) -> None:
    """MLflow's server passes on its own kind of error, and hides any other behind a general sentence."""
    from mlflow.exceptions import MlflowException

    (tmp_path / "network").write_bytes(predictor.network.to_bytes())
    with pytest.raises(MlflowException, match=told):
        serving._load_pyfunc(str(tmp_path / "network")).predict(rows)


@pytest.mark.parametrize("value", [0.5, -1, 256, float("nan")])
def test_images_that_are_not_as_stored_are_refused(value: float) -> None:
    predictor = pixels(Preparation(shape=(3, 1, 4), divisor=255.0, layout="NHWC"))
    with pytest.raises(NetworkError, match=f"must hold whole numbers from 0 to 255, but got {value}$"):
        predictor.predict(np.full((2, 1, 4, 3), value))
