"""The plan of a part's networks: which column holds which strategy, and where their random numbers come from."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smartmixed_search.engine.optimizer import ClippedAdam
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.engine.parts import Part
from smartmixed_search.method.activations import resolve_pool
from smartmixed_search.method.randomness import GumbelNoise, seed_sequence
from smartmixed_search.method.rivals import start_of
from smartmixed_search.method.selection_rate import logit_rate
from smartmixed_search.trials.config import SELECTIVE, SMARTMIXED, TrialConfig


class Layout:
    """How a configuration, or a part of its networks, becomes R × S networks.

    Args:
        config: the trial's configuration.
        part: which of its networks.
        units: of every site, how many there are; fewer choose where these choose together, see `granularity`.
        device: where everything lives.
        dtype: of the parameters.
    """

    def __init__(
        self, config: TrialConfig, part: Part, units: Sequence[int], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.config = config
        self.part = part
        self.site_units = list(units)
        self.units = _choosing_units(units, config.granularity)
        """Of every tensor of logits, how many choose."""
        self.device = device
        self.dtype = dtype
        self.pool = resolve_pool(config.pool)
        self.columns = {name: column for column, name in enumerate(part.members)}
        self.logit_columns = [self.columns[name] for name in (SMARTMIXED, SELECTIVE) if name in self.columns]
        """The column of each of the J entries of logits."""
        self.initial_choices = draw_tilts(self.units, len(self.pool), config.seed, part.replicates)
        """The same as `tilts`, on the host."""
        self.tilts = [torch.from_numpy(tilt).to(device) for tilt in self.initial_choices]
        """The function [R, H] that what chooses is initially tilted to, and `random-mixed` applies."""

    def of_sites(self, chosen: Sequence[Tensor]) -> list[Tensor]:
        """Return for every site and each of its units [R, H, …] what holds for what chooses for it."""
        if self.config.granularity == "unit":
            return list(chosen)
        given = [*chosen] * len(self.site_units) if self.config.granularity == "network" else chosen
        return [one.repeat_interleave(units, 1) for one, units in zip(given, self.site_units, strict=True)]

    @property
    def smartmixed(self) -> int | None:
        """The column of `smartmixed`, if it is among the members."""
        return self.columns.get(SMARTMIXED)

    @property
    def smartmixed_logits(self) -> int:
        """SmartMixed's index among the selecting columns."""
        return self.logit_columns.index(self.columns[SMARTMIXED])

    def initial_coefficients(self) -> list[Tensor]:
        """Return, per site, what learned rivals learn there [R, S, P, H], for the most P that one has, at first.

        Nothing if no member is one. What a column has no use for is 0, and so is its gradient.
        """
        starts = [start_of(name, len(self.pool)) for name in self.part.members]
        most = max(map(len, starts))
        rows = [[*start, *[0.0] * (most - len(start))] for start in starts]
        shared = torch.tensor(rows, device=self.device, dtype=self.dtype)[None, :, :, None]
        replicates = len(self.part.replicates)
        return [shared.repeat(replicates, 1, 1, units) for units in self.site_units] if most else []

    def no_coefficients(self) -> list[np.ndarray]:
        """Return, of the same shapes but for the columns, what who is no rival has: 0."""
        return [np.zeros_like(tensor[:, 0].cpu().numpy()) for tensor in self.initial_coefficients()]

    def optimizer(self, parameters: Parameters, gradients: Parameters, selection_steps: int) -> ClippedAdam:
        """Return the optimiser of networks whose selection phase takes that many steps."""
        config = self.config
        return ClippedAdam(
            parameters,
            gradients,
            self.logit_columns,
            learning_rate=config.learning_rate,
            logit_learning_rate=logit_rate(config.logit_learning_rate, config.learning_rate, selection_steps),
            clip_norm=config.clip_norm,
        )

    def noise(self, stream: str) -> GumbelNoise:
        """Return a stream of Gumbel noise for the units."""
        return GumbelNoise(
            self.config.seed,
            self.part.replicates,
            self.units,
            len(self.pool),
            stream=stream,
            device=self.device,
            dtype=self.dtype,
        )


def _choosing_units(units: Sequence[int], granularity: str) -> list[int]:
    return {"unit": list(units), "layer": [1] * len(units), "network": [1]}[granularity]


def draw_tilts(units: Sequence[int], functions: int, seed: int, replicates: Sequence[int]) -> list[NDArray[np.int64]]:
    """Draw the function that each unit is initially tilted to, per site [R, H]."""
    rngs = [np.random.default_rng(seed_sequence(seed, replicate, "logits")) for replicate in replicates]
    drawn = [[rng.integers(functions, size=count) for count in units] for rng in rngs]
    return [np.stack(site) for site in zip(*drawn, strict=True)]
