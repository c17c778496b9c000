"""A sweep: check everything given, and run what is left of it."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.evaluation import uninformed
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.families import family_of
from smartmixed_search.search.driving.progress import ProgressPrinter
from smartmixed_search.search.execution import Execution, ExecutionOptions, check_count
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.lock import refuse_if_held
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.placing.worker import TrialFunction
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.search.session import Plan, carry_out
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.space.keys import as_recorded
from smartmixed_search.space.outlook import Reach, remarks
from smartmixed_search.space.resources import parse_resources
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tracking.store.store import (
    check_store,
    require_schema,
    resolve_output_dir,
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
    run: TrialFunction = run_trial,
    execution: Execution | None = None,
    **options: Unpack[ExecutionOptions],
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
        data_dir: folder of the image datasets, as for `load_dataset`.
        run: `run_trial`, or a module-level function of its signature.
        execution: how trials are run; the default is `Execution()`.
        options: fields of it, given one by one: `concurrency`, `ray_address`, `resources`, `max_failures`,
            `retry_failed`, `reuse`, `deterministic`, `progress`; see `Execution`.

    Raises:
        UserError: something given is not valid; no sweep has been begun or changed.
    """
    execution = replace(execution or Execution(), **options)
    wanted = _resolve_space(space, trials, execution.resources)
    printer = ProgressPrinter(sys.stderr, wanted.options["objective"], quiet=not execution.progress)
    printer.step(f"loading {wanted.dataset}")
    plan = _plan(wanted, name, output_dir, tracking_uri, data_dir)
    say_outlook(plan, wanted, printer)
    return carry_out(plan, execution, run)


def _plan(
    space: SearchSpace,
    name: str | None,
    output_dir: str | Path | None,
    tracking_uri: str | None,
    data_dir: str | Path | None,
) -> Plan:
    output = resolve_output_dir(output_dir)
    space = as_begun(space, name, output)
    directory = SweepDirectory.of(output, name or space.default_sweep_name)
    refuse_if_held(directory.lock, directory.name)
    dataset = space.load_dataset(data_dir)
    ranking(space, dataset)
    check_network(space, dataset)
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
    for note in plan.dataset.notes:
        printer.step(note)
    printer.step(ranking(plan.space, plan.dataset))
    for warning in plan.dataset.warnings:
        printer.say(f"warning: {warning}")
    for remark in remarks(plan.space):
        printer.say(remark)
    reach = Reach.of(plan.space, len(plan.dataset.x_train))
    (printer.step if reach.enough else printer.say)(reach.in_words())


def ranking(space: SearchSpace, dataset: Dataset) -> str:
    """Say what is learned and what ranks.

    Raises:
        ConfigError: that is not of the dataset's task, or cannot be computed.
    """
    metric = space.metric_for(dataset.task)
    uninformed(dataset.task, dataset.y_val, metric)
    best = "largest" if metric.direction == "max" else "smallest"
    improved = "SmartMixed's margin over the best fixed strategy" if space.options["objective"] == "margin" else "it"
    return f"task: {dataset.task.name}; {metric.label} ranks, the {best} first, and tuning improves {improved}"


def check_network(space: SearchSpace, dataset: Dataset) -> None:
    """Refuse, before anything is begun, a user's factory whose first network cannot be trained on a dataset.

    Raises:
        NetworkError: it cannot; see `families.examination`.
    """
    architecture = next(space.draw_architectures())
    family_of(architecture).sites(architecture, dataset.shape, dataset.task.outputs)


def as_begun(space: SearchSpace, name: str | None, output_dir: str | Path) -> SearchSpace:
    """Return a space with the defaults that were in force when its sweep was begun, if it was before they changed."""
    if not space.unsaid or (name is None and SweepDirectory.of(output_dir, space.default_sweep_name).begun is not None):
        return space
    before = space.former
    begun = SweepDirectory.of(output_dir, name or before.default_sweep_name).begun
    first = before.to_dict()
    keeps = begun is not None and all(as_recorded(begun.space)[key] == first[key] for key in space.unsaid)
    return before if keeps else space


def _resolve_space(space: SearchSpace | str, trials: int | None, resources: Mapping[str, Any] | None) -> SearchSpace:
    check_count("trials", trials, 1)
    if isinstance(space, str):
        space = SearchSpace.load(space, {"resources": resources})
    elif resources:
        space = replace(space, resources=parse_resources({**space.resources.to_plain(), **resources}))
    return space if trials is None else replace(space, trials=trials)
