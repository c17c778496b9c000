"""How tests are spread over processes: a file's tests share one, and so do all files that share a Ray."""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
NEEDS_RAY = re.compile(r'\bray_session: None\b|usefixtures\("ray_session"\)')


@cache
def shares_ray(path: str) -> bool:
    """Return whether the tests of a file, named from the root, need the Ray that is started once."""
    return NEEDS_RAY.search((ROOT / path).read_text(encoding="utf-8")) is not None


class Spreading(LoadScopeScheduling):
    """Hands out files, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "ray" if shares_ray(path) else path
