"""What a process may use of its machine, told from control groups as Linux shows them."""

import os
from pathlib import Path

import pytest

from smartmixed_search.system import machine

GROUPS = dict[str, str]


@pytest.fixture
def grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Let a machine of 8 CPUs have the given control groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")

    def make(own: str, files: GROUPS) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return make


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound here")
def test_only_the_cpus_that_the_process_is_bound_to_count() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert machine.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/job/step\n", {"job/step/cpu.max": "max 100000\n", "job/cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/host/path\n", {"cpu.max": "300000 100000\n"}, 3),
        (
            "4:cpu,cpuacct:/job\n1:name=systemd:/\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"},
            4,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("", {}, 8),
    ],
    ids=["around", "below one", "unlimited", "named outside", "version 1", "version 1 unlimited", "none"],
)
def test_a_quota_bounds_the_cpus(grouped: object, own: str, files: GROUPS, expected: int) -> None:
    grouped(own, files)
    assert machine.usable_cpus() == expected


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/job/step\n", {"job/step/memory.max": "max\n", "job/memory.max": "1000\n"}),
        ("5:memory:/job\n", {"memory/job/memory.limit_in_bytes": "1000\n"}),
    ],
    ids=["version 2", "version 1"],
)
def test_a_limit_bounds_the_memory(grouped: object, own: str, files: GROUPS) -> None:
    grouped(own, files)
    assert machine.machine_memory() == 1000


def test_without_control_groups_the_memory_is_the_machine_s(grouped: object) -> None:
    grouped("", {})
    assert machine.machine_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
