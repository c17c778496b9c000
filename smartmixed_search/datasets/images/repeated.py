"""Images that are in two parts: what a network has seen does not tell how it will do."""

from collections.abc import Iterator

from torch import Tensor

from smartmixed_search.datasets.dataset import Dataset
from smartmixed_search.errors.messages import are, counted


def repeated(dataset: Dataset) -> Iterator[str]:
    """Say how many images to validate or test are in the training part too, pixel by pixel, a line each."""
    trained = set(_hashes(dataset.x_train))
    for purpose, images in (("validate", dataset.x_val), ("test", dataset.x_test)):
        again = sum(one in trained for one in _hashes(images))
        if again:
            yield (
                f"{counted(again, 'image')} to {purpose} {are(again)} in the training part too, pixel by pixel: "
                "figures look better than they are"
            )


def _hashes(images: Tensor) -> Iterator[int]:
    return (hash(image.tobytes()) for image in images.numpy())
