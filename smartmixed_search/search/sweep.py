"""A sweep: check everything given, and run what is left of it."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.search.directory import Resolved, SweepDirectory
from smartmixed_search.search.lock import refuse_if_held
from smartmixed_search.search.progress import ProgressPrinter
from smartmixed_search.search.proposals import Proposer
from smartmixed_search.search.session import Plan, carry_out, check_count
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.search.worker import TrialFunction
from smartmixed_search.space.outlook import Reach, remarks
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tracking.store import (
    DEFAULT_OUTPUT_DIR,
    OUTPUT_DIR_VARIABLE,
    check_store,
    require_schema,
    resolve_tracking_uri,
)

__all__ = ["SweepSummary", "run_sweep"]


def run_sweep(
    space: SearchSpace | str,
    *,
    name: str | None = None,
    trials: int | None = None,
    output_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    data_dir: str | Path | None = None,
    concurrency: int | None = None,
    ray_address: str | None = None,
    max_failures: int = 1,
    retry_failed: bool = False,
    reuse: bool = True,
    deterministic: bool = False,
    progress: bool = True,
    run: TrialFunction = run_trial,
) -> SweepSummary:
    """Launch a sweep, or continue the one of that name, and return when no trial is left to run.

    Nothing is written before everything given has been found valid. A trial that fails does not end the sweep. Ctrl-C
    and SIGTERM end it early; the summary says so, and the same call continues it, as it does after a crash.

    Args:
        space: the search space, or the name or path of one.
        name: the sweep's name; default: that of the space and six digits of its hash.
        trials: distinct configurations to settle; default: what the space says. More than before extend a sweep.
        output_dir: holds the sweep's directory: a folder, or a URI that fsspec knows; default:
            `SMARTMIXED_OUTPUT_DIR`, else `smartmixed-runs`.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else a SQLite file in the output directory.
        data_dir: see `load_dataset`.
        concurrency: trials at once, at most; default: as many as the cluster holds.
        ray_address: of a running Ray cluster; default: only this machine.
        max_failures: how often a trial that raises is tried again. Processes and nodes that are lost do not count,
            and have a bound of their own.
        retry_failed: whether trials that have failed for good are tried once more.
        reuse: whether trials take over baselines that an earlier trial of the sweep has trained under equal settings.
        deterministic: whether GPUs use only deterministic algorithms, slower ones where needed; a CPU always does.
        progress: whether the progress line is shown; it and all messages go to stderr.
        run: `run_trial`, or a module-level function of its signature.

    Raises:
        UserError: something given is not valid; no sweep has been begun or changed.
    """
    wanted = _resolve_space(space, trials)
    printer = ProgressPrinter(sys.stderr, wanted.options["objective"], quiet=not progress)
    printer.step(f"loading {wanted.dataset}")
    plan = _plan(wanted, name, output_dir, tracking_uri, data_dir)
    say_outlook(plan, wanted, printer)
    return carry_out(
        plan,
        concurrency=concurrency,
        ray_address=ray_address,
        max_failures=max_failures,
        retry_failed=retry_failed,
        reuse=reuse,
        deterministic=deterministic,
        progress=progress,
        run=run,
    )


def _plan(
    space: SearchSpace,
    name: str | None,
    output_dir: str | Path | None,
    tracking_uri: str | None,
    data_dir: str | Path | None,
) -> Plan:
    output = output_dir or os.environ.get(OUTPUT_DIR_VARIABLE) or DEFAULT_OUTPUT_DIR
    space = as_begun(space, name, output)
    directory = SweepDirectory.of(output, name or space.default_sweep_name)
    refuse_if_held(directory.lock, directory.name)
    dataset = load_dataset(space.dataset, data_dir)
    resolved = Resolved.of(directory.name, space, dataset)
    directory.check(resolved)
    uri = resolve_tracking_uri(tracking_uri, output)
    if directory.resolved.exists():  # it goes on also without the store, but not to change one for good
        require_schema(uri)
    else:
        check_store(uri)
    return Plan(
        space=space, dataset=dataset, directory=directory, resolved=resolved, tracking_uri=uri, proposer=Proposer(space)
    )


def say_outlook(plan: Plan, wanted: SearchSpace, printer: ProgressPrinter) -> None:
    """Say what is known before the first trial, and what of it a user should change also where no progress is shown."""
    if plan.space is not wanted:
        before = plan.space.to_dict()
        keys = ", ".join(f"{key} {'none' if before[key] is None else before[key]}" for key in wanted.unsaid)
        printer.say(f"{plan.directory.name} goes on with the defaults of when it was begun: {keys}")
    for remark in remarks(plan.space):
        printer.say(remark)
    reach = Reach.of(plan.space, len(plan.dataset.x_train))
    (printer.step if reach.enough else printer.say)(reach.in_words())


def as_begun(space: SearchSpace, name: str | None, output_dir: str | Path) -> SearchSpace:
    """Return a space with the defaults that were in force when its sweep was begun, if it was before they changed."""
    if not space.unsaid or (name is None and SweepDirectory.of(output_dir, space.default_sweep_name).begun is not None):
        return space
    before = space.former
    begun = SweepDirectory.of(output_dir, name or before.default_sweep_name).begun
    keeps = begun is not None and all(begun.space.get(key) == before.to_dict()[key] for key in space.unsaid)
    return before if keeps else space


def _resolve_space(space: SearchSpace | str, trials: int | None) -> SearchSpace:
    check_count("trials", trials, 1)
    if isinstance(space, str):
        space = SearchSpace.load(space)
    return space if trials is None else replace(space, trials=trials)
