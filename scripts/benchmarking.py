"""What the benchmarks share: interleaved timing, the machine's description, and the report."""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

SWEEP_SPACE = {
    "dataset": "digits",
    "architecture": {"depth": {"low": 1, "high": 4}, "width": {"choices": [64, 128, 256, 512]}},
    "architectures": 12,
    "phase_fraction": {"low": 0.05, "high": 0.5},
    "temperature": {"low": 0.1, "high": 3.0, "log": True},
    "epochs": 100_000,  # so that settings hardly ever coincide
}
"""Of sweeps whose trials train nothing."""
MET = {True: "yes", False: "NO", None: "–"}


@dataclass(frozen=True)
class Row:
    """One measured figure, and what it should be."""

    figure: str
    value: float | None
    """None: not measured here."""
    target: float | None = None
    unit: str = "×"
    at_most: bool = False
    """Whether the target is an upper bound."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met, if there is one and it was measured."""
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def progress(what: str) -> None:
    """Say what is being measured."""
    print(what, file=sys.stderr, flush=True)


def synchronize() -> None:
    """Wait for the accelerator, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(runs: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Call all runs in turn, `repeats` times after a warm-up, and return the median of what each returned."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            value = run()
            if repeat:
                seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}


def per_call(step: Callable[[], object], calls: int) -> Callable[[], float]:
    """Return a run that makes some calls and returns the seconds of one."""

    def run() -> float:
        synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            step()
        synchronize()
        return (time.perf_counter() - start) / calls

    return run


def machine() -> dict[str, str]:
    """Describe what the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of the options that every benchmark takes."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options.add_argument("--quick", action="store_true", help="a two-minute version")
    return options


def report(rows: list[Row], *, as_json: bool) -> None:
    """Print the figures."""
    if as_json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) | {"met": row.met} for row in rows]}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()), end="\n\n")
    width = max(len(row.figure) for row in rows)
    print(f"{'figure':<{width}}  {'value':>12}  {'target':>9}  met")
    for row in rows:
        value = "not measured" if row.value is None else f"{row.value:.3g} {row.unit}"
        target = "" if row.target is None else f"{'≤' if row.at_most else '≥'} {row.target:g} {row.unit}"
        print(f"{row.figure:<{width}}  {value:>12}  {target:>9}  {MET[row.met]}")
