#!/usr/bin/env python
"""How fast a stack trains beside the alternatives, in one interleaved run on one machine.

published  DataLoader with per-image transforms, one network at a time, as the article's protocol describes it
resident   tensors in memory, one network at a time, eager modules
vmap       torch.func: stack_module_state and vmap over networks of one form, six functions by a mask
stack      this project
floor      the step's matrix products and one fused Adam pass, nothing else
"""

import argparse
from collections.abc import Callable
from itertools import cycle, pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from benchmarking import Row, interleaved, parser, per_call, report
from torch import Tensor, nn
from torch.func import grad, stack_module_state, vmap
from torchvision import transforms
from torchvision.datasets import MNIST

from smartmixed_search.activations import PUBLISHED_POOL, get_activation, resolve_pool
from smartmixed_search.config import SMARTMIXED, TrialConfig, parse_architecture
from smartmixed_search.datasets import Dataset, data_directory, load_dataset
from smartmixed_search.modules import SelectiveActivation, freeze_selections
from smartmixed_search.training import TwoPhaseTraining

STRATEGIES = (SMARTMIXED, *PUBLISHED_POOL)
BATCH = 128
LEARNING_RATE = 1e-3
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TARGETS = {
    ("cpu", 7, "fixed"): {"published": 8, "vmap": 2.5, "floor": 75},
    ("cpu", 7, "selection"): {"published": 10, "vmap": 2.5, "floor": 65},
    ("cuda", 7, "fixed"): {"published": 100},
    ("cuda", 7, "selection"): {"published": 100},
    ("cuda", 70, "fixed"): {"published": 700, "floor": 50},
    ("cuda", 70, "selection"): {"published": 700, "floor": 50},
}
"""By device, networks and phase, for the architecture below."""
TARGETED = "512-256-128"

Step = Callable[[], object]


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
        return loss.item() + (output.argmax(1) == y).sum().item()

    return step


