"""What this machine has, and whether a sweep could run on it; nothing is created or changed."""

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smartmixed_search.datasets.embedded import EMBEDDED
from smartmixed_search.errors import DatasetError, ResourceError, TrackingError
from smartmixed_search.errors.messages import in_short, one_line
from smartmixed_search.search.placing.ray_files import check_ray_folder, missing_token_file
from smartmixed_search.system.files import is_local, locate
from smartmixed_search.system.machine import machine_memory, usable_cpus

_GIB = 2**30
_LEAST_MEMORY = 4 * _GIB
"""Bytes of memory below which a sweep is at risk: Ray takes about one GiB, as does every worker."""
_LEAST_DISK = 1 * _GIB
"""Free bytes below which a long sweep may fill the disk."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "warning", "problem"]
    """`problem`: commands will fail; `warning`: some will, or may."""
    detail: str
    """What was found, in one line, and what to do about it unless it is well."""


def diagnose(output_dir: Path, tracking_uri: str | None, data_dir: Path | None) -> list[Check]:
    """Look at software, hardware, the output folder, datasets and the tracking store.

    `tracking_uri` and `data_dir` default to what every command would use; `output_dir` need not exist.
    """
    return [
        Check(name="python", status="ok", detail=f"{platform.python_version()} on {platform.platform()}"),
        _packages(),
        _importable("ray", "problem", "without it sweeps cannot run"),
        _importable("torchvision", "warning", "without it mnist, fashion-mnist and kmnist cannot be downloaded"),
        _processors(),
        _ray_folder(),
        *_ray_token(),
        _gpus(),
        _output_directory(output_dir),
        *(Check(name=name, status="ok", detail="embedded in scikit-learn") for name in EMBEDDED),
        *_image_datasets(data_dir),
        _pools(),
        _tracking(tracking_uri, output_dir),
    ]


def _packages() -> Check:
    required = [line for line in importlib.metadata.requires("smartmixed-search") or () if "extra ==" not in line]
    versions, missing = [], []
    for line in required:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(line)
    if missing:
        return Check(
            name="packages", status="problem", detail=f"{', '.join(missing)} missing; install smartmixed-search"
        )
    return Check(name="packages", status="ok", detail=", ".join(versions))


def _importable(name: str, otherwise: Literal["warning", "problem"], consequence: str) -> Check:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # compiled packages that do not fit each other raise more than ImportError
        return Check(name=name, status=otherwise, detail=f"cannot be imported ({in_short(error)}); {consequence}")
    return Check(name=name, status="ok", detail=f"{module.__version__} can be imported")


def _processors() -> Check:
    cpus, memory = usable_cpus(), machine_memory()
    found = f"{cpus} CPU{'' if cpus == 1 else 's'}, {memory / _GIB:.1f} GiB of memory"
    if cpus < (there := os.cpu_count() or cpus):
        found += f" (of the machine's {there} CPUs, what this process may use)"
    if memory < _LEAST_MEMORY:
        return Check(name="processors", status="warning", detail=f"{found}; run few trials at a time")
    return Check(name="processors", status="ok", detail=found)


def _ray_folder() -> Check:
    try:
        return Check(name="ray's folder", status="ok", detail=f"{check_ray_folder()}, for sockets and logs")
    except ResourceError as error:
        return Check(name="ray's folder", status="problem", detail=str(error))


def _ray_token() -> Iterator[Check]:
    """Look for the token of a cluster, where one is named; a Ray of a sweep's own needs none."""
    if missing := missing_token_file():
        detail = f"RAY_AUTH_TOKEN_PATH names {missing}, which cannot be read; no cluster can be joined with it"
        yield Check(name="ray's token", status="warning", detail=detail)


def _gpus() -> Check:
    import torch

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if complaints:
        return Check(name="gpus", status="warning", detail=one_line(str(complaints[0].message)))
    devices = [torch.cuda.get_device_properties(index) for index in range(count)]
    found = ", ".join(f"{device.name} ({device.total_memory / _GIB:.0f} GiB)" for device in devices)
    return Check(name="gpus", status="ok", detail=found or "none; trials run on the CPU")


def _output_directory(output_dir: Path) -> Check:
    """Look at the folder, or at the nearest existing one above it, in which it would be created."""
    path = locate(output_dir)
    if not is_local(path):
        return Check(
            name="output folder", status="ok", detail=f"{path}, not tried; a run shows whether it can be written"
        )
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        return Check(
            name="output folder", status="problem", detail=f"{path} cannot be written; give another --output-dir"
        )
    free = shutil.disk_usage(nearest).free
    found = f"{path}, {free / _GIB:.1f} GiB free"
    if free < _LEAST_DISK:
        return Check(name="output folder", status="warning", detail=f"{found}; a long sweep may fill the disk")
    return Check(name="output folder", status="ok", detail=found)


def _image_datasets(data_dir: Path | None) -> Iterator[Check]:
    from smartmixed_search.datasets import data_directory
    from smartmixed_search.datasets.mnist import FOLDERS, missing_files, raw_folder, read_mnist
    from smartmixed_search.datasets.torchvision_sets import SETS

    try:
        folder = data_directory(data_dir)
    except DatasetError as error:
        yield Check(name="image datasets", status="warning", detail=str(error))
        return
    for name in FOLDERS:
        try:
            read_mnist(name, folder)
            yield Check(name=name, status="ok", detail=f"found in {raw_folder(name, folder)}")
        except DatasetError as error:
            yield Check(name=name, status="warning" if missing_files(name, folder) else "problem", detail=str(error))
    others = f"{', '.join(SETS)}: looked for in {folder}, and downloaded when they are first asked for"
    yield Check(name="other images", status="ok", detail=others)


def _pools() -> Check:
    """Say what `pool` may name."""
    from smartmixed_search.method.activations import known_activations
    from smartmixed_search.method.functions import POOLS

    named = [f"{pool} ({', '.join(names)})" for pool, names in POOLS.items()]
    others = [name for name in known_activations() if not any(name in names for names in POOLS.values())]
    return Check(name="pools", status="ok", detail=f"{', '.join(named)}; in none of them: {', '.join(others)}")


def _tracking(tracking_uri: str | None, output_dir: Path) -> Check:
    from smartmixed_search.tracking.store.store import advice, check_store, resolve_tracking_uri

    try:
        uri = resolve_tracking_uri(tracking_uri, output_dir)
        detail = check_store(uri)
        if (better := advice(uri)) is not None:
            return Check(name="tracking store", status="warning", detail=f"{detail}, but {better}")
        return Check(name="tracking store", status="ok", detail=detail)
    except TrackingError as error:
        return Check(name="tracking store", status="problem", detail=str(error))
