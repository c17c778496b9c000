"""What this process may use of its machine: CPUs and memory, less than all of them in a container or a job."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")  # both only on Linux


def usable_cpus() -> int:
    """Return how many CPUs this process may keep busy: those it is bound to, within its control groups' quotas."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([bound, *_quotas()])))


def machine_memory() -> int:
    """Return the bytes of memory that this machine has, or the container or job that this process runs in."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([whole, *_numbers("", "memory.max"), *_numbers("memory", "memory.limit_in_bytes")])


def _quotas() -> Iterator[float]:
    """Yield how many CPUs each control group allows; in version 1, less than none stands for no limit."""
    numbers = [*_numbers("", "cpu.max"), *_numbers("cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us")]
    return (quota / period for quota, period in zip(numbers[::2], numbers[1::2], strict=True) if quota > 0)


def _numbers(controller: str, *files: str) -> Iterator[int]:
    """Yield the numbers in these files of every control group that has them all; what is unlimited says a word."""
    for group in _groups(controller):
        try:
            yield from [int(word) for file in files for word in (group / file).read_text().split()]
        except (OSError, ValueError):
            continue


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and of all around it; of version 2 for the controller "".

    Inside a container the group's own name may be one of outside: then the outermost folder that is seen is the group.
    """
    lines = _OWN_GROUPS.read_text().splitlines() if _OWN_GROUPS.exists() else []
    for _, controllers, name in (line.split(":", 2) for line in lines):
        if controller in controllers.split(","):
            root = _GROUPS / controllers
            group = root / name.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


@contextmanager
def some_home() -> Iterator[None]:
    """Let a user who has no home, as in a container, have one where nothing can be written, for the context's length.

    Other packages ask for it when they are imported, MLflow for one, and cannot do without an answer.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
    else:
        yield
        return
    try:
        yield
    finally:
        del os.environ["HOME"]
