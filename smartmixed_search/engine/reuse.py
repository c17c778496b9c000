"""Networks that an earlier trial has trained already: baselines do not depend on how SmartMixed selects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import NetworkResult, value_at
from smartmixed_search.trials.result import TrialResult

ENVIRONMENT = ("dataset_checksum", "device", "device_name", "threads", "torch", "numpy")
"""What must agree, of the environments of two trials, for networks of one to count as trained by the other."""


def reusable(
    config: TrialConfig, environment: Mapping[str, str], earlier: TrialResult | None, test_examples: Sequence[int]
) -> list[NetworkResult]:
    """Return those networks of an earlier result that training them again would give again.

    Fixed strategies and `random-mixed` depend on nothing that `TrialConfig.baseline_key` leaves out, except for
    `test_at_handoff`, which is of this trial's selection length.

    Args:
        config: of the trial that is to reuse them.
        environment: where it runs, see `ENVIRONMENT`.
        earlier: the other trial; None: there is none.
        test_examples: size of the test part of every split of the data.

    Returns:
        Networks with `reused_from`; of a member all of the trial's replicates, or none.
    """
    if earlier is None or earlier.config.baseline_key != config.baseline_key:
        return []
    if any(earlier.environment.get(name) != environment[name] for name in ENVIRONMENT):
        return []
    found = list(_reused(config, earlier, test_examples))
    counts = {name: sum(network.strategy == name for network in found) for name in config.members}
    return [network for network in found if counts[network.strategy] == config.all_replicates]


def _reused(config: TrialConfig, earlier: TrialResult, test_examples: Sequence[int]) -> Iterator[NetworkResult]:
    for network in earlier.networks:
        examples = test_examples[network.replicate % config.splits]
        known = str(config.selection_epochs) in network.test_at
        if network.strategy in config.baselines and network.replicate < config.all_replicates and known:
            at_handoff = value_at(config.selection_epochs, network.test_at, earlier.metric, examples)
            yield replace(network, test_at_handoff=at_handoff, reused_from=network.reused_from or earlier.key)
