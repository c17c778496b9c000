"""A trained network as others use it: it takes examples as its user has them, and answers in the user's terms."""

import torch
from torch import Tensor, nn

from smartmixed_search.export.inputs import TableInputs, inputs_of
from smartmixed_search.export.weights import TrainedNetwork

PREDICTION, LOGITS = "probabilities", "logits"
"""What the output of a program is called, of one that takes raw examples and of one that takes prepared ones."""


class ServedNetwork(nn.Module):
    """A frozen network between its preparation and its answer.

    Shape:
        Input: raw examples, as `inputs.inputs_of` says. Output [B, C]: the probabilities of the classes.

    Args:
        network: a trained network whose preparation is known.
    """

    def __init__(self, network: TrainedNetwork) -> None:
        super().__init__()
        self.inputs = inputs_of(network.preparation, network.inputs)
        self.network = network.frozen()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of the classes of raw examples."""
        probabilities: Tensor = self.network(self.inputs(x)).softmax(1)
        return probabilities

    def examples(self, count: int, spread: float = 1.0) -> Tensor:
        """Return made-up raw examples, to trace a program and to try it."""
        return self.inputs.examples(count, spread)


class PreparedNetwork(nn.Module):
    """A network of an earlier version, whose preparation is not known: it takes prepared examples, and returns logits.

    Shape:
        Input [B, D], float32. Output [B, C].
    """

    def __init__(self, network: TrainedNetwork) -> None:
        super().__init__()
        self.width = network.inputs
        self.network = network.frozen()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of prepared examples."""
        logits: Tensor = self.network(x)
        return logits

    def examples(self, count: int, spread: float = 1.0) -> Tensor:
        """Return made-up prepared examples."""
        return spread * torch.randn(count, self.width, generator=torch.Generator().manual_seed(0))


def served(network: TrainedNetwork) -> ServedNetwork | PreparedNetwork:
    """Return a network as others use it."""
    return ServedNetwork(network) if network.preparation.known else PreparedNetwork(network)


def class_names(network: TrainedNetwork) -> list[str]:
    """Return the classes' names, in the order of the outputs; the numbers 0 … C-1 where there are no others."""
    if network.preparation.classes is not None:
        return list(network.preparation.classes)
    return [str(label) for label in range(len(network.biases[-1]))]


def takes(network: TrainedNetwork) -> str:
    """Say what a program of a network takes."""
    if not network.preparation.known:
        return f"x [batch, {network.inputs}] float32: prepared examples"
    inputs = inputs_of(network.preparation, network.inputs)
    example = inputs.examples(1)
    shape, kind = ", ".join(map(str, example.shape[1:])), str(example.dtype).removeprefix("torch.")
    what = "a value for each column, a category by its place" if isinstance(inputs, TableInputs) else "raw examples"
    return f"x [batch, {shape}] {kind}: {what}"


def returns(network: TrainedNetwork) -> str:
    """Say what a program of a network returns."""
    if not network.preparation.known:
        return f"logits of the classes {', '.join(class_names(network))}"
    return f"the probabilities of the classes {', '.join(class_names(network))}"
