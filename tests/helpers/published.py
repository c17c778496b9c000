"""The published method in plain PyTorch, one network at a time: autograd, torch's Adam, `clip_grad_norm_`.

Restated from arXiv 2510.22450 and, where its text is silent, from the author's public code. Nothing of the package is
imported, so that nothing can be wrong in the same way twice; whatever is random is handed over, as `Draws`. Every
docstring says which sentence of the protocol it restates.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

POOL: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "elu": lambda z: F.elu(z, 1.0),
    "selu": lambda z: 1.0507009873554805 * F.elu(z, 1.6732632423543772),
}
"""Protocol: the pool is ReLU, Sigmoid, Tanh, Leaky ReLU (slope 0.01), ELU, SELU."""

SMARTMIXED = "smartmixed"
TEMPERATURE = 0.3
TILT = 0.001
CLAMP = 10.0
CLIP_NORM = 1.0

Split = tuple[Tensor, Tensor]
"""Inputs [N, D] and labels [N]."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the protocol leaves to a run, and the readings where text and public code differ."""

    epochs: int
    selection_epochs: int
    learning_rate: float
    batch_size: int
    output: str
    """`softmax`: a softmax layer *and* a cross-entropy, which has its own (public code); `logits`: once (text)."""
    handoff: str
    """`inherit`: the network "continues its training" (text); `reinitialize`: only choices carry over (public code)."""
    handoff_from: str
    """`last`: a fixed number of epochs (text); `best`: the lowest validation loss of phase 1 (public code)."""
    evaluation: str
    """Of phase 1: `sampled`, its Gumbel noise stays on (public code); `argmax` (the text does not say)."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Every random number of one network's training."""

    weights: list[Tensor]
    """Per linear layer, [outputs, inputs]."""
    biases: list[Tensor]
    fresh_weights: list[Tensor]
    """For a handoff that starts with new weights."""
    fresh_biases: list[Tensor]
    tilts: list[Tensor]
    """Per hidden layer, one random function for every neuron [H]."""
    orders: list[Tensor]
    """Per epoch, the order of the training examples [N]."""
    noise: list[list[Tensor]]
    """Per selection step and hidden layer, standard Gumbel numbers [H, K]."""
    evaluation_noise: list[list[Tensor]]
    """Likewise, for the draws that a `sampled` evaluation averages, each over the whole split; the public code draws
    again for every batch of examples, and once."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimiser step; tensors are in the order weights, biases, logits, each layer by layer."""

    loss: float
    gradients: list[Tensor]
    """Before they are clipped."""
    norm: float
    parameters: list[Tensor]
    """After the step."""


def straight_through(logits: Tensor, noise: Tensor) -> Tensor:
    """Protocol: Gumbel-Softmax, hard (straight-through one-hot), temperature 0.3, constant; both [H, K]."""
    relaxed = F.softmax((logits + noise) / TEMPERATURE, dim=-1)
    return one_hot(relaxed) + (relaxed - relaxed.detach())


def one_hot(scores: Tensor) -> Tensor:
    return F.one_hot(scores.argmax(-1), len(POOL)).to(scores)


def selecting(z: Tensor, choice: Tensor) -> Tensor:
    """Protocol: phase 1 clamps each activation's output to [-10, 10]; one sample per neuron, not per example.

    The public code clamps the sum once more, which changes nothing: one of its weights is 1, the others are 0.

    Args:
        z: pre-activations [B, H].
        choice: one-hot [H, K].
    """
    outputs = torch.stack([function(z).clamp(-CLAMP, CLAMP) for function in POOL.values()], dim=-1)
    return (outputs * choice).sum(-1)


def frozen(z: Tensor, choices: Tensor) -> Tensor:
    """Protocol: phase 2 does not clamp; every neuron [H] applies the function it chose."""
    functions = list(POOL.values())
    return torch.stack([functions[k](column) for k, column in zip(choices, z.unbind(1), strict=True)], dim=1)


