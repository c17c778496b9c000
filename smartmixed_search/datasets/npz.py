"""A user's own data: an `.npz` file with arrays `x`, `y` and, if there is an official test set, `x_test`, `y_test`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.archives import load_archive
from smartmixed_search.datasets.images.arrays import are_images, channels_first, check_made, layout_of
from smartmixed_search.datasets.labels import by_value
from smartmixed_search.datasets.source import Source
from smartmixed_search.datasets.targets import REGRESSION, as_classes, as_numbers, inferred_task, is_whole
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted, show

_KEYS = ("", "_val", "_test")
"""What follows `x` and `y` in the names of parts; nothing follows those of the part to train on."""


def read_npz(path: Path, task: str | None = None, image: Mapping[str, Any] | None = None) -> Source:
    """Read a file written by `numpy.savez`; examples of any shape are flattened, but for images.

    Bytes that Keras' or MedMNIST's names hold are images if their shape allows it, and others if `image` is given.

    Args:
        path: of the file.
        task: what is learned; None: see `targets.inferred_task`.
        image: what the images are, if they are some: `size` and `channels`.

    Raises:
        DatasetError: the file is missing or damaged, or its arrays are not numbers that fit each other.

    """
    arrays, names = load_archive(path)
    file = repr(str(path))
    stored = np.asarray(arrays["y"])
    numbers = (task or inferred_task(stored)) == REGRESSION
    read = partial(_targets if numbers else _labels, file)
    parts = {part: _examples(file, arrays, names, part, read) for part in _KEYS if f"x{part}" in arrays}
    _check_alike(file, names, parts)
    x, y = (dict(zip(parts, of_parts, strict=True)) for of_parts in zip(*parts.values(), strict=True))
    classes = None
    if not numbers:
        labels, classes = by_value([*y.values()], path.stem)
        y = dict(zip(y, labels, strict=True))
    source = Source(
        name=path.stem,
        x=_together(x),
        y=_together(y),
        x_test=x.get("_test"),
        y_test=y.get("_test"),
        shape=arrays["x"].shape[1:],
        names=classes,
        notes=() if task else _taken_for(f"{names['y']} of {file}", stored, numbers=numbers),
        given=np.repeat(["train", "val"], [len(y[""]), len(y["_val"])]) if "_val" in y else None,
    )
    if image or (names["x"] != "x" and are_images(arrays["x"])):
        return _as_images(source, arrays["x"], f"{names['x']} of {file}", image or {})
    return source


def _check_alike(file: str, names: Mapping[str, str], parts: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]) -> None:
    x, y = parts[""]
    for part, (other, targets) in parts.items():
        if targets.shape[1:] != y.shape[1:]:
            raise DatasetError(
                f"{names['y']} and {names[f'y{part}']} of {file} must have the same number of targets, but got "
                f"{y.shape} and {targets.shape}"
            )
        if other.shape[1] != x.shape[1]:
            raise DatasetError(
                f"{names['x']} and {names[f'x{part}']} of {file} must have the same number of features, but got "
                f"{x.shape[1]} and {other.shape[1]}"
            )


def _together(parts: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return what is to train on, and behind it what is to validate, if anything is."""
    return np.concatenate([parts[""], parts["_val"]]) if "_val" in parts else parts[""]


def _as_images(source: Source, x: NDArray[Any], what: str, image: Mapping[str, Any]) -> Source:
    if not are_images(x):
        raise DatasetError(
            f"image is of bytes (uint8) of shape [N, height, width] or with channels, but {what} is {x.dtype} of shape "
            f"{x.shape}; leave it out"
        )
    layout = layout_of(what, x.shape, image.get("channels"))
    shaped = [
        None if one is None else channels_first(one.reshape(len(one), *x.shape[1:]), layout)
        for one in (source.x, source.x_test)
    ]
    assert shaped[0] is not None
    check_made(what, shaped[0], image)
    _, channels, height, width = shaped[0].shape
    note = f"{what} holds images of {height} × {width} in {counted(channels, 'channel')}, as {layout} (bytes)"
    return replace(
        source, x=shaped[0], x_test=shaped[1], shape=shaped[0].shape[1:], layout=layout, notes=(*source.notes, note)
    )


