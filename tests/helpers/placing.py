"""Trials without Ray: a sweep's trials in this process, one after another, for tests of anything but their placing."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.search import session
from smartmixed_search.search.driving.driver import SweepDriver
from smartmixed_search.search.keeping.events import RAISED
from smartmixed_search.search.placing import worker
from smartmixed_search.search.placing.ray_tune import Placement
from smartmixed_search.search.placing.worker import Job, work
from smartmixed_search.trials.config import TrialConfig

HERE = "127.0.0.1"


class _Stopped(BaseException):
    """The driver has a trial stopped."""


@dataclass(frozen=True)
class _Unshared:
    """A dataset that need not go anywhere."""

    dataset: Dataset

    @classmethod
    def put(cls, dataset: Dataset) -> "_Unshared":
        return cls(dataset)

    @property
    def checksum(self) -> str:
        return self.dataset.checksum

    def get(self) -> Dataset:
        return self.dataset


@contextmanager
def placed_here() -> Iterator[None]:
    """Within the context, sweeps and confirmations have their trials trained in this process, and know no Ray.

    A worker takes seconds to start. That Ray does the same is for the tests with a `ray_session`.
    """
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "ray_session", lambda address: nullcontext())
        patch.setattr(session, "watched", lambda *_: nullcontext())
        patch.setattr(session, "cluster_nodes", lambda: [{"CPU": 2.0}])
        patch.setattr(session, "SharedDataset", _Unshared)
        patch.setattr(session, "run_trials", _run_trials)
        patch.setattr(worker, "_resident", {})  # as in a process of its own
        yield
    torch.set_num_threads(threads)


def _run_trials(driver: SweepDriver, job: Job, placement: Placement, scratch: Path) -> None:
    """Call the driver as Ray Tune does that places one trial at a time."""
    while not driver.stopping and (handout := driver.guard(driver.next)) is not None:
        number, config = handout.proposal.number, TrialConfig.from_dict(handout.proposal.config.to_dict())

        def send(metrics: dict[str, Any], number: int = number) -> None:
            if driver.guard(lambda: driver.reported(number, metrics)):
                raise _Stopped

        try:
            work(job, config, send, handout.baselines_of)
            driver.guard(lambda number=number: driver.ended(number, HERE))
        except _Stopped:
            driver.guard(lambda number=number: driver.ended(number, HERE))
        except Exception:
            message = traceback.format_exc()
            driver.guard(lambda number=number, message=message: driver.failed(number, RAISED, HERE, message))
        driver.guard(driver.tick)
