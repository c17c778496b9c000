"""Confirmation: the best trials of a sweep once more, on seeds that the sweep never used."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import SweepError
from smartmixed_search.search.driving.progress import ProgressPrinter
from smartmixed_search.search.execution import Execution, ExecutionOptions, check_count
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.ledger import read_configs
from smartmixed_search.search.keeping.lock import refuse_if_held
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.placing.worker import TrialFunction
from smartmixed_search.search.proposing.proposals import Proposal
from smartmixed_search.search.session import Plan, carry_out
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.space.keys import as_read, as_recorded
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.plugins import import_plugins
from smartmixed_search.tracking.questions.confirmations import SweepToConfirm, sweep_to_confirm
from smartmixed_search.tracking.store.store import resolve_output_dir, resolve_tracking_uri
from smartmixed_search.trials.config import TrialConfig


def confirm_sweep(
    sweep: str | None = None,
    *,
    name: str | None = None,
    k: int = 3,
    replicates: int = 10,
    dataset: str | None = None,
    output_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    data_dir: str | Path | None = None,
    plugins: Sequence[str] = (),
    run: TrialFunction = run_trial,
    renew: Callable[..., object] | None = None,
    execution: Execution | None = None,
    **options: Unpack[ExecutionOptions],
) -> SweepSummary:
    """Train the k best trials of a sweep again, all their strategies and controls included, on seeds it never used.

    `compare` and `report` prefer what this measures. Whatever interrupts it, the same call continues; a larger k adds
    trials, another number of replicates begins again. It is not among the sweeps that `status` and `top` know.

    Args:
        sweep: its name; the latest by default. Only MLflow has to know it.
        name: of the confirmation; default: the sweep's, with "confirmed" and the number of replicates. Its seeds do
            not depend on it: under another name the same trials are trained once more, and the first ones count.
        k: how many trials, the best by validation objective.
        replicates: fresh seeds of each strategy.
        dataset: where the dataset's file is now; default: where the sweep found it.
        output_dir: folder or URI in which the confirmation gets a directory; default: `SMARTMIXED_OUTPUT_DIR`, else
            `smartmixed-runs`.
        tracking_uri: MLflow's store, which holds the sweep; default: `MLFLOW_TRACKING_URI`, else the SQLite store of
            the output directory.
        data_dir: folder of the image datasets, as for `load_dataset`.
        plugins: modules to import first. Those that the sweep names must be among them, or imported already: a store
            may be a stranger's.
        run: `run_trial`, or a module-level function of its signature.
        renew: called with the sweep's name, the store and whether to show `progress` once all is delivered; default:
            a report that is kept there is renewed.
        execution: how trials are run; the default is `Execution()`.
        options: fields of it, given one by one; see `Execution`.

    Raises:
        UserError: something given is not valid, the sweep has no finished trial, or the data are not those it used.
    """
    check_count("k", k, 1)
    check_count("replicates", replicates, 1)
    execution = replace(execution or Execution(), **options)
    output = resolve_output_dir(output_dir)
    uri = resolve_tracking_uri(tracking_uri, output)
    import_plugins(plugins)
    printer = ProgressPrinter(sys.stderr, "margin", quiet=not execution.progress)
    printer.step("reading the sweep's best trials from MLflow")
    found = sweep_to_confirm(sweep, k, uri)
    directory = SweepDirectory.of(output, f"{found.name}-confirmed-{replicates}" if name is None else name)
    refuse_if_held(directory.lock, directory.name)
    printer.step(f"loading {dataset or found.space['dataset']}")
    data = load_dataset(dataset or found.space["dataset"], data_dir, **as_read(found.space))
    summary = carry_out(_plan(found, replicates, data, directory, uri, execution.resources or {}), execution, run)
    if not summary.undelivered and renew is not None:
        renew(found.name, uri, progress=execution.progress)
    return summary


def _plan(
    found: SweepToConfirm,
    replicates: int,
    data: Dataset,
    directory: SweepDirectory,
    uri: str,
    resources: Mapping[str, Any],
) -> Plan:
    if {"name": data.name, "checksum": data.checksum} != found.dataset:
        raise SweepError(
            f"a confirmation must be on the data of its sweep, {found.dataset['name']} ({found.dataset['checksum']}), "
            f"file name included, but got {data.name} ({data.checksum})"
        )
    confirms = Confirmed.of(found.name, found.best[0])
    fresh = [replace(config, seed=confirms.fresh_seed, replicates=replicates) for config in found.best]
    configs = _after(read_configs(directory.ledger), fresh)
    space = SearchSpace.from_dict(
        {
            **as_recorded(found.space),
            **{"seed": confirms.fresh_seed, "replicates": replicates, "scheduler": "none", "trials": len(configs)},
            "resources": {**found.space["resources"], **resources},
        }
    )
    resolved = Resolved.of(directory.name, space, data, confirms)
    directory.check(resolved)
    return Plan(
        space=space,
        dataset=data,
        directory=directory,
        resolved=resolved,
        tracking_uri=uri,
        proposer=_Listed(configs),
    )


def _after(begun: Sequence[TrialConfig], wanted: Sequence[TrialConfig]) -> list[TrialConfig]:
    """Return what was begun, in its order, and after it what is wanted and new."""
    known = {config.key for config in begun}
    return [*begun, *(config for config in wanted if config.key not in known)]


class _Listed:
    """Proposes one configuration after another."""

    def __init__(self, configs: Sequence[TrialConfig]) -> None:
        self._configs = configs

    def propose(self, number: int) -> Proposal:
        """Return the proposal of that number."""
        return Proposal(number=number, config=self._configs[number], params={})

    def tell(self, proposal: Proposal, status: str, value: float | None) -> None:
        """Learn nothing."""
