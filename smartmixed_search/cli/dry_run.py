"""`run --dry-run`: what a sweep would cost on this machine."""

from collections import Counter
from pathlib import Path

import click
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.estimate import Estimate, estimate
from smartmixed_search.machine import usable_cpus
from smartmixed_search.search.cluster import slots, trial_resources
from smartmixed_search.search.progress import format_duration
from smartmixed_search.search.proposals import Proposer
from smartmixed_search.space import SearchSpace

_GIB = 2**30
_MOST_CONFIGS = 200  # more say nothing new about the cost


def print_estimate(space: SearchSpace, data_dir: Path | None, concurrency: int | None) -> None:
    """Validate a sweep against data and machine, time one step, and print the cost on stdout.

    What Optuna will propose is not known yet; an architecture's first proposal stands for all its trials.

    Raises:
        UserError: the data or the resources asked for are not there.
    """
    dataset = load_dataset(space.dataset, data_dir)
    machine = [{"CPU": float(usable_cpus()), "GPU": float(torch.cuda.device_count())}]
    wanted = space.resources
    resources = trial_resources(wanted.cpus_per_trial, wanted.gpus_per_trial, machine)
    torch.set_num_threads(resources.threads)
    proposer = Proposer(space)
    drawn = min(space.trials, space.architectures or space.trials, _MOST_CONFIGS)
    configs = [proposer.propose(number).config for number in range(drawn)]
    cost = estimate(configs, space.trials, dataset, "cuda" if resources.gpus else "cpu")
    at_once = min(space.trials, concurrency or slots(resources, machine))
    click.echo(_describe(space, cost, at_once, Counter(config.epochs for config in configs).most_common(1)[0][0]))


def _describe(space: SearchSpace, cost: Estimate, at_once: int, epochs: int) -> str:
    smallest, largest = cost.parameters
    split = f"; it does not fit at once, so it is trained in at least {cost.parts} parts" if cost.parts > 1 else ""
    parameters = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
    return "\n".join(
        [
            f"{space.name} on {space.dataset}: {cost.trials} trials × {cost.networks} networks × {epochs} epochs"
            f" = {cost.network_epochs:,} network epochs",
            f"parameters of a network: {parameters}",
            f"memory of the largest trial: {cost.memory / _GIB:.2f} GiB, data included{split}",
            f"time: about {format_duration(cost.seconds / at_once)} (h:mm:ss) with {at_once} at once on this machine,"
            " from timed steps of either phase",
        ]
    )
