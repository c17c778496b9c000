"""`run --dry-run`: what a sweep would cost on this machine."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.datasets.dataset import describe_sizes
from smartmixed_search.engine.estimate import Estimate, estimate
from smartmixed_search.errors.messages import counted
from smartmixed_search.search.driving.progress import END_SECONDS
from smartmixed_search.search.placing.cluster import slots, trial_resources
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.search.sweep import ranking
from smartmixed_search.space.outlook import Reach, count_trials, remarks
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.durations import in_words
from smartmixed_search.system.machine import usable_cpus

_MIB, _GIB = 2**20, 2**30
_MOST_CONFIGS = 200  # more say nothing new about the cost
_START_SECONDS = 20.0
"""Until Ray has started and the first trial trains: 12 to 28 seconds on two cores."""
_RECORD_SECONDS = 2.5
"""For recording one trial in MLflow, beside the training."""


def print_estimate(
    space: SearchSpace, data_dir: Path | None, concurrency: int | None, step: Callable[[str], None]
) -> None:
    """Validate a sweep against data and machine, time one step, and print the cost on stdout.

    What Optuna will propose is not known yet; an architecture's first proposal stands for all its trials.

    Args:
        space: of the sweep.
        data_dir: where image datasets are.
        concurrency: trials at once, if not as many as fit.
        step: told what is being done.

    Raises:
        UserError: the data or the resources asked for are not there.
    """
    step(f"loading {space.dataset}")
    dataset = space.load_dataset(data_dir)
    ranks = ranking(space, dataset)
    machine = [{"CPU": float(usable_cpus()), "GPU": float(torch.cuda.device_count())}]
    wanted = space.resources
    resources = trial_resources(wanted.cpus_per_trial, wanted.gpus_per_trial, machine)
    torch.set_num_threads(resources.threads)
    proposer = Proposer(space)
    trials = count_trials(space, space.trials)
    drawn = min(trials, space.architectures or trials, _MOST_CONFIGS)
    configs = [proposer.propose(number).config for number in range(drawn)]
    step("timing steps of the smallest and of the largest stack")
    cost = estimate(configs, trials, dataset, "cuda" if resources.gpus else "cpu")
    at_once = min(trials, concurrency or slots(resources, machine))
    for note in dataset.notes:
        click.echo(note)
    for warning in dataset.warnings:
        click.echo(f"warning: {warning}")
    click.echo(_describe_data(dataset, [config.train_examples for config in configs]))
    click.echo(ranks)
    click.echo(_describe(space, cost, at_once, Counter(config.epochs for config in configs).most_common(1)[0][0]))
    for line in (*remarks(space), Reach.of(space, len(dataset.x_train)).in_words()):
        click.echo(line)


def _describe_data(dataset: Dataset, limits: Sequence[int | None]) -> str:
    """Say what the sweep would see of the data; trials are limited to this many training examples, or not at all."""
    largest = max(limit or dataset.sizes["train"] for limit in limits)
    used = f", of which trials use {largest:,} at most" if largest < dataset.sizes["train"] else ""
    sizes = describe_sizes(dataset.sizes).replace(" to train on", f" to train on{used}")
    return f"{dataset.name}: {sizes}; x is {dataset.preparation}"


def _describe(space: SearchSpace, cost: Estimate, at_once: int, epochs: int) -> str:
    smallest, largest = cost.parameters
    split = f"; it does not fit at once, so it is trained in at least {cost.parts} parts" if cost.parts > 1 else ""
    parameters = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
    return "\n".join(
        [
            f"{space.name} on {space.dataset}: {counted(cost.trials, 'trial')} × "
            f"{counted(cost.networks, 'network')} × {epochs} epochs"
            f" = {cost.network_epochs:,} network epochs",
            f"parameters of a network: {parameters}",
            f"memory of the largest trial: {_size(cost.memory)}, data included{split}",
            _time(cost, at_once),
        ]
    )


def _size(memory: int) -> str:
    """Write a size in bytes in the unit in which it is not 0.00."""
    return f"{memory / _GIB:.2f} GiB" if memory >= _GIB else f"{memory / _MIB:.1f} MiB"


def _time(cost: Estimate, at_once: int) -> str:
    training = cost.seconds / at_once
    whole = _START_SECONDS + max(training, cost.trials * _RECORD_SECONDS) + END_SECONDS
    return (
        f"time: about {in_words(whole)} on this machine, {at_once} at once: {in_words(training)} of training, by timed "
        "steps of either phase; the rest to start Ray and to record in MLflow"
    )
