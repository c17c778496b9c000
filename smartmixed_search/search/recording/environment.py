"""The environment of a sweep: what its numbers may depend on beside space, seed and data."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.system.checksums import seal, unseal
from smartmixed_search.system.files import read_bytes, write_atomically
from smartmixed_search.system.version import __version__

_ROOT = Path(__file__).parents[3]
_PROCESSORS = Path("/proc/cpuinfo")  # on Linux
_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "scipy", "pandas", "scikit-learn")


def sweep_environment(
    directory: SweepDirectory,
    resolved: Resolved,
    sizes: Mapping[str, Any],
    say: Callable[[str], None],
    *,
    running: bool,
) -> dict[str, Any]:
    """Return the environment that a sweep is run in, or was when it is only recorded now, and keep it on the disk."""
    path = directory.environment
    content = None if running else read_bytes(path)
    if content is not None:
        with suppress(ValueError):
            return unseal(content)
    found = environment({**resolved.dataset, **sizes})
    if not running:
        say(f"{path.name} is gone or damaged: it is written again, from what delivers the sweep now")
        found["written_anew"] = "of what delivered the sweep: what it ran on is not known any more"
    with suppress(OSError):  # a full disk ends a sweep where it has something to lose
        write_atomically(path, json.dumps(seal(found), indent=1) + "\n")
    return found


def environment(dataset: Mapping[str, str | int]) -> dict[str, Any]:
    """Return the content of `environment.json`: software versions, the driver's hardware, git revision, dataset.

    `dataset` holds the dataset's `name` and `checksum` and, where known, `Dataset.sizes`. `git` is the revision of this
    package, if it runs from a checkout, `git_working_directory` that of where the sweep was launched; None: there is
    none.
    """
    return {
        "software": {
            "smartmixed-search": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "hardware": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        },
        "git": git_revision(_ROOT) if (_ROOT / ".git").exists() else None,
        "git_working_directory": git_revision(Path.cwd()),
        "dataset": dict(dataset),
    }


def _processor() -> str:
    """Return the processor's model where the system tells, otherwise the machine's type."""
    with suppress(OSError):
        for line in _PROCESSORS.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_revision(directory: Path) -> str | None:
    """Return the revision that is checked out in a directory, marked `-dirty` if files differ from it; else None."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        found = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
