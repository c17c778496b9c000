"""The memory of this machine."""

import os
from pathlib import Path

_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, unless it says `max`


def machine_memory() -> int:
    """Return the bytes of memory that this machine has, or the container that this process runs in."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(_LIMIT.read_text()))
    except (OSError, ValueError):
        return memory
