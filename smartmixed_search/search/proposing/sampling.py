"""Optuna's samplers, asked without a study of their own: what is settled goes in, one proposal's values come out."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState, create_trial

from smartmixed_search.space.architectures import ListedArchitectures
from smartmixed_search.space.fields import Choices, Constant, Field, Range
from smartmixed_search.space.keys import TPE
from smartmixed_search.space.networks import DrawnNetworks
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.plain import Number, Value
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED

ARCHITECTURE, DEPTH, WIDTH = "architecture", "depth", "width"

STATES: Mapping[str, TrialState] = {
    FINISHED: TrialState.COMPLETE,
    FAILED: TrialState.FAIL,
    STOPPED: TrialState.PRUNED,
}
"""What Optuna calls the ways in which a trial ends."""

_NAME = "settled"
_NETWORK = "network."


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing every study that is created."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def width_parameter(layer: int) -> str:
    """Return the name under which Optuna knows the width of a layer, counted from 0."""
    return f"{WIDTH}_{layer}"


def network_parameter(name: str) -> str:
    """Return the name under which Optuna knows what a user's own factory is told."""
    return _NETWORK + name


def distributions(space: SearchSpace, params: Iterable[str]) -> dict[str, BaseDistribution]:
    """Return what Optuna may propose for each of a proposal's parameters."""
    return {name: _distribution(space, name) for name in params}


def _distribution(space: SearchSpace, parameter: str) -> BaseDistribution:
    if parameter in space.settings:
        return _field_distribution(space.settings[parameter])
    if isinstance(space.architecture, ListedArchitectures):
        return CategoricalDistribution(space.architecture.names[: space.architectures])
    if isinstance(space.architecture, DrawnNetworks):
        return _field_distribution(space.architecture.settings[parameter.removeprefix(_NETWORK)])
    return _field_distribution(space.architecture.depth if parameter == DEPTH else space.architecture.width)


def _field_distribution(field: Field) -> BaseDistribution:
    assert not isinstance(field, Constant), "a constant is not a parameter"
    if isinstance(field, Choices):
        return CategoricalDistribution(field.values)
    if field.whole:
        assert field.size is not None
        return IntDistribution(int(field.low), int(field.at(field.size - 1)), log=field.log, step=int(field.step or 1))
    # Optuna refuses a step that is not a short decimal; half a step more at either end gives each value its full share.
    margin = (field.step or 0) / 2
    return FloatDistribution(field.low - margin, field.high + margin, log=field.log)


class Observations:
    """Settled proposals as a sampler wants to see them, in the order of their numbers, however they were told."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._storage = InMemoryStorage()
        with quiet_optuna():
            self._study_id = self._storage.create_new_study([StudyDirection.MAXIMIZE], _NAME)
        self._length = 0
        self._common: dict[str, BaseDistribution] | None = None

    @property
    def common(self) -> dict[str, BaseDistribution]:
        """What all of them were proposed from and which leaves a choice, by name: what a sampler can propose jointly.

        Optuna's samplers infer the same, from every trial at every proposal.
        """
        return {name: one for name, one in sorted((self._common or {}).items()) if not one.single()}

    def add(self, number: int, params: Mapping[str, Any], status: str, value: float | None) -> None:
        """Add a settled proposal; failed ones teach nothing and are left out."""
        if status == FAILED:
            return
        while self._length <= number:  # running trials keep the places; the samplers ignore them
            self._storage.create_new_trial(self._study_id)
            self._length += 1
        trial = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        proposed = distributions(self._space, params)
        for name, one in proposed.items():
            self._storage.set_trial_param(trial, name, one.to_internal_repr(params[name]), one)
        known = proposed if self._common is None else self._common
        self._common = {name: one for name, one in known.items() if proposed.get(name) == one}
        self._storage.set_trial_state_values(trial, STATES[status], None if value is None else [value])

    def study(self, sampler: BaseSampler) -> Study:
        """Return a study of what has been added so far; a fresh one each time, since studies cache their trials."""
        return optuna.load_study(study_name=_NAME, storage=self._storage, sampler=sampler)


class Suggestion:
    """The values of one proposal, asked for one by one."""

    def __init__(self, observations: Observations, sampler: BaseSampler, number: int) -> None:
        self.params: dict[str, Any] = {}
        """What has been proposed so far."""
        self._sampler = sampler
        self._study = observations.study(sampler)
        self._trial = create_trial(state=TrialState.RUNNING)
        self._trial.number = number
        self._together = sampler.sample_relative(self._study, self._trial, observations.common)

    def number(self, name: str, field: Field) -> Number:
        """Propose a value of a field that holds only numbers."""
        value = self.value(name, field)
        assert isinstance(value, int | float), f"{name} is a number"
        return value

    def value(self, name: str, field: Field) -> Value:
        """Propose a value of a field; a constant is its own value, and no parameter."""
        if isinstance(field, Constant):
            return field.value
        proposed = self._propose(name, _field_distribution(field))
        value: Value = field.nearest(proposed) if isinstance(field, Range) else proposed
        self.params[name] = value
        return value

    def word(self, name: str, words: Sequence[str]) -> str:
        """Propose one of the words; a single one is not a parameter."""
        if len(words) == 1:
            return words[0]
        value: str = self._propose(name, CategoricalDistribution(words))
        self.params[name] = value
        return value

    def _propose(self, name: str, one: BaseDistribution) -> Any:
        if name in self._together:
            return self._together[name]
        return self._sampler.sample_independent(self._study, self._trial, name, one)


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Return a fresh sampler. Every argument that matters is named: Optuna's defaults change between versions."""
    if name != TPE:
        return RandomSampler(seed=seed)
    return TPESampler(
        seed=seed, n_startup_trials=10, n_ei_candidates=24, multivariate=True, group=False, constant_liar=False
    )
