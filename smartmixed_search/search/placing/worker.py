"""The work of one trial, wherever Ray places it: read the dataset, train, make the result durable."""

import os
import socket
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import TrialInterrupted
from smartmixed_search.errors.messages import in_short
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.trial_directory import TrialDirectory
from smartmixed_search.search.placing.cluster import TrialResources
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.determinism import deterministic
from smartmixed_search.system.files import remove_temporaries, write_atomically
from smartmixed_search.system.plugins import import_plugins
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.metrics import modules_of
from smartmixed_search.trials.result import TrialResult

REPORT_SECONDS = 1.0
STOP_SECONDS = 1.0
"""How often a trial looks whether it is to stop."""

TrialFunction = Callable[..., TrialResult]
"""`run_trial`, or a module-level function of its signature."""


@dataclass(frozen=True, kw_only=True)
class SharedDataset:
    """A dataset in Ray's object store: one copy on every node, read in place."""

    checksum: str
    arrays: ray.ObjectRef
    facts: ray.ObjectRef

    @classmethod
    def put(cls, dataset: Dataset) -> "SharedDataset":
        """Store a dataset."""
        arrays, facts = (
            ray.put([one.arrays() for one in dataset.splits]),
            ray.put([one.facts for one in dataset.splits]),
        )
        return cls(checksum=dataset.checksum, arrays=arrays, facts=facts)

    def get(self) -> Dataset:
        """Return the dataset on the CPU, over the stored memory."""
        stored = zip(*ray.get([self.arrays, self.facts]), strict=True)
        first, *others = (Dataset.from_arrays(arrays, **facts) for arrays, facts in stored)
        return replace(first, others=tuple(others)) if others else first


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all trials of a sweep share."""

    run: TrialFunction
    dataset: SharedDataset
    resources: TrialResources
    directory: SweepDirectory
    space: SearchSpace
    folder: str | None = None
    """The driver's current folder, where plugins may be."""
    reuse: bool = True
    """Whether trials may take over each other's baselines."""
    deterministic: bool = False
    """Whether a GPU is told to be; see `determinism`."""


def trainable(job: Job) -> Callable[[dict[str, Any]], None]:
    """Return the function that Ray Tune calls with every suggestion, `{"number", "config", "baselines_of"}`."""

    def train(suggestion: dict[str, Any]) -> None:
        # A busy machine may need longer to end a trial than the 2 seconds that Tune waits.
        os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "60"
        if not job.resources.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves it as it is, and whatever is trained may look for one
        import_plugins(modules_of(job.space.options), job.folder)
        work(job, TrialConfig.from_dict(suggestion["config"]), tune.report, suggestion["baselines_of"])

    return train


def work(
    job: Job, config: TrialConfig, send: Callable[[dict[str, Any]], None], baselines_of: str | None = None
) -> None:
    """Train a trial and make its result durable, unless an earlier attempt has done so.

    Whatever the trial raises is also written to `error.txt` in the trial's directory. Where no trial could go on, the
    driver is told why as `halt`, and it is not the trial that fails.
    """
    files = job.directory.trial(config.key)
    try:
        if not job.directory.resolved.exists():
            send({"halt": job.directory.unshared(socket.gethostname())})
            return
        files.path.mkdir(parents=True, exist_ok=True)
        remove_temporaries(files.path)
        files.error.unlink(missing_ok=True)
        if files.load_whole() is None:
            with deterministic(job.deterministic):
                result = _train(job, config, files, send, baselines_of)
            files.save_result(result)
    except TrialInterrupted:
        return
    except Exception as error:
        if (halt := job.directory.unusable(error)) is not None:
            send({"halt": halt})
            return
        write_atomically(files.error, f"{in_short(error)}\n\n{traceback.format_exc()}")
        raise


class EpochReports:
    """Passes a trial's epochs on to the driver: those at rungs, others so seldom that small trials are not slowed."""

    def __init__(
        self,
        send: Callable[[dict[str, Any]], None],
        rungs: Collection[int] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._rungs = rungs
        self._clock = clock
        self._sent_at = clock()

    def __call__(self, epoch: int, metrics: dict[str, float]) -> None:
        """Report an epoch, counted from 0, if it is one to compare or the last report is long enough ago."""
        if epoch + 1 in self._rungs or self._clock() - self._sent_at >= REPORT_SECONDS:
            self._send({"epoch": epoch, **metrics})
            self._sent_at = self._clock()


class StopRequest:
    """Looks, now and then, whether the driver asks the running trials to stop."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_at = clock()

    def __call__(self) -> bool:
        """Whether it does."""
        if self._clock() - self._looked_at < STOP_SECONDS:
            return False
        self._looked_at = self._clock()
        return self._path.exists()


def _train(
    job: Job,
    config: TrialConfig,
    files: TrialDirectory,
    send: Callable[[dict[str, Any]], None],
    baselines_of: str | None,
) -> TrialResult:
    torch.set_num_threads(job.resources.threads)
    device = "cuda" if job.resources.gpus > 0 and torch.cuda.is_available() else "cpu"
    dataset = _resident_dataset(job.dataset, device)
    if device == "cuda":
        torch.cuda.empty_cache()  # what an earlier trial of this worker left reserved belongs to the GPU's other trials
    return job.run(
        config,
        dataset,
        device=device,
        report=EpochReports(send, job.space.rungs),
        weights_path=files.weights,
        state_dir=files.state,
        stop=StopRequest(job.directory.stop),
        reuse=None if baselines_of is None else job.directory.trial(baselines_of).load_result(),
        handoff_epochs=job.space.selection_lengths(config.epochs) if job.reuse else (),
    )


_resident: dict[tuple[str, str], Dataset] = {}


def _resident_dataset(shared: SharedDataset, device: str) -> Dataset:
    """Return the dataset on the device; a reused worker has it there already."""
    which = shared.checksum, device
    if which not in _resident:
        _resident.clear()
        _resident[which] = shared.get().to(device)
    return _resident[which]
