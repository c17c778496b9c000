"""The ways to train the networks of a trial that `bench_engine.py` sets side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad, stack_module_state, vmap
from torchvision import transforms
from torchvision.datasets import MNIST

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.activations import PUBLISHED_POOL, get_activation, resolve_pool
from smartmixed_search.method.modules import SelectiveActivation, freeze_selections
from smartmixed_search.tasks.metric import ACCURACY
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig

STRATEGIES = (SMARTMIXED, *PUBLISHED_POOL)
BATCH = 128
LEARNING_RATE = 1e-3
VALIDATED = 4
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Contender:
    """A way to train networks of one architecture."""

    step: Callable[[], object]
    """Trains every network on one batch."""
    validate: Callable[[], object]
    """Computes loss and accuracy of every network on some batches, `VALIDATED` of them."""
    accuracy: Callable[[], float]
    """Returns the mean test accuracy of the networks as they are, SmartMixed with its most likely choices."""


class Function(nn.Module):
    """One function of the pool as a module."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.function = get_activation(name).function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def plain_network(strategy: str, sizes: list[int], phase: str) -> nn.Module:
    """Return one network built of the drop-in modules."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        activation = SelectiveActivation(outputs) if strategy == SMARTMIXED else Function(strategy)
        layers += [nn.Linear(inputs, outputs), activation]
    network = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
    return (freeze_selections(network) if phase == "fixed" else network).to(DEVICE)


def plain_step(network: nn.Module) -> Callable[[Tensor, Tensor], float]:
    """Return a training step of one network, with the progress figures that such loops print."""
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)

    def step(x: Tensor, y: Tensor) -> float:
        optimizer.zero_grad()
        output = network(x)
        loss = F.cross_entropy(output, y)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return float(loss.item() + (output.argmax(1) == y).sum().item())

    return step


def one_at_a_time(
    strategies: tuple[str, ...], sizes: list[int], phase: str, data: Dataset, batches: Iterator[Sequence[Tensor]]
) -> Contender:
    """Train networks of the drop-in modules, one after another, each on a batch of its own."""
    networks = [plain_network(strategy, sizes, phase) for strategy in strategies]
    steps = [plain_step(network) for network in networks]

    def step() -> None:
        for one in steps:
            x, y = next(batches)
            one(x.to(DEVICE), y.to(DEVICE))

    @torch.no_grad()
    def validate() -> None:
        for network in networks:
            network.eval()
            for _ in range(VALIDATED):
                x, y = next(batches)
                output, target = network(x.to(DEVICE)), y.to(DEVICE)
                F.cross_entropy(output, target).item(), (output.argmax(1) == target).sum().item()
            network.train()

    @torch.no_grad()
    def accuracy() -> float:
        found = [(network.eval()(data.x_test).argmax(1) == data.y_test).double().mean() for network in networks]
        return float(torch.stack(found).mean())

    return Contender(step, validate, accuracy)


def image_batches(data_dir: Path) -> Iterator[list[Tensor]]:
    """Yield batches for ever, as the published protocol does: read image by image, through transforms."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Lambda(torch.flatten)])
    images = MNIST(str(data_dir), train=True, download=False, transform=transform)
    return cycle_anew(torch.utils.data.DataLoader(images, batch_size=BATCH, shuffle=True))


def cycle_anew(loader: torch.utils.data.DataLoader[list[Tensor]]) -> Iterator[list[Tensor]]:
    """Yield a loader's batches, epoch after epoch."""
    while True:
        yield from loader


