import random
from collections import Counter
from typing import Any

import pytest

from smartmixed_search.search.proposing.proposals import Proposal, Proposer
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED

LISTED = {"dataset": "digits", "architecture": {"choices": ["16-8", 32, "8"]}}
SAMPLED = {"dataset": "digits", "architecture": {"depth": {"low": 1, "high": 3}, "width": {"low": 8, "high": 64}}}
RANGES = {"phase_fraction": {"low": 0.05, "high": 0.5}, "temperature": {"low": 0.1, "high": 3.0, "log": True}}
CHOICES = {"phase_fraction": {"choices": [0.25, 0.125]}, "temperature": {"choices": [1.0, 0.3]}}
RATE = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}

SPACES = {
    "tpe": LISTED | RANGES | RATE,
    "random": LISTED | RANGES | RATE | {"sampler": "random"},
    "joint": LISTED | RANGES | RATE | {"search": "joint"},
    "joint sampled": SAMPLED | RANGES | RATE | {"search": "joint"},
    "steps": SAMPLED | RANGES | {"phase_fraction": {"low": 0.05, "high": 0.5, "step": 0.025}},
    "grid": LISTED | CHOICES | {"sampler": "grid"},
}


def make(*parts: dict[str, Any]) -> SearchSpace:
    plain: dict[str, Any] = {}
    for part in parts:
        plain |= part
    return SearchSpace.from_dict(plain)


def value_of(proposal: Proposal) -> float:
    """An objective with its best value at a phase fraction of 0.4 and a temperature of 2."""
    return -abs(proposal.config.phase_fraction - 0.4) - abs(proposal.config.temperature - 2.0)


def run(proposer: Proposer, count: int) -> list[Proposal]:
    proposals = []
    for number in range(count):
        proposals.append(proposer.propose(number))
        proposer.tell(proposals[-1], FINISHED, value_of(proposals[-1]))
    return proposals


@pytest.mark.parametrize("name", SPACES)
def test_proposals_depend_on_what_was_told_and_not_on_its_order(name: str) -> None:
    space = make(SPACES[name])
    settled = run(Proposer(space), 20)
    expected = run(Proposer(space), 21)[-1]
    shuffled = Proposer(space)
    for proposal in random.Random(0).sample(settled, len(settled)):
        shuffled.tell(proposal, FINISHED, value_of(proposal))
    assert shuffled.propose(20) == expected


@pytest.mark.parametrize("name", SPACES)
def test_proposals_that_are_running_change_nothing(name: str) -> None:
    space = make(SPACES[name])
    alone, beside = Proposer(space), Proposer(space)
    for proposal in run(Proposer(space), 15):
        alone.tell(proposal, FINISHED, value_of(proposal))
        beside.tell(proposal, FINISHED, value_of(proposal))
    for running in (17, 15, 16):
        beside.propose(running)
    assert beside.propose(18) == alone.propose(18)


@pytest.mark.parametrize("name", ["tpe", "random", "joint", "joint sampled", "steps"])
def test_another_seed_proposes_other_settings(name: str) -> None:
    space, other = make(SPACES[name]), make(SPACES[name], {"seed": 1})
    assert run(Proposer(space), 14)[13].params != run(Proposer(other), 14)[13].params


@pytest.mark.parametrize("name", ["tpe", "random", "steps", "grid"])
def test_architectures_take_turns_and_begin_with_the_published_setting(name: str) -> None:
    space = make(SPACES[name], {"architectures": 3})
    proposals = run(Proposer(space), 6)
    architectures = list(space.draw_architectures())
    assert [proposal.config.architecture for proposal in proposals] == architectures * 2
    published = [(one.config.phase_fraction, one.config.temperature) == (0.125, 0.3) for one in proposals]
    assert published == [True] * 3 + [False] * 3


def test_nothing_is_published_that_the_space_does_not_contain() -> None:
    proposals = run(Proposer(make(LISTED, RANGES, {"temperature": {"low": 1, "high": 2}})), 3)
    assert all(1 <= proposal.config.temperature <= 2 for proposal in proposals)


def test_the_published_setting_leaves_the_final_temperature_to_optuna() -> None:
    final = {"low": 0.01, "high": 0.1}
    proposal = Proposer(make(LISTED, RANGES, {"temperature_final": final})).propose(0)
    assert proposal.config.temperature == proposal.params["temperature"] == 0.3
    assert 0.01 <= proposal.params["temperature_final"] == proposal.config.temperature_final <= 0.1


