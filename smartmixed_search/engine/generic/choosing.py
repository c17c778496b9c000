"""A selecting site whose noise is given, so that every engine draws the same."""

from collections.abc import Sequence

from torch import Tensor

from smartmixed_search.method.modules import SelectiveActivation
from smartmixed_search.method.selection import one_hot, relaxed_sample


class ChoosingActivation(SelectiveActivation):
    """The drop-in module of the method, choosing by given Gumbel noise instead of the global generator's."""

    noise: Tensor | None = None
    """Of the next samples, [H, K]; None: every unit applies its most likely function."""
    given_temperature: Tensor
    """Of the next samples, a scalar tensor."""

    def mix(self) -> Tensor:
        """Return how the units weigh the pool, [H, K]; exactly one-hot samples where they are hard."""
        if self.noise is None:
            return one_hot(self.logits)
        relaxed = relaxed_sample(self.logits[None, None], self.noise[None], self.given_temperature)[0, 0]
        return one_hot(relaxed) + (relaxed - relaxed.detach()) if self.hard else relaxed


def give_noise(sites: Sequence[ChoosingActivation], noise: Sequence[Tensor] | None, temperature: Tensor) -> None:
    """Let a network's sites draw their next samples from noise [H, K]; None: apply their most likely functions."""
    for place, site in enumerate(sites):
        site.noise = None if noise is None else noise[place]
        site.given_temperature = temperature
