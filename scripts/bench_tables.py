#!/usr/bin/env python
"""How long a file takes from the disk to tensors that are split and scaled, beside a common reader of it alone.

numbers   a CSV of 50 columns of numbers and two classes, against pandas.read_csv, which only reads
mixed     the same with words, days, codes with leading zeros, and missing cells
memory    the peak above what a small table takes, which the imports and their threads are, over the size of the final
          tensors; 1 million rows × 50 columns

Read means up to columns whose kinds can be told: numbers as such, different texts once; as a dataset, with kinds,
parts, features and a checksum. All are timed by the clock, in turn, in one process; pandas uses one thread, Arrow all
there are.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarking import Row, interleaved, parser, per_call, progress, report

from smartmixed_search import load_dataset
from smartmixed_search.datasets.tables.reading import read_raw

ROWS, QUICK_ROWS, LARGE, SMALL = 200_000, 20_000, 1_000_000, 2_000
COLUMNS = 50
REPEATS = 5
RATIO, PEAK = 1.5, 2.5
MEASURED = """
import re, sys
from pathlib import Path
from smartmixed_search import load_dataset
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
load_dataset(sys.argv[2], target="y")
Path("/proc/self/clear_refs").write_text("5")  # what getrusage tells begins with the peak of whoever started this
before = peak()
data = load_dataset(sys.argv[1], target="y")
print((peak() - before) / sum(array.nbytes for array in data.arrays().values()))
"""


def numbers(rows: int) -> pd.DataFrame:
    """Return numbers as measurements are written, and a target of two classes."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, COLUMNS)).round(6)).rename(columns="c{}".format)
    return table.assign(y=rng.choice(["a", "b"], rows))


def mixed(rows: int) -> pd.DataFrame:
    """Return the same with other columns among them."""
    rng, table = np.random.default_rng(1), numbers(rows)
    for place in range(0, COLUMNS, 5):
        table[f"c{place}"] = table[f"c{place}"].where(rng.random(rows) < 0.9)
        table[f"word{place}"] = rng.choice(["red", "green", "blue", ""], rows)
    table["zip"] = [f"{code:05d}" for code in rng.integers(1000, 3000, rows)]
    table["day"] = (pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D")).date
    return table


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV."""
    table.to_csv(path, index=False, float_format="%.6f")


def ratios(make: Callable[[int], pd.DataFrame], path: Path, rows: int) -> list[Row]:
    """Return how much longer a table takes to be read, and to become a dataset, than pandas takes to read it."""
    write(make(rows), path)
    runs = {
        "read": per_call(lambda: read_raw(path), 1),
        "dataset": per_call(lambda: load_dataset(str(path), target="y"), 1),
        "pandas": per_call(lambda: pd.read_csv(path), 1),
    }
    seconds = interleaved(runs, REPEATS)
    progress(", ".join(f"{name} {one:.2f} s" for name, one in seconds.items()))
    name = f"CSV of {make.__name__} over pandas.read_csv"
    return [
        Row(f"{name}, read", seconds["read"] / seconds["pandas"], RATIO, at_most=True),
        Row(f"{name}, as a dataset", seconds["dataset"] / seconds["pandas"]),
    ]


def peak(path: Path, rows: int) -> float:
    """Return the memory that a table of numbers takes at most, over that of its tensors."""
    small = path.with_name("small.csv")
    write(numbers(SMALL), small)
    write(numbers(rows), path)
    done = subprocess.run([sys.executable, "-c", MEASURED, path, small], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    options = parser(__doc__ or "").parse_args()
    rows = QUICK_ROWS if options.quick else ROWS
    figures: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        for make in (numbers, mixed):
            progress(f"CSV, {make.__name__}")
            figures += ratios(make, path, rows)
        progress("memory")
        large = QUICK_ROWS if options.quick else LARGE
        figures.append(Row(f"peak memory, {large:,} rows, over the tensors", peak(path, large), PEAK, at_most=True))
    report(figures, as_json=options.json)


if __name__ == "__main__":
    main()