def test_training_settings_never_see_a_result() -> None:
    space = make(SPACES["tpe"])
    low, high = Proposer(space), Proposer(space)
    for number in range(20):
        proposal = low.propose(number)
        low.tell(proposal, FINISHED, proposal.config.learning_rate)
        high.tell(proposal, FINISHED, -proposal.config.learning_rate)
    assert low.propose(20).config.learning_rate == high.propose(20).config.learning_rate
    assert low.propose(20).params != high.propose(20).params


def test_tpe_goes_where_the_objective_is_high() -> None:
    proposals = run(Proposer(make(SPACES["tpe"])), 60)
    early, late = (sum(map(value_of, part)) / 20 for part in (proposals[3:23], proposals[40:60]))
    assert late > early + 0.2


def test_random_search_learns_nothing() -> None:
    space = make(SPACES["random"])
    told = run(Proposer(space), 20)
    assert Proposer(space).propose(15) == told[15]


@pytest.mark.parametrize(("status", "ignored"), [(FAILED, True), (STOPPED, False)])
def test_failed_trials_teach_nothing_and_stopped_ones_do(status: str, ignored: bool) -> None:
    space = make(SPACES["tpe"])
    without, given = Proposer(space), Proposer(space)
    proposals = run(Proposer(space), 15)
    for proposal in proposals[:-1]:
        without.tell(proposal, FINISHED, value_of(proposal))
        given.tell(proposal, FINISHED, value_of(proposal))
    given.tell(proposals[-1], status, None)
    assert (without.propose(15) == given.propose(15)) is ignored


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_what_is_settled_is_not_proposed_again_while_something_else_is_left(sampler: str) -> None:
    space = make(LISTED, CHOICES, {"architecture": "8", "sampler": sampler})
    assert len({proposal.config.key for proposal in run(Proposer(space), 4)}) == 4


def test_an_exhausted_space_still_proposes() -> None:
    space = make(LISTED, {"architecture": "8", "phase_fraction": 0.125, "temperature": 0.3})
    assert [proposal.config for proposal in run(Proposer(space), 3)] == [space.config((8,), {})] * 3


def test_grid_visits_every_cell_of_every_architecture_and_begins_anew() -> None:
    proposals = run(Proposer(make(SPACES["grid"])), 24)
    keys = [proposal.config.key for proposal in proposals]
    assert len(set(keys[:12])) == 12
    assert keys[12:] == keys[:12]
    assert proposals[0].params == {"phase_fraction": 0.125, "temperature": 0.3}


def test_steps_propose_the_decimal_numbers_one_would_write() -> None:
    proposals = run(Proposer(make(SPACES["steps"])), 40)
    assert {proposal.config.phase_fraction for proposal in proposals} <= {step / 1000 for step in range(50, 525, 25)}


def test_joint_search_proposes_architectures_that_keep_the_shape() -> None:
    for proposal in run(Proposer(make(SPACES["joint sampled"])), 30):
        widths = proposal.config.architecture
        assert list(widths) == sorted(widths, reverse=True)
        assert proposal.params["depth"] == len(widths)
        assert [proposal.params[f"width_{layer}"] for layer in range(len(widths))] == list(widths)


def test_joint_search_begins_every_architecture_with_the_published_setting() -> None:
    proposals = run(Proposer(make(SPACES["joint"])), 12)
    seen = Counter[tuple[int, ...]]()
    for proposal in proposals:
        published = (proposal.config.phase_fraction, proposal.config.temperature) == (0.125, 0.3)
        assert published == (seen[proposal.config.architecture] == 0)
        seen[proposal.config.architecture] += 1
    assert len(seen) > 1


def test_joint_search_of_one_architecture_has_no_architecture_to_propose() -> None:
    proposal = Proposer(make(SPACES["joint"], {"architectures": 1})).propose(0)
    assert proposal.config.architecture == (16, 8)
    assert set(proposal.params) == {"phase_fraction", "temperature", "learning_rate"}


def test_joint_search_with_constant_depth_and_width() -> None:
    fixed = {"depth": 2, "width": 8}
    proposal = Proposer(make(SPACES["joint sampled"], {"architecture": fixed})).propose(0)
    assert proposal.config.architecture == (8, 8)
    assert set(proposal.params) == {"phase_fraction", "temperature", "learning_rate"}
