"""The method restated plainly: one network at a time, autograd, torch's Adam and clip_grad_norm_, drop-in modules."""

import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.layout import draw_tilts
from smartmixed_search.engine.stack.parameters import draw_linear
from smartmixed_search.method.activations import get_activation
from smartmixed_search.method.modules import MixedActivation, SelectiveActivation, freeze_selections
from smartmixed_search.method.randomness import GumbelNoise, batch_orders
from smartmixed_search.method.selection import temperatures
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED, TrialConfig


def toy_dataset(examples: int = 44, features: int = 6, classes: int = 3, seed: int = 0) -> Dataset:
    """Return three noisy clusters, as a dataset called `toy`."""
    arrays = _toy_arrays(examples, features, classes, seed)
    return Dataset.from_arrays(arrays, name="toy", checksum="0" * 16, task=Classification(classes))


def _toy_arrays(examples: int = 44, features: int = 12, classes: int = 3, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features))
    arrays: dict[str, npt.NDArray[Any]] = {}
    for split, n in (("train", examples), ("val", 19), ("test", 23)):
        y = np.arange(n) % classes
        arrays[f"x_{split}"] = (centres[y] + rng.normal(size=(n, features))).astype(np.float32)
        arrays[f"y_{split}"] = y.astype(np.int64)
    return arrays


def toy_numbers(targets: int = 1) -> Dataset:
    """Return the toy dataset's examples with numbers to predict, which depend on them."""
    arrays, rng = _toy_arrays(features=6), np.random.default_rng(1)
    weights = rng.normal(size=(6, targets))
    for split in ("train", "val", "test"):
        x = arrays[f"x_{split}"]
        arrays[f"y_{split}"] = (np.tanh(x @ weights) + 0.1 * rng.normal(size=(len(x), targets))).astype(np.float32)
    task = Regression(targets, (100.0,) * targets, (20.0, 0.5)[:targets])
    return Dataset.from_arrays(arrays, name="toy", checksum="0" * 16, task=task)


def toy_images() -> Dataset:
    """Return the toy dataset's numbers as small images."""
    arrays = _toy_arrays()
    for name in ("x_train", "x_val", "x_test"):
        arrays[name] = np.clip(40 * arrays[name] + 128, 0, 255).astype(np.uint8).reshape(-1, 3, 2, 2)
    return Dataset.from_arrays(arrays, name="toy", checksum="0" * 16, task=Classification(3))


def flattened(images: Dataset) -> Dataset:
    """Return images as rows of numbers from 0 to 1, divided by numpy."""
    arrays = images.arrays()
    for name in ("x_train", "x_val", "x_test"):
        rows = arrays[name].reshape(len(arrays[name]), -1)
        arrays[name] = np.divide(rows, np.float32(255), dtype=np.float32)
    return Dataset.from_arrays(arrays, name="toy", checksum="0" * 16, task=images.task)


class Plain(nn.Module):
    """Any elementwise function of the pool as a module."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.function = get_activation(name).function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@contextmanager
def given_noise(noises: deque[Tensor]) -> Iterator[None]:
    """Let `F.gumbel_softmax` use these numbers, in this order, for its Gumbel noise."""

    def exponential_(tensor: Tensor, *_: object) -> Tensor:
        return tensor.copy_(torch.exp(-noises.popleft()))

    with patch.object(torch.Tensor, "exponential_", exponential_):
        yield


class ReferenceTraining:
    """Trains one strategy with one replicate's seeds, in float64."""

    def __init__(self, config: TrialConfig, data: Dataset, strategy: str, replicate: int) -> None:
        self.config, self.data, self.strategy, self.replicate = config, data, strategy, replicate
        self.network: nn.Module = self._network([data.features, *config.architecture, data.classes])
        logits = [m.logits for m in self._selective()]
        others = [p for p in self.network.parameters() if all(p is not logit for logit in logits)]
        groups: list[dict[str, Any]] = [{"params": others}]
        if logits:
            groups.append({"params": logits, "lr": config.logit_learning_rate or config.learning_rate})
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate)
        self.parameters = [*others, *logits]
        self.val_losses: list[float] = []
        self.train_losses: list[float] = []
        self.step = 0

    def _selective(self) -> list[SelectiveActivation]:
        return [m for m in self.network if isinstance(m, SelectiveActivation)]

    def _network(self, sizes: list[int]) -> nn.Sequential:
        config = self.config
        weights, biases = draw_linear(sizes, config.seed, [self.replicate], "weights")
        tilts = draw_tilts(config.architecture, len(config.pool), config.seed, [self.replicate])
        layers: list[nn.Module] = []
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            linear = nn.Linear(inputs, outputs, dtype=torch.float64)
            linear.weight.data = torch.from_numpy(weights[layer][0])
            linear.bias.data = torch.from_numpy(biases[layer][0])
            layers.append(linear)
            if layer < len(config.architecture):
                layers.append(self._activation(torch.from_numpy(tilts[layer][0])))
        return nn.Sequential(*layers)

    def _activation(self, tilt: Tensor) -> nn.Module:
        config = self.config
        if self.strategy == RANDOM_MIXED:
            return MixedActivation([config.pool[k] for k in tilt])
        if self.strategy not in (SMARTMIXED, SELECTIVE):
            return Plain(self.strategy)
        hard = config.estimator == "hard"
        module = SelectiveActivation(len(tilt), config.pool, hard=hard, clamp=config.clamp).double()
        module.logits.data = 0.001 * F.one_hot(tilt, len(config.pool)).double()
        return module

    def run(self) -> None:
        config, data = self.config, self.data
        steps = -(-len(data.x_train) // config.batch_size) * config.selection_epochs
        schedule = temperatures(config.temperature, config.temperature_final, steps)
        noise = GumbelNoise(
            config.seed,
            [self.replicate],
            config.architecture,
            len(config.pool),
            stream="noise",
            device=torch.device("cpu"),
            dtype=torch.float64,
        )
        for epoch in range(config.epochs):
            if epoch == config.selection_epochs and self.strategy == SMARTMIXED:
                self.network = freeze_selections(self.network)
            (order,) = batch_orders(config.seed, [self.replicate], epoch, len(data.x_train))
            self.network.train()
            total = 0.0
            for index in torch.from_numpy(order).split(config.batch_size):
                for module in self._selective():
                    module.temperature = schedule[min(self.step, steps - 1)]
                with given_noise(deque(layer[0, 0] for layer in noise.block(self.step, 1))):
                    total += len(index) * self._train_step(data.x_train[index].double(), data.y_train[index])
            self.train_losses.append(total / len(order))
            self.network.eval()
            with torch.no_grad():
                self.val_losses.append(self._loss(data.x_val.double(), data.y_val).item())

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        output = self.network(x)
        return F.cross_entropy(output.softmax(1) if self.config.output == "softmax" else output, y)

    def _train_step(self, x: Tensor, y: Tensor) -> float:
        self.optimizer.zero_grad()
        loss = self._loss(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def linear(self) -> list[nn.Linear]:
        return [m for m in self.network if isinstance(m, nn.Linear)]
