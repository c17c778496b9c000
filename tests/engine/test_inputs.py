"""Images are stored as bytes and become what a network takes batch by batch: nothing else of a training changes."""

import dataclasses

import numpy as np
import pytest
import torch

from smartmixed_search.engine.inputs import as_inputs
from smartmixed_search.engine.stack.live_inputs import live_inputs
from smartmixed_search.engine.training import TwoPhaseTraining
from tests.engine.contract import CONFIG, ENGINES
from tests.helpers.reference import flattened, toy_images
from tests.helpers.training import CPU

IMAGES = toy_images()
BYTES = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("copies", [1, 1000], ids=["one batch", "large batch"])
def test_bytes_are_divided_as_numpy_divides(copies: int) -> None:
    inputs = as_inputs(torch.from_numpy(np.tile(BYTES, (copies, 1))), (256,), torch.float32)
    assert np.array_equal(inputs[-1].numpy(), np.divide(BYTES, np.float32(255), dtype=np.float32))


def test_numbers_are_passed_on_as_they_are() -> None:
    numbers = torch.rand(3, 4)
    assert as_inputs(numbers, (4,), torch.float32).data_ptr() == numbers.data_ptr()


@pytest.mark.parametrize("evaluation", ["argmax", "sampled"])
@pytest.mark.parametrize("engine", ENGINES)
def test_training_on_images_is_training_on_their_numbers(engine: str, evaluation: str) -> None:
    curves = []
    for data in (IMAGES, flattened(IMAGES)):
        config = dataclasses.replace(CONFIG, evaluation=evaluation)
        made = TwoPhaseTraining(config, data, CPU, torch.float32, engine=ENGINES[engine])
        made.run()
        curves.append({name: torch.stack(curve) for name, curve in made.curves.items()})
    for name, curve in curves[0].items():
        assert torch.equal(curve, curves[1][name]), name


def test_pixels_that_are_black_everywhere_are_not_trained_on() -> None:
    arrays = {
        name: np.tile(array, (1, 2, 1, 1)) if array.ndim > 1 else array for name, array in IMAGES.arrays().items()
    }
    for name in ("x_train", "x_val", "x_test"):
        arrays[name][:, 3:] = 0
    wide = IMAGES.from_arrays(arrays, name="wide", checksum="0" * 16, task=IMAGES.task)
    assert len(live_inputs(wide)) == 16


def test_images_have_a_shape_and_as_many_features() -> None:
    assert (IMAGES.shape, IMAGES.features, IMAGES.sizes["shape"]) == ((3, 2, 2), 12, [3, 2, 2])