def _examples(
    file: str,
    arrays: Mapping[str, Any],
    names: Mapping[str, str],
    part: str,
    read: Callable[[str, NDArray[Any]], NDArray[Any]],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return examples, shape [N, D], and labels, shape [N], or numbers to predict, shape [N, C], as `read` does."""
    x_name, y_name = names[f"x{part}"], names[f"y{part}"]
    x = _numbers(file, x_name, arrays[f"x{part}"])
    y = read(y_name, arrays[f"y{part}"])
    if x.ndim == 0 or len(x) != len(y):
        raise DatasetError(
            f"{x_name} of {file} must have one entry per label in {y_name}, but got shapes {x.shape} and {y.shape}"
        )
    return x.reshape(len(x), -1), y


def _labels(file: str, name: str, y: NDArray[Any]) -> NDArray[Any]:
    """Return what names the classes, [N]."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    if y.dtype.kind not in "US":
        y = _numbers(file, name, y)
    if y.ndim != 1:
        raise DatasetError(
            f"{name} of {file} must be one label per example, but got {y.dtype} of shape {y.shape}{_cure(name, y)}"
        )
    return as_classes(y, file) if y.dtype.kind == "f" else y


def _taken_for(what: str, y: NDArray[Any], *, numbers: bool) -> tuple[str, ...]:
    """Say what whole numbers that came as floats are taken for: they may be either."""
    if y.dtype.kind != "f" or not is_whole(y):
        return ()
    taken = (
        "numbers; task: classification makes classes of them" if numbers else "classes; task: regression predicts them"
    )
    return (f"{what} has {len(np.unique(y)):,} different whole numbers, taken for {taken}",)


def _targets(file: str, name: str, y: NDArray[Any]) -> NDArray[np.float64]:
    y = _numbers(file, name, y)
    if y.ndim not in (1, 2):
        raise DatasetError(f"{name} of {file} must be one or more numbers per example, but got shape {y.shape}")
    return as_numbers(y)


def _numbers(file: str, name: str, array: Any) -> NDArray[Any]:
    """Return the array if it holds finite numbers, and at least one."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        kind = getattr(array, "dtype", type(array).__name__)
        raise DatasetError(f"{name} of {file} must be an array of numbers, but got {kind}{_text_cure(name, array)}")
    if not array.size:
        raise DatasetError(f"{name} of {file} must not be empty, but got shape {array.shape}")
    lowest, highest = float(array.min()), float(array.max())
    limit = float(np.finfo(np.float32).max)
    if not (-limit <= lowest and highest <= limit):
        raise DatasetError(
            f"{name} of {file} must hold finite numbers within float32, but {_first_beyond(name, array, limit)}"
        )
    return array


def _cure(name: str, y: NDArray[Any]) -> str:
    """Return what makes labels of them, where that is plain."""
    if y.ndim == 2:
        return f"; if a row marks its class by the largest number, {name} = {name}.argmax(axis=1) makes them so"
    return ""


def _text_cure(name: str, array: Any) -> str:
    if getattr(array, "dtype", np.dtype(float)).kind not in "US" or not array.size:
        return ""
    first = f", such as {show(str(array.flat[0]))}"
    return f"{first}; encode words as numbers, and x.astype(float) reads numbers written as text"


def _first_beyond(name: str, array: NDArray[Any], limit: float) -> str:
    """Tell of the first number that is not finite in float32, and of how many there are."""
    places = np.argwhere(~(np.abs(array) <= limit))
    place = tuple(int(index) for index in places[0])
    words = f" (row {place[0]}, column {place[1]}, counted from 0)" if len(place) == 2 else ""
    more = "" if len(places) == 1 else f", and {len(places) - 1} more are not finite"
    return f"{name}{list(place)} is {array[place]}{words}{more}; fill them in, or leave their rows out"