class PublishedTraining:
    """Trains SmartMixed, or one fixed-activation baseline.

    Args:
        strategy: `smartmixed`, or the function that every hidden neuron applies.
        splits: `train`, `val` and `test`.
        draws: the random numbers.
        reading: the rest.
    """

    def __init__(self, strategy: str, splits: dict[str, Split], draws: Draws, reading: Reading) -> None:
        self.strategy, self.splits, self.draws, self.reading = strategy, splits, draws, reading
        self.weights = [weight.clone().requires_grad_() for weight in draws.weights]
        self.biases = [bias.clone().requires_grad_() for bias in draws.biases]
        self.logits = self._initial_logits() if strategy == SMARTMIXED else []
        self.choices: list[Tensor] = []
        """Of the frozen network, per hidden layer [H]."""
        self.optimizer = self._new_optimizer()
        self.steps: list[Step] = []
        self.train_losses: list[float] = []
        self.figures: dict[str, list[tuple[float, float]]] = {"val": [], "test": []}
        """Loss and accuracy after every epoch."""
        self._states: list[tuple[list[Tensor], dict[str, object]]] = []

    @property
    def parameters(self) -> list[Tensor]:
        return self.weights + self.biases + self.logits

    def run(self) -> None:
        """Protocol: handoff after a fixed number of epochs; baselines are trained for the same epochs."""
        x, y = self.splits["train"]
        for order in self.draws.orders:
            if self.logits and len(self.train_losses) == self.reading.selection_epochs:
                self._hand_off()
            losses = [len(i) * self._train_step(x[i], y[i]) for i in order.split(self.reading.batch_size)]
            self.train_losses.append(sum(losses) / len(x))
            for split, figures in self.figures.items():
                figures.append(self._evaluate(*self.splits[split]))
            if self.logits and not self.choices:
                tensors = [parameter.detach() for parameter in self.parameters]
                self._states.append(copy.deepcopy((tensors, self.optimizer.state_dict())))

    def checkpoint(self, first: int, last: int) -> int:
        """Protocol: the checkpoint is the epoch of lowest validation loss in its phase."""
        return min(range(first, last), key=lambda epoch: self.figures["val"][epoch][0])

    def _initial_logits(self) -> list[Tensor]:
        """Protocol: logits start at 0 with 0.001 on one random function per neuron."""
        logits = [torch.zeros(len(tilt), len(POOL), dtype=self.weights[0].dtype) for tilt in self.draws.tilts]
        for logit, tilt in zip(logits, self.draws.tilts, strict=True):
            logit[torch.arange(len(tilt)), tilt] = TILT
        return [logit.requires_grad_() for logit in logits]

    def _new_optimizer(self) -> torch.optim.Adam:
        """Protocol: Adam, with one learning rate for weights and logits."""
        return torch.optim.Adam(self.parameters, lr=self.reading.learning_rate)

    def _forward(self, x: Tensor, choices: Sequence[Tensor]) -> Tensor:
        """Protocol: every hidden layer selects, the output layer never does; softmax output."""
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for layer, (weight, bias) in enumerate(hidden):
            z = F.linear(x, weight, bias)
            if self.strategy != SMARTMIXED:
                x = POOL[self.strategy](z)
            elif self.choices:
                x = frozen(z, self.choices[layer])
            else:
                x = selecting(z, choices[layer])
        output = F.linear(x, *last)
        return F.softmax(output, dim=1) if self.reading.output == "softmax" else output

    def _train_step(self, x: Tensor, y: Tensor) -> float:
        """Protocol: cross-entropy, the gradient norm of the network, logits included, clipped to 1.0, Adam."""
        choices = []
        if self.logits and not self.choices:
            noise = self.draws.noise[len(self.steps)]
            choices = [straight_through(logit, g) for logit, g in zip(self.logits, noise, strict=True)]
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self._forward(x, choices), y)
        loss.backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.parameters]
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM).item()
        self.optimizer.step()
        parameters = [p.detach().clone() for p in self.parameters]
        self.steps.append(Step(loss=loss.item(), gradients=gradients, norm=norm, parameters=parameters))
        return loss.item()

    @torch.no_grad()
    def _evaluate(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Return loss and accuracy: in phase 1 of random draws, their mean, or of the most likely functions."""
        figures = []
        for choices in self._evaluation_choices():
            output = self._forward(x, choices)
            correct = (output.argmax(1) == y).double().mean()
            figures.append(torch.stack([F.cross_entropy(output, y), correct]))
        loss, accuracy = torch.stack(figures).mean(0).tolist()
        return loss, accuracy

    def _evaluation_choices(self) -> list[list[Tensor]]:
        if not self.logits or self.choices:
            return [[]]
        if self.reading.evaluation == "argmax":
            return [[one_hot(logit) for logit in self.logits]]
        return [
            [straight_through(logit, g) for logit, g in zip(self.logits, noise, strict=True)]
            for noise in self.draws.evaluation_noise
        ]

    def _hand_off(self) -> None:
        """Protocol: the frozen choice is the argmax of the logits; then training goes on, or starts again."""
        if self.reading.handoff_from == "best":
            tensors, moments = self._states[self.checkpoint(0, self.reading.selection_epochs)]
            for parameter, kept in zip(self.parameters, tensors, strict=True):
                parameter.data = kept
            self.optimizer.load_state_dict(moments)
        self.choices = [logit.argmax(-1) for logit in self.logits]
        if self.reading.handoff == "reinitialize":
            self.weights = [weight.clone().requires_grad_() for weight in self.draws.fresh_weights]
            self.biases = [bias.clone().requires_grad_() for bias in self.draws.fresh_biases]
            self.optimizer = self._new_optimizer()