def resident_batches(data: Dataset) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for ever, gathered from memory."""
    while True:
        for index in torch.split(torch.randperm(len(data.x_train), device=DEVICE), BATCH):
            yield data.x_train[index], data.y_train[index]


def vmapped(count: int, sizes: list[int], phase: str, data: Dataset) -> Contender:
    """Train all networks under vmap: every function of the pool is computed, and a mix picks."""
    pool = resolve_pool(PUBLISHED_POOL)
    template = plain_network("relu", sizes, "fixed")
    parameters, _ = stack_module_state([plain_network("relu", sizes, "fixed") for _ in range(count)])
    names = [name for name, _ in template.named_parameters()]
    widths = sizes[1:-1]
    logits = [(torch.rand(count, width, len(pool), device=DEVICE) * 1e-3).requires_grad_() for width in widths]
    strategy = torch.arange(count, device=DEVICE) % len(STRATEGIES)  # 0 is SmartMixed
    functions = [(strategy[:, None] - 1).where(strategy[:, None] > 0, torch.randint(6, (count, w), device=DEVICE))
                 for w in widths]  # fmt: skip
    fixed = [F.one_hot(function, len(pool)).float() for function in functions]
    selects = (strategy == 0).view(-1, 1, 1) & (phase == "selection")
    learned = list(parameters.values()) + (logits if phase == "selection" else [])
    optimizer = torch.optim.Adam(learned, lr=LEARNING_RATE, fused=True)

    def forward(state: dict[str, Tensor], mixes: list[Tensor], x: Tensor) -> Tensor:
        for layer, mix in enumerate(mixes):
            x = F.linear(x, state[names[2 * layer]], state[names[2 * layer + 1]])
            x = (torch.stack([activation.function(x) for activation in pool], -1) * mix).sum(-1)
        return F.linear(x, state[names[-2]], state[names[-1]])

    def loss(state: dict[str, Tensor], scores: list[Tensor], noise: list[Tensor], mix: list[Tensor], select: Tensor,
             x: Tensor, y: Tensor) -> Tensor:  # fmt: skip
        if phase == "selection":
            soft = [((score + g) / 0.3).softmax(-1) for score, g in zip(scores, noise, strict=True)]
            hard = [(s == s.amax(-1, keepdim=True)).to(s) - s.detach() + s for s in soft]
            mix = [torch.where(select, h, m) for h, m in zip(hard, mix, strict=True)]
        return F.cross_entropy(forward(state, mix, x), y)

    gradients = vmap(grad(loss, argnums=(0, 1)), in_dims=(0, 0, 0, 0, 0, None, None))
    batches = resident_batches(data)

    def step() -> None:
        x, y = next(batches)
        noise = [-torch.empty_like(score).exponential_().log() for score in logits]
        by_state, by_logits = gradients(parameters, logits, noise, fixed, selects, x, y)
        found = list(by_state.values()) + (list(by_logits) if phase == "selection" else [])
        norms = torch.stack([tensor.flatten(1).norm(dim=1) for tensor in found]).norm(dim=0)
        scale = (1.0 / (norms + 1e-6)).clamp(max=1.0)
        for parameter, tensor in zip(learned, found, strict=True):
            parameter.grad = tensor * scale.view(-1, *[1] * (tensor.ndim - 1))
        optimizer.step()

    @torch.no_grad()
    def correct(x: Tensor, y: Tensor) -> float:
        likely = [F.one_hot(score.argmax(-1), len(pool)).float() for score in logits]
        mixes = [torch.where(selects, one, mix) for one, mix in zip(likely, fixed, strict=True)]
        output = vmap(forward, in_dims=(0, 0, None))(parameters, mixes, x)
        output.log_softmax(-1).gather(-1, y.expand(count, -1).unsqueeze(-1)).mean(1)
        return float((output.argmax(-1) == y).double().mean())

    def validate() -> float:
        return correct(data.x_val[: VALIDATED * BATCH], data.y_val[: VALIDATED * BATCH])

    def accuracy() -> float:
        return correct(data.x_test, data.y_test)

    return Contender(step, validate, accuracy)


def stacked(config: TrialConfig, phase: str, data: Dataset, part: Part | None = None) -> Contender:
    """Train the networks as this project does."""
    training = TwoPhaseTraining(config, data, DEVICE, part=part)
    if phase == "fixed":
        with torch.no_grad():
            training.hand_off()

    def steps() -> Iterator[None]:
        while True:
            yield from training.steps_of_epoch()

    batches = steps()

    @torch.no_grad()
    def step() -> None:
        next(batches)

    @torch.no_grad()
    def correct(x: Tensor, y: Tensor) -> float:
        temperature = x.new_tensor(config.temperature)
        found = training.networks.evaluate(x, y, temperature, [ACCURACY])
        return float(found.quantities[ACCURACY.quantity].mean()) / len(y)

    def validate() -> float:
        return correct(training.data.x_val[: VALIDATED * BATCH], training.data.y_val[: VALIDATED * BATCH])

    def accuracy() -> float:
        return correct(training.data.x_test, training.data.y_test)

    return Contender(step, validate, accuracy)


def floor(count: int, sizes: list[int]) -> Callable[[], object]:
    """Return the products of a step, the first layer's shared by seven networks, and one fused Adam pass."""
    groups = max(1, count // len(STRATEGIES))
    layers = [
        {
            "w": torch.randn(count, outputs, inputs, device=DEVICE),
            "a": torch.randn(count, inputs, BATCH, device=DEVICE),
            "z": torch.randn(count, outputs, BATCH, device=DEVICE),
        }
        for inputs, outputs in pairwise(sizes)
    ]
    parameters = [nn.Parameter(layer["w"].clone()) for layer in layers]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.Adam(parameters, fused=True)
    x = torch.randn(groups, BATCH, sizes[0], device=DEVICE)

    @torch.no_grad()
    def step() -> None:
        first, *others = layers
        torch.bmm(first["w"].view(groups, -1, sizes[0]), x.transpose(1, 2))
        torch.bmm(first["z"].view(groups, -1, BATCH), x)
        for layer in others:
            torch.bmm(layer["w"], layer["a"])
            torch.bmm(layer["z"], layer["a"].transpose(1, 2))
            torch.bmm(layer["w"].transpose(1, 2), layer["z"])
        optimizer.step()

    return step
