"""The pictures of a folder, or of a zip, and what their folders say of them: class and part."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from smartmixed_search.datasets.images.contents import is_zip
from smartmixed_search.datasets.parts import PART_WORDS
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted, show

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
"""Of files that are taken for pictures."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures in a folder for each class."""

    path: Path
    """Of the folder or zip."""
    names: tuple[str, ...]
    """Of their files, within it."""
    classes: tuple[str, ...]
    """Names of the classes, which are those of the training folders: whole numbers in order, else by the alphabet."""
    labels: tuple[int, ...]
    """The class of every picture, a place among `classes`."""
    parts: tuple[str, ...] | None
    """The part of every picture, `train`, `val` or `test`; None: the folders do not say."""
    remarks: tuple[str, ...]
    """What was left out, in words."""


def find_pictures(path: Path) -> Pictures:
    """Find the pictures of a folder for each class, below `train`, `val` and `test` if there is a `train` with classes.

    Raises:
        DatasetError: it is neither a folder nor a zip, holds no two classes, or a class that training does not have.
    """
    files = sorted(_names(path))
    names = [name for name in files if name.lower().endswith(ENDINGS)]
    if not names:
        held = f"; it holds {counted(len(files), 'other file')}, such as {show(files[0])}" if files else ""
        raise DatasetError(f"{str(path)!r} must hold pictures ({', '.join(ENDINGS)}) in a folder for each class{held}")
    placed, divided = _placed(names)
    ordered = _in_order({label for part, label in placed.values() if part in (None, "train")})
    strange = next((name for name, (_, label) in placed.items() if label not in ordered), None)
    if strange is not None:
        raise DatasetError(
            f"every class must have a folder in train, but {str(path)!r} has {strange!r} and no train/"
            f"{placed[strange][1]}; its classes are {_shortened(ordered)}"
        )
    if len(ordered) < 2:
        raise DatasetError(
            f"{str(path)!r} must have folders of two classes at least, but its pictures are in {_shortened(ordered)}"
        )
    places = {label: place for place, label in enumerate(ordered)}
    return Pictures(
        path=path,
        names=tuple(placed),
        classes=tuple(ordered),
        labels=tuple(places[label] for _, label in placed.values()),
        parts=_parts([str(part) for part, _ in placed.values()]) if divided else None,
        remarks=tuple(_remarks(files, names, placed)),
    )


def _names(path: Path) -> Iterator[str]:
    """Yield the names of all files, but for hidden ones and those that an operating system leaves behind."""
    try:
        if is_zip(path):
            with ZipFile(path) as archive:
                found = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        elif path.is_dir():
            walked = os.walk(path, followlinks=True)
            found = [
                (Path(folder) / file).relative_to(path).as_posix() for folder, _, files in walked for file in files
            ]
        else:
            raise DatasetError(f"there is no folder {str(path)!r}; give one that holds a folder for each class")
    except (OSError, BadZipFile) as error:
        raise DatasetError(f"{str(path)!r} cannot be read ({error}); give a folder, or a whole zip") from error
    for name in found:
        if not any(step.startswith((".", "__MACOSX")) for step in name.split("/")):
            yield name


def _placed(names: list[str]) -> tuple[dict[str, tuple[str | None, str]], bool]:
    """Return part and class of every picture that is in a folder of a class, and whether folders say the parts."""
    steps = {name: name.split("/") for name in names}
    above = 0
    while len({tuple(one[: above + 1]) for one in steps.values()}) == 1 and min(map(len, steps.values())) > above + 2:
        if PART_WORDS.get(steps[names[0]][above].casefold()) == "train":
            break
        above += 1
    below = {name: one[above:] for name, one in steps.items()}
    parts = {name: PART_WORDS.get(one[0].casefold()) for name, one in below.items() if len(one) > 2}
    if "train" in parts.values():
        return {name: (part, below[name][1]) for name, part in parts.items() if part is not None}, True
    return {name: (None, one[0]) for name, one in below.items() if len(one) > 1}, False


def _parts(said: list[str]) -> tuple[str, ...] | None:
    """Return the part of every picture, if there is more than one; `val` tests where nothing is called `test`."""
    if set(said) == {"train"}:
        return None
    return tuple(said) if "test" in said else tuple("test" if part == "val" else part for part in said)


def _in_order(labels: set[str]) -> list[str]:
    if all(label.isascii() and label.isdigit() for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels, key=lambda label: (label.casefold(), label))


def _remarks(files: list[str], names: list[str], placed: dict[str, tuple[str | None, str]]) -> Iterator[str]:
    others = Counter(Path(name).suffix.lower() or "no ending" for name in set(files).difference(names))
    if others:
        no_pictures = "that is no picture" if others.total() == 1 else "that are no pictures"
        yield f"{counted(others.total(), 'file')} {no_pictures} left out ({', '.join(sorted(others))})"
    stray = [name for name in names if name not in placed]
    if stray:
        yield f"{counted(len(stray), 'picture')} outside the folders of classes left out, such as {show(stray[0])}"
    parts = {part for part, _ in placed.values()}
    if "val" in parts and "test" not in parts:
        yield "no test folder: val tests, and a part of train validates"


def _shortened(labels: list[str]) -> str:
    return ", ".join(map(repr, labels[:10])) + (", …" if len(labels) > 10 else "")
