"""A trained network as others use it: it takes examples as its user has them, and answers in the user's terms."""

import torch
from torch import Tensor, nn

from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.export.inputs import inputs_of
from smartmixed_search.export.weights import TrainedNetwork

PROBABILITIES, PREDICTION, LOGITS = "probabilities", "prediction", "logits"
"""What the output of a program is called: of classes, of numbers, and of one that takes prepared examples."""


class ServedNetwork(nn.Module):
    """A frozen network between its preparation and its answer.

    Shape:
        Input: raw examples, as `inputs.inputs_of` says. Output [B, C]: the probabilities of the classes, float32, or
        the predicted numbers in their own unit, float64.

    Args:
        network: a trained network whose preparation is known.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: TrainedNetwork) -> None:
        super().__init__()
        self.inputs = inputs_of(network.preparation, network.inputs)
        self.network, self.input_shape = network.frozen(), network.input_shape
        mean, deviation = network.preparation.target_mean, network.preparation.target_deviation
        self.numeric = mean is not None
        self.register_buffer("mean", torch.tensor(mean or (), dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(deviation or (), dtype=torch.float64))
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the answers to raw examples."""
        return self.answer(self.inputs(x))

    def answer(self, inputs: Tensor) -> Tensor:
        """Return the answers to prepared examples."""
        shaped = inputs.view(-1, *self.input_shape) if len(self.input_shape) > 1 else inputs
        output: Tensor = self.network(shaped)
        return output.double() * self.deviation + self.mean if self.numeric else output.softmax(1)

    def examples(self, count: int, spread: float = 1.0) -> Tensor:
        """Return made-up raw examples, to trace a program and to try it."""
        return self.inputs.examples(count, spread)


class PreparedNetwork(nn.Module):
    """A network of an earlier version, whose preparation is not known: it takes prepared examples, and returns logits.

    Shape:
        Input [B, *input_shape], float32. Output [B, C].
    """

    def __init__(self, network: TrainedNetwork) -> None:
        super().__init__()
        self.input_shape = network.input_shape
        self.network = network.frozen()
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of prepared examples."""
        logits: Tensor = self.network(x)
        return logits

    def examples(self, count: int, spread: float = 1.0) -> Tensor:
        """Return made-up prepared examples."""
        return spread * torch.randn(count, *self.input_shape, generator=torch.Generator().manual_seed(0))


def served(network: TrainedNetwork) -> ServedNetwork | PreparedNetwork:
    """Return a network as others use it."""
    return ServedNetwork(network) if network.preparation.known else PreparedNetwork(network)


def output_name(network: TrainedNetwork) -> str:
    """Return what the output of a network's program is called."""
    if not network.preparation.known:
        return LOGITS
    return PROBABILITIES if network.preparation.target_mean is None else PREDICTION


def output_names(network: TrainedNetwork) -> list[str]:
    """Return what the C outputs are of: classes, or targets; their numbers 0 … C-1 where they have no names."""
    prepared = network.preparation
    if prepared.target_mean is not None and isinstance(prepared, TablePreparation):
        return [prepared.target]
    return list(prepared.classes or map(str, range(network.outputs)))


def takes(network: TrainedNetwork) -> str:
    """Say what a program of a network takes."""
    if not network.preparation.known:
        return f"x [batch, {', '.join(map(str, network.input_shape))}] float32: prepared examples"
    inputs = inputs_of(network.preparation, network.inputs)
    example = inputs.examples(1)
    shape, kind = ", ".join(map(str, example.shape[1:])), str(example.dtype).removeprefix("torch.")
    what = "raw examples"
    if isinstance(network.preparation, TablePreparation):
        what = "a value for each column, a category by its place"
    elif (reading := network.preparation.reading) is not None:
        what = f"bytes of images, 0 to 255; a file is {reading}"
    return f"x [batch, {shape}] {kind}: {what}"


def returns(network: TrainedNetwork) -> str:
    """Say what a program of a network returns."""
    names = ", ".join(output_names(network))
    words = {LOGITS: "logits of the classes", PROBABILITIES: "the probabilities of the classes"}
    return f"{words.get(output_name(network), 'the predicted numbers, in their own unit, of the targets')} {names}"
