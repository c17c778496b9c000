"""Proposals: which configuration a sweep tries as its n-th. Decides; runs nothing, and touches no disk.

Architectures, and training settings given as ranges, come from seeded random
draws that never see a result; Optuna proposes the length of the selection phase and the temperature. In a joint search
it proposes everything. A proposal is a function of the space, its seed, the number, and the outcomes told so far,
in whatever order they were told.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from smartmixed_search.families import parse_architecture
from smartmixed_search.search.proposing.sampling import (
    ARCHITECTURE,
    DEPTH,
    Observations,
    Suggestion,
    make_sampler,
    network_parameter,
    width_parameter,
)
from smartmixed_search.space.architectures import ListedArchitectures
from smartmixed_search.space.fields import Constant
from smartmixed_search.space.keys import GRID, JOINT
from smartmixed_search.space.networks import DrawnNetworks
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.settings import PUBLISHED_SETTING

_ATTEMPTS = 20
"""How often a proposal is drawn again if it is a trial that is settled already."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The n-th configuration of a sweep."""

    number: int
    """Counted from 0."""
    config: TrialConfig
    params: dict[str, Any]
    """What Optuna proposed: names and values as its study shows them."""


class Proposer:
    """Proposes configurations of a space, and learns from how they ended."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._observations = Observations(space)
        self._settled: set[str] = set()
        self._settled_architectures: set[Any] = set()
        self._draws = space.draw_architectures()
        self._drawn: list[Any] = []

    def propose(self, number: int) -> Proposal:
        """Return the proposal of that number; a grid begins again where it ends, so that duplicates tell of its end."""
        if self._space.sampler == GRID:
            return self._from_grid(number)
        rng = np.random.default_rng(self._entropy(number, "settings"))
        for seed in self._entropy(number, "proposals").generate_state(_ATTEMPTS):
            proposal = self._sampled(number, int(seed), rng)
            if proposal.config.key not in self._settled:
                break
        return proposal

    def tell(self, proposal: Proposal, status: str, value: float | None) -> None:
        """Take note of how a proposal ended: `finished` with its objective, `failed` or `stopped`; each ends once."""
        self._settled.add(proposal.config.key)
        self._settled_architectures.add(proposal.config.architecture)
        self._observations.add(proposal.number, proposal.params, status, value)

    def _entropy(self, number: int, stream: str) -> np.random.SeedSequence:
        return np.random.SeedSequence([self._space.seed, number, zlib.crc32(stream.encode())])

    def _architecture(self, number: int) -> Any:
        assert self._space.architectures is not None
        place = number % self._space.architectures
        while len(self._drawn) <= place:
            self._drawn.append(next(self._draws))
        return self._drawn[place]

    def _from_grid(self, number: int) -> Proposal:
        space, grid = self._space, self._space.grid
        assert space.architectures is not None
        values = grid.at(number // space.architectures % grid.size)
        params = {name: value for name, value in values.items() if not isinstance(space.settings[name], Constant)}
        return Proposal(number=number, config=space.config(self._architecture(number), params), params=params)

    def _sampled(self, number: int, seed: int, rng: np.random.Generator) -> Proposal:
        space = self._space
        suggestion = Suggestion(self._observations, make_sampler(space.sampler, seed), number)
        if space.search == JOINT:
            architecture = self._suggest_architecture(suggestion)
            first = architecture not in self._settled_architectures
        else:
            architecture = self._architecture(number)
            first = number < (space.architectures or 0)
        settings = {name: suggestion.value(name, space.settings[name]) for name in space.tunable}
        if first and space.contains_published:
            settings |= {name: value for name, value in PUBLISHED_SETTING.items() if name in settings}
        config = space.config(architecture, settings | space.draw_settings(rng))
        return Proposal(number=number, config=config, params=suggestion.params | settings)

    def _suggest_architecture(self, suggestion: Suggestion) -> Any:
        architecture = self._space.architecture
        if isinstance(architecture, ListedArchitectures):
            names = architecture.names[: self._space.architectures]
            return parse_architecture(suggestion.word(ARCHITECTURE, names))
        if isinstance(architecture, DrawnNetworks):
            fields = architecture.settings.items()
            return architecture.of({name: suggestion.value(network_parameter(name), field) for name, field in fields})
        depth = int(suggestion.number(DEPTH, architecture.depth))
        names = tuple(width_parameter(layer) for layer in range(depth))
        widths = architecture.ordered(tuple(int(suggestion.number(name, architecture.width)) for name in names))
        suggestion.params |= {
            name: width for name, width in zip(names, widths, strict=True) if name in suggestion.params
        }
        return widths
