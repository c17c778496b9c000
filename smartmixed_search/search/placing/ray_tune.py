"""Ray Tune as the placer of trials: thin adapters between Tune's hooks and a sweep's driver, and one call to run it.

Tune decides nothing and remembers nothing that matters. Its own snapshots are never read: a continued sweep is a fresh
Tuner for the trials that the ledger has no outcome for.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from smartmixed_search.search.driving.driver import SweepDriver
from smartmixed_search.search.keeping.events import LOST, MEMORY, RAISED
from smartmixed_search.search.placing.cluster import TrialResources
from smartmixed_search.search.placing.worker import Job, trainable
from smartmixed_search.system.files import is_local, remove

_SETTINGS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # plugins and relative paths mean the same in a worker as in the driver
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # else Tune itself tries again, without end
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the driver has its own
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # snapshots cost time, and nobody reads them
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How trials are placed."""

    resources: TrialResources
    concurrency: int
    """Trials at once, at most."""


class _Adapter:
    """Tune pickles its set-up into its scratch directory at the start; an adapter's driver must not go with it."""

    def __init__(self, driver: SweepDriver) -> None:
        self._driver = driver

    def __getstate__(self) -> dict[str, Any]:
        return {}


class QueueSearcher(_Adapter, Searcher):
    """Suggests what the driver hands out next, as `{"number", "config", "baselines_of"}`."""

    def __init__(self, driver: SweepDriver) -> None:
        Searcher.__init__(self)
        _Adapter.__init__(self, driver)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next trial, or that there is none; None if there is none before others have settled."""
        handout = self._driver.guard(self._driver.next)
        if handout is None:
            return None if self._driver.waiting else str(Searcher.FINISHED)
        proposal = handout.proposal
        config = proposal.config.to_dict()
        return {"number": proposal.number, "config": config, "baselines_of": handout.baselines_of}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Leave it to the callback, which learns of the same event with more detail."""

    def save(self, checkpoint_path: str) -> None:
        """Leave no snapshot."""


class DriverScheduler(_Adapter, FIFOScheduler):
    """Passes on every epoch, and stops the trials that the driver says."""

    def __init__(self, driver: SweepDriver) -> None:
        FIFOScheduler.__init__(self)
        _Adapter.__init__(self, driver)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return whether the trial goes on."""
        stop = self._driver.guard(lambda: self._driver.reported(trial.config["number"], result))
        return str(FIFOScheduler.STOP if stop else FIFOScheduler.CONTINUE)


class DriverCallback(_Adapter, Callback):
    """Tells the driver what becomes of the trials."""

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Let the driver do its regular work."""
        self._driver.guard(self._driver.tick)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Pass on that a trial has ended by itself, or was stopped."""
        host = (trial.last_result or {}).get("node_ip", "")
        self._driver.guard(lambda: self._driver.ended(trial.config["number"], host))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Pass on that an attempt has failed, with what Ray says of it."""
        message = Path(trial.error_file).read_text(encoding="utf-8")
        number, kind, host = trial.config["number"], setback_kind(message), _host(message)
        self._driver.guard(lambda: self._driver.failed(number, kind, host, message))


_RAISED = re.compile(r"(The actor died because of an error raised in its creation task, )?(\x1b\[\d+m)?ray::")
_OF_RAY = re.compile(r"^ray\.exceptions\.", re.MULTILINE)
_LOW_ON_MEMORY = "running low on memory"
_HOST = re.compile(r"\bip[:=] ?([0-9a-f.:]+)", re.IGNORECASE)


def setback_kind(message: str) -> str:
    """Return the kind of a setback by what Tune's file says of it: when it was, then what Ray raised.

    That is the traceback of a worker for what the trial raised, among it Ray's own errors, of an object that went down
    with its node, say; otherwise a sentence: of Ray's memory monitor, or on the end of a process or a node.
    """
    _, _, body = message.partition("\n")
    if _RAISED.match(body):
        return LOST if _OF_RAY.search(body) else RAISED
    return MEMORY if _LOW_ON_MEMORY in body else LOST


def _host(message: str) -> str:
    found = _HOST.search(message)
    return "" if found is None else found[1]


class DriverStopper(_Adapter, Stopper):
    """Ends the whole run, and never a single trial, when the driver wants to."""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Let the trial go on."""
        return False

    def stop_all(self) -> bool:
        """Return whether the driver wants to end."""
        return self._driver.stopping


def run_trials(driver: SweepDriver, job: Job, placement: Placement, scratch: Path) -> None:
    """Run trials until the driver has no more, or is stopping; it is told of everything that happens."""
    remove(scratch)  # of an earlier session
    resources = {"cpu": placement.resources.cpus, "gpu": placement.resources.gpus}
    with _quiet_tune():
        tune.Tuner(
            tune.with_resources(trainable(job), resources),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=QueueSearcher(driver),
                scheduler=DriverScheduler(driver),
                # Tune asks for this many trials at a time, too, so that starting up is not serial.
                max_concurrent_trials=placement.concurrency,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                **_storage(scratch),
                callbacks=[DriverCallback(driver)],
                stop=DriverStopper(driver),
                failure_config=tune.FailureConfig(max_failures=0),  # the driver counts, and hands out again
                verbose=0,
            ),
        ).fit()


def _storage(scratch: Path) -> dict[str, Any]:
    """Return where Tune keeps its files, as it wants to be told."""
    if is_local(scratch):
        return {"storage_path": str(scratch)}
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    storage: Any = scratch
    return {"storage_path": storage.path, "storage_filesystem": PyFileSystem(FSSpecHandler(storage.fs))}


@contextmanager
def _quiet_tune() -> Iterator[None]:
    """Set Tune's environment variables, and silence what it logs and prints: the driver says what there is to say."""
    before = {name: os.environ.get(name) for name in _SETTINGS}
    logger = logging.getLogger("ray.tune")
    level = logger.level
    os.environ.update(_SETTINGS)
    logger.setLevel(logging.CRITICAL)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
