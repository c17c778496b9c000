"""SmartMixed's best networks in MLflow's registry: versions of one model per dataset, each with the trial it is of.

Everything is looked for before it is made, so repeating this after a crash or a lost answer completes what is missing.
A trial has one version at most, known by its run; one that is no longer among the best keeps it. Other data under a
dataset's name have a model of their own.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from smartmixed_search.analysis.identity import DIGITS
from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.errors import UserError
from smartmixed_search.export.served import returns, takes
from smartmixed_search.export.weights import TrainedNetwork
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.models.model_files import write_model
from smartmixed_search.tracking.models.networks import TrackedNetwork, read_tracked
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.uris import followed
from smartmixed_search.tracking.tables import columns

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

BEST = 3
"""Trials whose best network is registered."""

_PREFIX = "smartmixed-"
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
"""What no alias may be called."""
_READY = "READY"
_TAG_VERSIONS = "mlflow.modelVersions"
"""Says which versions a model is, in its own page and in rows of runs; MLflow's servers set it, its stores do not."""


@dataclass(kw_only=True)
class Registered:
    """How a sweep stands in the registry."""

    name: str
    """Of the registered model."""
    alias: str
    """Of the sweep's best version."""
    versions: list["ModelVersion"] = field(default_factory=list)
    """Of the sweep's best trials, best first."""
    left_out: list[str] = field(default_factory=list)
    """Why a trial has none, a sentence each."""


def model_name(dataset: str, checksum: str = "") -> str:
    """Return the name of the registered model of a dataset; with a checksum if other data had the dataset's name first.

    Example:
        >>> model_name("fashion-mnist"), model_name("train", "3f2a9188c0ffee00")
        ('smartmixed-fashion-mnist', 'smartmixed-train-3f2a91')
    """
    return _PREFIX + _plain(dataset) + (f"-{checksum[:DIGITS]}" if checksum else "")


def sweep_alias(sweep: str) -> str:
    """Return the alias that a sweep's best version has; MLflow's page and URIs know it by it.

    Example:
        >>> sweep_alias("quickstart-1a2b3c"), sweep_alias("v2.1")
        ('quickstart-1a2b3c', 'v2-1-49df08')
    """
    return _plain(sweep)


def _plain(text: str) -> str:
    """Return text of letters, digits, `_` and `-`; digits of a hash make up for characters it must replace."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", text)[:200]
    if plain == text and not _RESERVED.fullmatch(text):
        return text
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def register_best(client: "MlflowClient", sweep: "Run", trial_ids: Sequence[str]) -> Registered:
    """Register the best network of each trial unless it is, and give the first the sweep's alias.

    Args:
        client: of the store, whose registry is meant.
        sweep: the sweep's run.
        trial_ids: ids of the runs of its best trials, best first.
    """
    tags = sweep.data.tags
    found = Registered(name=_own_name(client, sweep), alias=sweep_alias(tags[schema.TAG_SWEEP]))
    known = _versions(client, found.name, trial_ids)
    for run_id in trial_ids:
        trial = None if run_id in known else client.get_run(run_id)
        try:
            found.versions.append(known[run_id] if trial is None else _register(client, found.name, sweep, trial))
        except UserError as error:
            key = "" if trial is None else trial.data.tags[schema.TAG_TRIAL]
            found.left_out.append(f"trial {key} has no model in MLflow ({error})")
    if found.versions:
        client.set_registered_model_alias(found.name, found.alias, str(found.versions[0].version))
        _name_versions(client, sweep, found.versions)
    return found


def _own_name(client: "MlflowClient", sweep: "Run") -> str:
    """Return the name of the model that a sweep's networks are versions of: no model has versions for unlike data."""
    dataset, checksum = sweep.data.tags[schema.TAG_DATASET], columns.checksum(sweep)
    name = model_name(dataset)
    known = client.search_registered_models(f"name = '{name}'")
    return name if not known or _is_of(client, known[0], sweep) else model_name(dataset, checksum)


def _is_of(client: "MlflowClient", model: "RegisteredModel", sweep: "Run") -> bool:
    """Whether a model is of a sweep's data; one of an earlier version is of the data of its oldest version's trial."""
    checksum = model.tags.get(schema.TAG_CHECKSUM)
    if checksum is None:
        of = [version.run_id for version in client.search_model_versions(f"name = '{model.name}'")]
        clause = f"attributes.run_id IN ({_listed(of)})"
        trials = runs.search(client, [sweep.info.experiment_id] if of else [], [clause], limit=1)
        checksum = next((columns.checksum(trial) for trial in trials), "")
        if checksum:
            client.set_registered_model_tag(model.name, schema.TAG_CHECKSUM, checksum)
    return checksum in ("", columns.checksum(sweep))


def _versions(client: "MlflowClient", name: str, trial_ids: Sequence[str]) -> "dict[str, ModelVersion]":
    if not trial_ids:
        return {}
    versions = client.search_model_versions(f"name = '{name}' AND run_id IN ({_listed(trial_ids)})")
    return {version.run_id: version for version in sorted(versions, key=lambda version: -int(version.version))}


