"""A trial function that ends only if a number of trials run at once; run as a program, a sweep of such trials."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from smartmixed_search.datasets import Dataset
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.result import TrialResult
from tests.helpers import trials

EXPECTED = 8
PATIENCE_SECONDS = 120.0


def meet(config: TrialConfig, dataset: Dataset, *, device: str, weights_path: Path, **options: Any) -> TrialResult:
    """Wait until all trials are here; leave a line on where this one was placed."""
    place = weights_path.parent.parent.parent / "meeting"
    place.mkdir(exist_ok=True)
    (place / config.key).write_text(f"{os.environ['CUDA_VISIBLE_DEVICES']} {device} {os.getpid()}")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(list(place.iterdir())) < EXPECTED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(list(place.iterdir()))} trials run at once")
        time.sleep(0.1)
    return trials.synthetic_result(config)


if __name__ == "__main__":
    from smartmixed_search.search.sweep import run_sweep
    from smartmixed_search.space.space import SearchSpace
    from tests.chaos import meeting

    resources = {"cpus_per_trial": 0.25, "gpus_per_trial": 0.25}
    space = SearchSpace.from_dict(trials.SPACE | {"trials": EXPECTED, "resources": resources})
    # With reuse, trials would wait for each other's baselines, and so would never all be here.
    options = {"max_failures": 0, "reuse": False, "run": meeting.meet}
    run_sweep(space, name="gpus", output_dir=sys.argv[1], ray_address=sys.argv[2], **options)