def published(networks: list[nn.Module], data_dir: Path) -> Step:
    """Return a step of every network, one after another, each batch read image by image."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Lambda(torch.flatten)])
    images = MNIST(str(data_dir), train=True, download=False, transform=transform)
    batches = cycle(torch.utils.data.DataLoader(images, batch_size=BATCH, shuffle=True))
    steps = [plain_step(network) for network in networks]

    def step() -> None:
        for one in steps:
            x, y = next(batches)
            one(x.to(DEVICE), y.to(DEVICE))

    return step


def resident(networks: list[nn.Module], data: Dataset) -> Step:
    """Return a step of every network, one after another, batches gathered from memory."""
    steps = [plain_step(network) for network in networks]
    batches = cycle(torch.split(torch.randperm(len(data.x_train), device=DEVICE), BATCH)[:-1])

    def step() -> None:
        for one in steps:
            index = next(batches)
            one(data.x_train[index], data.y_train[index])

    return step


def vmapped(count: int, sizes: list[int], phase: str, data: Dataset) -> Step:
    """Return a step of all networks under vmap: every function is computed, and a mix picks."""
    pool = resolve_pool(PUBLISHED_POOL)
    template = plain_network("relu", sizes, "fixed")
    networks = [plain_network("relu", sizes, "fixed") for _ in range(count)]
    parameters, _ = stack_module_state(networks)
    widths = sizes[1:-1]
    logits = [torch.zeros(count, width, len(pool), device=DEVICE, requires_grad=True) for width in widths]
    fixed = [torch.eye(len(pool), device=DEVICE)[torch.randint(6, (count, width))] for width in widths]
    learned = list(parameters.values()) + (logits if phase == "selection" else [])
    optimizer = torch.optim.Adam(learned, lr=LEARNING_RATE, fused=True)
    selects = (torch.arange(count, device=DEVICE) % len(STRATEGIES) == 0).view(-1, 1, 1)
    names = [name for name, _ in template.named_parameters()]

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
    batches = cycle(torch.split(torch.randperm(len(data.x_train), device=DEVICE), BATCH)[:-1])

    def step() -> None:
        index = next(batches)
        noise = [-torch.empty_like(score).exponential_().log() for score in logits]
        x, y = data.x_train[index], data.y_train[index]
        by_state, by_logits = gradients(parameters, logits, noise, fixed, selects, x, y)
        found = list(by_state.values()) + (list(by_logits) if phase == "selection" else [])
        norms = torch.stack([tensor.flatten(1).norm(dim=1) for tensor in found]).norm(dim=0)
        scale = (1.0 / (norms + 1e-6)).clamp(max=1.0)
        for parameter, tensor in zip(learned, found, strict=True):
            parameter.grad = tensor * scale.view(-1, *[1] * (tensor.ndim - 1))
        optimizer.step()

    return step


def ours(config: TrialConfig, phase: str, data: Dataset) -> Step:
    """Return a step of the stack."""
    training = TwoPhaseTraining(config, data, DEVICE)
    if phase == "fixed":
        with torch.no_grad():
            training.hand_off()
    orders = torch.stack([torch.randperm(len(data.x_train), device=DEVICE) for _ in range(config.replicates)])
    batches = cycle(torch.split(orders, BATCH, dim=1)[:-1])

    @torch.no_grad()
    def step() -> None:
        index = next(batches)
        x = data.x_train.index_select(0, index.flatten()).view(*index.shape, -1)
        training.train_step(x, data.y_train[index])

    return step


def floor(count: int, sizes: list[int]) -> Step:
    """Return the products of a step, each at its own best of batched and wide, and one fused Adam pass."""
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
    shared = torch.randn(BATCH, sizes[0], device=DEVICE)

    @torch.no_grad()
    def step() -> None:
        for number, layer in enumerate(layers):
            if number == 0:
                torch.mm(layer["w"].flatten(0, 1), shared.T)
                torch.mm(layer["z"].flatten(0, 1), shared)
                continue
            torch.bmm(layer["w"], layer["a"])
            torch.bmm(layer["z"], layer["a"].transpose(1, 2))
            torch.bmm(layer["w"].transpose(1, 2), layer["z"])
        optimizer.step()

    return step


def make_config(architecture: str, networks: int) -> TrialConfig:
    """Return a configuration that trains as many networks: replicates of all seven, or SmartMixed alone."""
    strategies, objective = (STRATEGIES, "margin") if networks > 1 else ((SMARTMIXED,), "accuracy")
    return TrialConfig(
        dataset="mnist",
        architecture=parse_architecture(architecture),
        epochs=2,
        strategies=strategies,
        objective=objective,
        replicates=max(1, networks // len(STRATEGIES)),
        learning_rate=LEARNING_RATE,
        batch_size=BATCH,
    )


def measure(architecture: str, networks: int, phase: str, data: Dataset, options: argparse.Namespace) -> list[Row]:
    """Time one setting, and compare."""
    sizes = [data.features, *parse_architecture(architecture), data.classes]
    names = STRATEGIES if networks > 1 else (SMARTMIXED,)
    groups = max(1, networks // len(STRATEGIES))  # one at a time, ten groups take ten times one
    plain = [plain_network(name, sizes, phase) for name in names]
    calls = max(2, (8 if options.quick else 20) // groups)
    contenders = {
        "published": per_call(published(plain, data_directory(options.data_dir)), max(2, calls // 2)),
        "resident": per_call(resident([plain_network(name, sizes, phase) for name in names], data), max(2, calls // 2)),
        "vmap": per_call(vmapped(networks, sizes, phase, data), calls),
        "stack": per_call(ours(make_config(architecture, networks), phase, data), calls),
        "floor": per_call(floor(networks, sizes), calls),
    }
    seconds = interleaved(contenders, 3 if options.quick else 7)
    seconds["published"] *= groups
    seconds["resident"] *= groups
    ms = {name: 1000 * value for name, value in seconds.items()}
    where = f"{networks} × {architecture}, {phase}"
    targets = TARGETS.get((DEVICE.type, networks, phase), {}) if architecture == TARGETED else {}
    rows = [Row(f"{where}: {name}", value, unit="ms") for name, value in ms.items()]
    for name in ("published", "resident", "vmap"):
        rows.append(Row(f"{where}: faster than {name}", ms[name] / ms["stack"], targets.get(name)))
    share = 100 * ms["floor"] / ms["stack"]
    return [*rows, Row(f"{where}: share of the floor", share, targets.get("floor"), unit="%")]


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--data-dir", help="folder with MNIST/raw")
    arguments = options.parse_args()
    data = load_dataset("mnist", arguments.data_dir).to(DEVICE)
    counts = [7] if arguments.quick else [1, 7, 70]
    architectures = ["512-256-128"] if arguments.quick else ["512-256-128", "768-512-512-256-256-128"]
    rows = []
    for architecture in architectures:
        for networks in counts:
            for phase in ("fixed", "selection"):
                rows += measure(architecture, networks, phase, data, arguments)
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