def _name_versions(client: "MlflowClient", sweep: "Run", versions: "Sequence[ModelVersion]") -> None:
    by_run = {version.run_id: version for version in versions}
    clause = f"source_run_id IN ({_listed([*by_run])})"
    for model in client.search_logged_models([sweep.info.experiment_id], clause):
        if _TAG_VERSIONS not in model.tags:
            version = by_run[model.source_run_id]
            value = json.dumps([{"name": version.name, "version": int(version.version)}])
            client.set_logged_model_tags(model.model_id, {_TAG_VERSIONS: value})


def _listed(run_ids: Sequence[str]) -> str:
    return ", ".join(f"'{run_id}'" for run_id in run_ids)


def _register(client: "MlflowClient", name: str, sweep: "Run", trial: "Run") -> "ModelVersion":
    network = read_tracked(client, trial)
    model = _logged_model(client, trial, network)
    for run in (sweep, trial):
        _link(client, run, model.model_id)
    _make_registered_model(client, name, sweep)
    return client.create_model_version(
        name,
        followed(
            client.tracking_uri, model.artifact_location
        ),  # by `models:/ID` a SQL store would look where MLflow's global state points to
        run_id=trial.info.run_id,
        tags=_tags(trial, network),
        description=_description(trial, network),
        await_creation_for=0,
        model_id=model.model_id,
    )


def _logged_model(client: "MlflowClient", trial: "Run", network: TrackedNetwork) -> "LoggedModel":
    run_id, experiment_id = trial.info.run_id, trial.info.experiment_id
    made = list(client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"))
    for model in made:
        if model.status == _READY:
            return model
    with TemporaryDirectory() as folder:
        path = Path(folder, "model")
        write_model(network.network, path)
        (model,) = made[:1] or [
            client.create_logged_model(
                experiment_id,
                name=_PREFIX + trial.data.tags[schema.TAG_TRIAL],
                source_run_id=run_id,
                tags=_tags(trial, network),
            )
        ]
        client.log_model_artifacts(model.model_id, str(path))
    return client.finalize_logged_model(model.model_id, _READY)


def _link(client: "MlflowClient", run: "Run", model_id: str) -> None:
    """Show the model in a run's row, and on its page."""
    from mlflow.entities import LoggedModelOutput

    outputs = run.outputs.model_outputs if run.outputs else []
    if model_id not in (output.model_id for output in outputs):
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=0)])


def _make_registered_model(client: "MlflowClient", name: str, sweep: "Run") -> None:
    dataset, checksum = sweep.data.tags[schema.TAG_DATASET], columns.checksum(sweep)
    if client.search_registered_models(f"name = '{name}'"):
        return
    client.create_registered_model(
        name,
        tags={schema.TAG_SCHEMA: schema.VERSION, schema.TAG_DATASET: dataset, schema.TAG_CHECKSUM: checksum},
        description=(
            f"SmartMixed's best networks on {dataset}, by validation. They take examples as they are stored, and "
            "return the probabilities of the classes. A sweep's best one has the sweep's name as its alias."
        ),
    )


def _tags(trial: "Run", network: TrackedNetwork) -> dict[str, str]:
    of_trial = (schema.TAG_SCHEMA, schema.TAG_SWEEP, schema.TAG_TRIAL, schema.TAG_DATASET, schema.TAG_ARCHITECTURE)
    data = {schema.TAG_CHECKSUM: columns.checksum(trial)}
    replicate = network.network.replicate
    figures = {
        "phase_fraction": trial.data.params["phase_fraction"],
        "temperature": trial.data.params["temperature"],
        "replicate": str(replicate),
        "val_loss": f"{network.val_losses[replicate]:.6g}",
    }
    if replicate in network.tests:
        figures[network.scale.metric.test] = f"{network.tests[replicate]:.6g}"
    known = {tag: trial.data.tags[tag] for tag in of_trial}
    return known | data | {f"smartmixed.{name}": value for name, value in figures.items()}


def _takes(network: TrainedNetwork) -> str:
    if isinstance(network.preparation, TablePreparation):
        columns = ", ".join(feature.column.name for feature in network.preparation.features)
        return f"rows with the columns {columns}"
    return takes(network)


def _description(trial: "Run", network: TrackedNetwork) -> str:
    replicate, losses, scale = network.network.replicate, network.val_losses, network.scale
    known = network.tests.get(replicate)
    test = "unknown" if known is None else scale.plain(known) if scale.factor == 100 else scale.value(known)
    return (
        f"Replicate {replicate} of trial {network.trial} ({network.run_name}) of sweep {network.sweep}: validation "
        f"loss {losses[replicate]:.4f}, the lowest of {len(losses)}; test {scale.label} "
        f"{test}. It takes {_takes(network.network)}, and prepares them: "
        f"{network.network.preparation}. It returns {returns(network.network)}."
    )
