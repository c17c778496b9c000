"""What `doctor` says of this machine, and of machines that are not well."""

import os
import re
import shutil
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from smartmixed_search.cli import diagnosis
from smartmixed_search.cli.diagnosis import Check, diagnose
from smartmixed_search.datasets.load import DATASETS
from smartmixed_search.errors import ResourceError
from smartmixed_search.search.placing.ray_files import check_ray_folder
from tests.helpers.idx_files import files, stored

Checks = dict[str, Check]


def checks(tmp_path: Path, **places: object) -> Checks:
    """Return the checks by name, of an empty folder unless places are given."""
    defaults = {"output_dir": tmp_path / "runs", "tracking_uri": None, "data_dir": tmp_path / "data"}
    return {check.name: check for check in diagnose(**(defaults | places))}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare these tests the import of Ray, torchvision and MLflow."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("ray", "torchvision"):
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
        monkeypatch.setattr(sys.modules[name], "__version__", "1.2.3", raising=False)


def test_a_sound_machine_has_no_problem(tmp_path: Path) -> None:
    assert {check.status for check in checks(tmp_path).values()} <= {"ok", "warning"}


def test_every_detail_is_one_line(tmp_path: Path) -> None:
    assert all(check.detail and "\n" not in check.detail for check in checks(tmp_path).values())


def test_nothing_is_created(tmp_path: Path) -> None:
    checks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_versions_of_what_the_package_needs_are_named(tmp_path: Path) -> None:
    found = checks(tmp_path)["packages"].detail
    assert f"numpy {np.__version__}" in found
    assert "pytest" not in found


def test_pools_and_their_functions_are_listed(tmp_path: Path) -> None:
    found = checks(tmp_path)["pools"].detail
    assert "modern (relu, leaky_relu, elu, gelu," in found
    assert found.endswith("in none of them: gelu_tanh, relu6, identity")


def test_a_missing_package_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.metadata.requires", lambda _: ["numpy>=2.0", "no-such[more]>=1", 'ruff; extra == "x"']
    )
    assert checks(tmp_path)["packages"] == Check(
        name="packages", status="problem", detail="no-such[more]>=1 missing; install smartmixed-search"
    )


def test_ray_that_does_not_import_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    check = checks(tmp_path)["ray"]
    assert (check.status, check.detail[:42]) == ("problem", "cannot be imported (ModuleNotFoundError: i")


def test_torchvision_that_does_not_import_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert checks(tmp_path)["torchvision"].status == "warning"


def test_little_memory_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated = os.sysconf
    monkeypatch.setattr(
        os, "sysconf", lambda name: 2**31 // stated("SC_PAGE_SIZE") if name == "SC_PHYS_PAGES" else stated(name)
    )
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(diagnosis, "usable_cpus", lambda: 2)
    assert checks(tmp_path)["processors"] == Check(
        name="processors", status="warning", detail="2 CPUs, 2.0 GiB of memory; run few trials at a time"
    )


def test_cpus_that_this_process_may_not_use_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(diagnosis, "usable_cpus", lambda: 1)
    detail = checks(tmp_path)["processors"].detail
    assert detail.startswith("1 CPU, ")
    assert detail.endswith("(of the machine's 64 CPUs, what this process may use)")


def test_a_token_file_that_is_not_there_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    assert checks(tmp_path)["ray's token"].status == "warning"
    (tmp_path / "none").touch()
    assert "ray's token" not in checks(tmp_path)


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_too_long_for_sockets_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"/tmp/{'x' * 60}")
    check = checks(tmp_path)["ray's folder"]
    assert (check.status, "set RAY_TMPDIR to a shorter one" in check.detail) == ("problem", True)


def test_a_folder_just_short_enough_for_sockets_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", f"/tmp/{'x' * 60}")
    with pytest.raises(ResourceError) as refused:
        check_ray_folder()
    most = int(re.findall(r"at most (\d+) bytes", str(refused.value))[0])
    monkeypatch.setenv("RAY_TMPDIR", f"/tmp/{'x' * (most - 5)}")
    assert len(str(check_ray_folder())) == most + len("/ray")
    monkeypatch.setenv("RAY_TMPDIR", f"/tmp/{'x' * (most - 4)}")
    with pytest.raises(ResourceError):
        check_ray_folder()


def test_a_user_without_a_home_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "SMARTMIXED_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    check = checks(tmp_path, data_dir=None)["image datasets"]
    assert (check.status, "--data-dir" in check.detail) == ("warning", True)


def test_gpus_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimpleNamespace(name="H200", total_memory=139 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: device)
    assert checks(tmp_path)["gpus"] == Check(name="gpus", status="ok", detail="H200 (139 GiB), H200 (139 GiB)")


def test_a_driver_that_does_not_fit_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def complain() -> bool:
        warnings.warn("CUDA initialization:\nthe driver is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", complain)
    expected = Check(name="gpus", status="warning", detail="CUDA initialization: the driver is too old")
    assert checks(tmp_path)["gpus"] == expected


def test_an_output_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    assert (
        checks(tmp_path)["output folder"].detail == f"{tmp_path / 'runs'} cannot be written; give another --output-dir"
    )


def test_a_read_only_output_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert checks(tmp_path)["output folder"].status == "problem"


def test_a_nearly_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**29))
    assert checks(tmp_path)["output folder"].status == "warning"


def test_image_datasets_are_found(tmp_path: Path) -> None:
    raw = stored(tmp_path / "data", files(), "KMNIST")
    assert checks(tmp_path)["kmnist"] == Check(name="kmnist", status="ok", detail=f"found in {raw}")


def test_every_known_dataset_is_named(tmp_path: Path) -> None:
    found = checks(tmp_path)
    assert [name for name in DATASETS if name not in found and name not in found["other images"].detail] == []


def test_absent_image_datasets_are_a_warning_that_says_how_to_get_them(tmp_path: Path) -> None:
    check = checks(tmp_path)["mnist"]
    assert (check.status, "set --data-dir or SMARTMIXED_DATA_DIR" in check.detail) == ("warning", True)


def test_a_truncated_image_dataset_is_a_problem(tmp_path: Path) -> None:
    name = "train-images-idx3-ubyte"
    stored(tmp_path / "data", files() | {name: files()[name][:-1]})
    assert checks(tmp_path)["mnist"].status == "problem"


def test_a_tracking_uri_that_cannot_work_is_a_problem(tmp_path: Path) -> None:
    assert checks(tmp_path, tracking_uri="ftp://example.org")["tracking store"].status == "problem"


def test_the_default_tracking_store_lies_in_the_output_folder(tmp_path: Path) -> None:
    check = checks(tmp_path)["tracking store"]
    assert check.detail.startswith(str(tmp_path / "runs" / "mlflow.db"))
