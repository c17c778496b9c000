"""What a space may say of images."""

from typing import Any

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.space import SearchSpace

SPACE = {"dataset": "photos.zip", "architecture": "16"}


def test_what_is_said_of_images_is_resolved() -> None:
    space = SearchSpace.from_dict({**SPACE, "image": {"size": 32, "channels": 3, "range": [0, 1]}})
    assert SearchSpace.from_dict(space.to_dict()).image == {"size": 32, "channels": 3, "range": [0.0, 1.0]}


def test_nothing_said_of_images_moves_no_hash() -> None:
    assert SearchSpace.from_dict(SPACE).hash == SearchSpace.from_dict({**SPACE, "image": "none"}).hash


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (32, "image must be such as {size: 32, channels: 3}, but got 32"),
        ({"size": 0}, "image: size must be a whole number from 1 to 4096, but got 0"),
        ({"channels": 2}, r"image: channels must be 1 \(grey\) or 3 \(colour\), but got 2"),
        ({"range": [1, 0]}, r"image: range must be the values of black and white, such as \[0, 1\]"),
        ({"sizes": 3}, "did you mean 'size'"),
    ],
)
def test_what_cannot_be_said_of_images_is_refused(image: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SearchSpace.from_dict({**SPACE, "image": image})
