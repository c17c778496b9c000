"""Keys of trials, keys of baselines and hashes of spaces are those of revision 898b56d.

Or a sweep begun then would train its trials once more, and baselines that others have trained.
"""

import pytest

from smartmixed_search.search.proposing.proposals import Proposer
from tests.helpers.identities import HASHES, KEYS, space


@pytest.mark.parametrize("name", HASHES)
def test_hash_of_a_space_never_changes(name: str) -> None:
    assert space(name).hash == HASHES[name]


@pytest.mark.parametrize("name", KEYS)
def test_keys_of_trials_never_change(name: str) -> None:
    proposer = Proposer(space(name))
    configs = [proposer.propose(number).config for number in range(len(KEYS[name]))]
    assert [(config.key, config.baseline_key) for config in configs] == KEYS[name]
