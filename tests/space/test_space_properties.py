"""Whatever valid space somebody writes down: it survives as YAML and as a dict, and proposes only valid trials."""

import itertools
from fractions import Fraction
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from smartmixed_search.method.activations import PUBLISHED_POOL
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.space.files import read_yaml
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import CONTROLS, TrialConfig
from smartmixed_search.trials.records import FINISHED
from smartmixed_search.trials.rules import Words
from smartmixed_search.trials.settings import SETTINGS


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def fields(values: st.SearchStrategy[Any], *, grid: bool, whole: bool = False) -> st.SearchStrategy[Any]:
    """Constants, choices and ranges of such values; in a grid only ranges with a step."""
    pairs = st.lists(values, min_size=2, max_size=2, unique=True).map(sorted)
    stepped = pairs.flatmap(lambda pair: st.integers(1, 5).map(lambda parts: _stepped(pair[0], pair[1], parts, whole)))
    choices = st.lists(values, min_size=1, max_size=4, unique=True).map(lambda chosen: {"choices": chosen})
    plain = pairs.flatmap(lambda pair: st.booleans().map(lambda log: {"low": pair[0], "high": pair[1], "log": log}))
    return st.one_of(values, values.map(repr), choices, stepped, *([] if grid else [plain]))


def _stepped(low: float, high: float, parts: int, whole: bool) -> dict[str, float]:
    distance = float(Fraction(repr(high)) - Fraction(repr(low)))  # of the numbers as written: floats may be neighbours
    return {"low": low, "high": high, "step": max(1, int(distance) // parts) if whole else distance / parts * 0.99}


@st.composite
def architectures(draw: st.DrawFn) -> Any:
    names = st.lists(st.integers(1, 4096), min_size=1, max_size=5).map(lambda widths: "-".join(map(str, widths)))
    width = fields(st.integers(1, 4096), grid=False, whole=True)
    depth = st.one_of(st.integers(1, 5), st.just({"low": 1, "high": 6}), st.just({"choices": [1, 3, 8]}))
    sampled = {"depth": draw(depth), "width": draw(width), "shape": draw(st.sampled_from(["free", "non-increasing"]))}
    listed = {"choices": draw(st.lists(names, min_size=1, max_size=4, unique=True))}
    return draw(st.sampled_from([draw(names), draw(st.integers(1, 4096)), listed, sampled]))


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    sampler = draw(st.sampled_from(["tpe", "random", "grid"]))
    grid = sampler == "grid"
    positive = numbers(1e-6, 1e6)
    optional = {
        "phase_fraction": fields(numbers(0.001, 0.999), grid=grid),
        "temperature": fields(positive, grid=grid),
        "temperature_final": st.one_of(st.none(), fields(positive, grid=grid)),
        "epochs": fields(st.integers(2, 1000), grid=grid, whole=True),
        "learning_rate": fields(positive, grid=grid),
        "logit_learning_rate": st.one_of(st.none(), fields(positive, grid=grid)),
        "batch_size": fields(st.integers(1, 1000), grid=grid, whole=True),
        "clip_norm": fields(positive, grid=grid),
        "clamp": st.one_of(st.none(), st.just("none"), fields(positive, grid=grid)),
        "replicates": st.integers(1, 100),
        "seed": st.integers(0, 2**63 - 1),
        "trials": st.integers(1, 10**6),
        "strategies": st.one_of(st.just("all"), _some(PUBLISHED_POOL).map(lambda some: ["smartmixed", *some])),
        "controls": st.one_of(st.just("none"), _some(CONTROLS, least=0)),
        **{key: _words(one.rule.words, one.fixed) for key, one in SETTINGS.items() if isinstance(one.rule, Words)},
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", fullmatch=True),
        "search": st.just("settings") if grid else st.sampled_from(["settings", "joint"]),
        "resources": st.fixed_dictionaries({}, optional={"cpus_per_trial": numbers(0.1, 64)}),
    }
    dataset = draw(st.sampled_from(["digits", "mnist", "data/mine.npz"]))
    required = {"dataset": dataset, "architecture": draw(architectures()), "sampler": sampler}
    return required | draw(st.fixed_dictionaries({}, optional=optional))


def _words(words: tuple[str, ...], fixed: bool) -> st.SearchStrategy[Any]:
    one = st.sampled_from(words)
    return one if fixed else st.one_of(one, _some(words).map(lambda some: {"choices": some}))


def _some(names: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=least, unique=True)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(spaces())
def test_any_valid_space_survives_as_yaml_and_as_a_dict(plain: dict[str, Any]) -> None:
    space = SearchSpace.from_dict(plain)
    written = SearchSpace.from_dict(read_yaml(yaml.safe_dump(plain)))
    again = SearchSpace.from_dict(read_yaml(space.to_yaml()), name="ignored")
    assert space == written == again == SearchSpace.from_dict(space.to_dict())
    assert space.hash == written.hash == again.hash


@settings(deadline=None, max_examples=40, derandomize=True)
@given(spaces())
def test_every_proposal_is_a_valid_trial_of_the_space(plain: dict[str, Any]) -> None:
    space = SearchSpace.from_dict(plain)
    proposer = Proposer(space)
    for number in range(13):
        proposal = proposer.propose(number)
        proposer.tell(proposal, FINISHED, float(number))
        assert TrialConfig.from_dict(proposal.config.to_dict()) == proposal.config
        for key, field in space.settings.items():
            value = getattr(proposal.config, key)
            assert value is None or field.contains(value), (key, value)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(spaces())
def test_drawn_architectures_are_distinct(plain: dict[str, Any]) -> None:
    drawn = list(itertools.islice(SearchSpace.from_dict(plain | {"search": "settings"}).draw_architectures(), 20))
    assert len(set(drawn)) == len(drawn) >= 1
