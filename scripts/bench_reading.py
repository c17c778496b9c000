#!/usr/bin/env python
"""What reading a user's files takes, beside what reads them otherwise.

images   a folder of small JPEG files, into one tensor of bytes by a process on every CPU; against the first epoch of
         torchvision's ImageFolder and a DataLoader with as many workers. Later epochs read nothing here.
memory   the peak of all processes while the same files are read from a zip, over what the tensors take.

Files are made up unless --images names a folder of train and test, in each a folder for every class.
"""

import os
import tempfile
import threading
import time
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from benchmarking import Row, interleaved, parser, progress, report
from joblib.externals.loky import get_reusable_executor
from PIL import Image

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.system.machine import usable_cpus

COUNT, QUICK_COUNT = 20_000, 2_000
REPEATS, QUICK_REPEATS = 5, 1
SIDE = 32
BATCH = 128
SAMPLE_SECONDS = 0.02


def make_images(root: Path, count: int) -> Path:
    """Write smooth pictures of ten classes, four fifths of them to train."""
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / ("train" if number % 5 else "test") / f"class {number // 5 % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number:06}.jpg", quality=75)
    return root


def zipped(root: Path, path: Path) -> Path:
    """Write a folder into a zip, uncompressed."""
    with ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.jpg")):
            archive.write(file, file.relative_to(root))
    return path


def seconds_here(root: Path) -> float:
    """Return what reading takes, with processes that have yet to start."""
    get_reusable_executor().shutdown(wait=True)
    start = time.perf_counter()
    load_dataset(f"{root}/")
    return time.perf_counter() - start


def seconds_there(root: Path) -> float:
    """Return what torchvision's first epoch takes, over both parts."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    start = time.perf_counter()
    for part in ("train", "test"):
        images = ImageFolder(root / part, transforms.ToTensor())
        for _ in DataLoader(images, BATCH, num_workers=usable_cpus()):
            pass
    return time.perf_counter() - start


class Peak:
    """Watches the memory of this process and of those that it started, shared pages counted once."""

    def __init__(self) -> None:
        self.before = self.most = _memory()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.most = max(self.most, _memory())


def _memory() -> int:
    """Return the bytes of this process and its children, and of their children."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    family = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(map(_bytes, family))


def _bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def size(data: Dataset) -> int:
    """Return the bytes of a dataset's tensors."""
    return sum(array.nbytes for array in data.arrays().values())


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=Path, help="a folder of train and test")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        progress("writing pictures")
        root = given.images or make_images(Path(scratch) / "images", QUICK_COUNT if given.quick else COUNT)
        archive = zipped(root, Path(scratch) / "images.zip")
        load_dataset("digits")  # so that nothing is imported while it is timed
        progress("memory")
        with Peak() as peak:
            data = load_dataset(str(archive))
        memory = (peak.most - peak.before) / size(data)
        progress("images")
        runs = {"here": lambda: seconds_here(root), "torchvision": lambda: seconds_there(root)}
        found = interleaved(runs, QUICK_REPEATS if given.quick else REPEATS)
    rows = [
        Row(
            "images: time over that of torchvision's first epoch",
            found["here"] / found["torchvision"],
            0.7,
            at_most=True,
        ),
        Row("images: pictures read per second", data_examples(data) / found["here"], unit="/ s"),
        Row("images: peak memory over that of the tensors", memory, 2.5, at_most=True),
    ]
    report(rows, as_json=given.json)


def data_examples(data: Dataset) -> int:
    """Return the number of a dataset's examples."""
    return sum(data.sizes[part] for part in ("train", "val", "test"))


if __name__ == "__main__":
    main()
