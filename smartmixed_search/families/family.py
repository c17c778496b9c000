"""The contract of a family: how its architectures are named, ordered, sized and built.

A new family implements `Family` and passes the shared suite of the tests (`tests/families/contract.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import nn

A = TypeVar("A")
"""What an architecture of the family is: a frozen, hashable value."""


@dataclass(frozen=True)
class Site:
    """A place in a network where an activation stands."""

    name: str
    """Of the module that stands there, among the network's."""
    units: int
    """How many of them choose there, H."""
    dim: int
    """The dimension of the activations that holds the units."""


Activate = Callable[[Site], nn.Module]
"""Makes the module that stands at a site."""


class Family(ABC, Generic[A]):
    """A kind of network. `input_shape` is the shape of one example, `outputs` the number of its outputs."""

    name: ClassVar[str]
    kind: ClassVar[type]
    """The type of its architectures, and of no other family's."""
    bounds: ClassVar[Mapping[str, tuple[int, int]]]
    """What of an architecture may be sampled, and the smallest and largest number it may be."""

    @abstractmethod
    def parse(self, text: str) -> A:
        """Read an architecture's canonical name.

        Raises:
            ConfigError: the text names none.
        """

    @abstractmethod
    def format(self, architecture: A) -> str:
        """Write an architecture's canonical name, which `parse` reads."""

    @abstractmethod
    def order(self, architecture: A) -> tuple[Any, ...]:
        """Return by what architectures of the family are sorted, the smallest first."""

    @abstractmethod
    def depth(self, architecture: A) -> int | None:
        """Return how many layers stand between input and output; None: its name does not tell."""

    def smaller(self, architecture: A) -> A | None:
        """Return a smaller architecture, whose steps are quicker to time; None: there is none."""
        return None

    def modules(self, architecture: A) -> tuple[str, ...]:
        """Return the modules of somebody's own that must have been imported, see `plugins`."""
        return ()

    @abstractmethod
    def sites(self, architecture: A, input_shape: Sequence[int], outputs: int) -> tuple[Site, ...]:
        """Return the network's sites, in the order of a forward pass."""

    @abstractmethod
    def build(
        self,
        architecture: A,
        input_shape: Sequence[int],
        outputs: int,
        activate: Activate,
        rng: np.random.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Module:
        """Build a network from inputs [B, *input_shape] to outputs [B, outputs].

        Args:
            architecture: which.
            input_shape: of one example.
            outputs: of one example.
            activate: called once for each of `sites`, in order.
            rng: where its initial weights come from: equal generators, equal weights, whatever is activated how.
            dtype: of its parameters.
        """

    @abstractmethod
    def parameters(self, architecture: A, input_shape: Sequence[int], outputs: int) -> int:
        """Return the number of weights and biases; what activations learn is not counted."""

    @abstractmethod
    def flops(self, architecture: A, input_shape: Sequence[int], outputs: int) -> int:
        """Return the multiplications and additions of one example's forward pass in products and convolutions."""
