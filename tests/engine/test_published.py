"""Our SmartMixed is the published one: the engine against `published.py`, for the same weights, orders and noise.

The protocol is that of arXiv 2510.22450; where its text and the author's public code differ, both readings are run.
Everything starts from the shipped space `paper`: pool, temperature, clamp and clip stay, while sizes, learning rate and
number of epochs are such that much happens in little time.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.layout import draw_tilts
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.engine.stack.live_inputs import live_inputs
from smartmixed_search.engine.stack.parameters import draw_linear, original_order
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.method.randomness import GumbelNoise, batch_orders
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import NetworkResult
from smartmixed_search.trials.result import TrialResult
from tests.helpers.published import CLIP_NORM, POOL, SMARTMIXED, Draws, PublishedTraining, Reading

PAPER = SearchSpace.load("paper").config((9, 7), {})
SMALL = replace(PAPER, dataset="toy", epochs=24, learning_rate=0.01, batch_size=12, replicates=2)
READINGS: dict[str, dict[str, object]] = {
    "text": {},
    "code": {"handoff": "reinitialize", "handoff_from": "best"},
    "logits": {"output": "logits"},
    "logits, new weights": {"output": "logits", "handoff": "reinitialize"},
    "argmax, from the best": {"evaluation": "argmax", "handoff_from": "best"},
    "short phase 2": {"epochs": 4, "phase_fraction": 0.75, "handoff": "reinitialize"},
}
"""The text; the public code; softmax once, with either handoff; what these leave out. Three epochs select in each."""
SMARTMIXED_NETWORKS = [(reading, replicate) for reading in READINGS for replicate in range(2)]
EVERY_NETWORK = [(reading, SMARTMIXED, replicate) for reading, replicate in SMARTMIXED_NETWORKS]
EVERY_NETWORK += [
    (reading, name, replicate) for reading in ("text", "logits") for name in POOL for replicate in range(2)
]
SPLITS = ("train", "val", "test")
EXACT = 1e-11
CLIPPED = 2e-7  # the engine's fused Adam takes the clip as a float32 number

smartmixed = pytest.mark.parametrize(("reading", "replicate"), SMARTMIXED_NETWORKS)
every_network = pytest.mark.parametrize(("reading", "strategy", "replicate"), EVERY_NETWORK)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Products this small take longer to share than to compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def toy() -> Dataset:
    """Return three clusters, some inputs always zero as at MNIST's borders, others so large that the clamp acts."""
    rng = np.random.default_rng(1)
    centres = 2 * rng.normal(size=(3, 20))
    arrays: dict[str, np.ndarray] = {}
    for split, examples in (("train", 44), ("val", 37), ("test", 41)):
        labels = np.arange(examples) % 3
        x = centres[labels] + 9 * rng.normal(size=(examples, 20))
        x[:, [2, 3, 11, 12, 19]] = 0
        arrays |= {f"x_{split}": x.astype(np.float32), f"y_{split}": labels.astype(np.int64)}
    return Dataset.from_arrays(arrays, name="toy", checksum="0" * 16, task=Classification(3))


class Recorded(TwoPhaseTraining):
    """The engine in float64, with the loss, the gradients and the outcome of every step."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, dtype=torch.float64, **options)
        self.history: list[tuple[Tensor, Parameters, Parameters]] = []
        optimizer = self.networks.optimizer
        self._apply, optimizer.step = optimizer.step, self._record

    def _record(self, loss: Tensor) -> None:
        gradients = self.networks.stack.gradients.clone()
        self._apply(loss)
        self.history.append((loss.clone(), gradients, self.networks.stack.parameters.clone()))


@dataclass(frozen=True)
class Run:
    """What `run_trial` made of one reading."""

    result: TrialResult
    engine: Recorded

    def loss(self, step: int, strategy: str, replicate: int) -> float:
        return self.engine.history[step][0][replicate, self.engine.layout.columns[strategy]].item()

    def part(self, state: Parameters, strategy: str, replicate: int) -> list[Tensor]:
        """Return one network's part of parameters or gradients: weights, biases, logits."""
        at = replicate, self.engine.layout.columns[strategy]
        logits = state.logits if strategy == SMARTMIXED else []
        return [tensor[at] for tensor in state.weights + state.biases] + [logit[replicate, 0] for logit in logits]

    def final_parameters(self, strategy: str, replicate: int) -> list[Tensor]:
        """Return `part` of the parameters after the last step, neurons in their original order."""
        state, layout = self.engine.networks.stack.parameters, self.engine.layout
        part = self.part(state, strategy, replicate)
        if strategy != SMARTMIXED:
            return part
        weights, biases = original_order(state, layout.columns[strategy], self.engine.selected.choices)
        return [tensor[replicate] for tensor in weights + biases] + part[len(weights + biases) :]


@functools.cache
def run(reading: str) -> Run:
    made: list[Recorded] = []

    def recorded(*args: object, **options: object) -> Recorded:
        made.append(Recorded(*args, **options))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smartmixed_search.engine.trial.TwoPhaseTraining", recorded)
        result = run_trial(replace(SMALL, **READINGS[reading]), toy())
    (engine,) = made
    return Run(result, engine)


@functools.cache
def published(reading: str, strategy: str, replicate: int) -> PublishedTraining:
    return train_as_published(replace(SMALL, **READINGS[reading]), strategy, replicate)


def train_as_published(config: TrialConfig, strategy: str, replicate: int) -> PublishedTraining:
    """Train one network as published, with the numbers that the package's streams address to it."""
    data = toy()
    splits = {name: (getattr(data, f"x_{name}").double(), getattr(data, f"y_{name}")) for name in SPLITS}
    values = {field.name: getattr(config, field.name) for field in fields(Reading)}
    training = PublishedTraining(strategy, splits, draws(config, replicate), Reading(**values))
    training.run()
    return training


def draws(config: TrialConfig, replicate: int) -> Draws:
    data, seed = toy(), config.seed
    sizes = [data.features, *config.architecture, data.classes]
    steps = config.selection_epochs * -(-len(data.x_train) // config.batch_size)
    weights, biases, fresh_weights, fresh_biases = (
        [torch.from_numpy(layer[0]) for layer in layers]
        for stream in ("weights", "handoff")
        for layers in draw_linear(sizes, seed, [replicate], stream)
    )
    orders = [batch_orders(seed, [replicate], epoch, len(data.x_train))[0] for epoch in range(config.epochs)]
    return Draws(
        weights=weights,
        biases=biases,
        fresh_weights=fresh_weights,
        fresh_biases=fresh_biases,
        tilts=[torch.from_numpy(tilt[0]) for tilt in draw_tilts(config.architecture, len(POOL), seed, [replicate])],
        orders=[torch.from_numpy(order) for order in orders],
        noise=noise(config, replicate, "noise", steps),
        evaluation_noise=noise(config, replicate, "sampled", 8),
    )


def noise(config: TrialConfig, replicate: int, stream: str, count: int) -> list[list[Tensor]]:
    cpu, widths = torch.device("cpu"), config.architecture
    source = GumbelNoise(config.seed, [replicate], widths, len(POOL), stream=stream, device=cpu, dtype=torch.float64)
    return [[layer[step, 0] for layer in source.block(0, count)] for step in range(count)]


def network(result: TrialResult, strategy: str, replicate: int) -> NetworkResult:
    (found,) = (n for n in result.networks if (n.strategy, n.replicate) == (strategy, replicate))
    return found


def tolerance(theirs: PublishedTraining) -> float:
    """Return how far figures may be apart: a network that is never clipped is exact."""
    return CLIPPED if any(step.norm > CLIP_NORM for step in theirs.steps) else EXACT


def assert_equal(ours: list[Tensor], theirs: list[Tensor], atol: float) -> None:
    """Compare weights, biases and logits; the engine's first layer leaves inputs out that are always zero."""
    first, *others = theirs
    for a, b in zip(ours, [first[:, live_inputs(toy())], *others], strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=0, atol=atol)


@every_network
def test_loss_and_gradients_of_the_first_step(reading: str, strategy: str, replicate: int) -> None:
    step, ours = published(reading, strategy, replicate).steps[0], run(reading)
    assert ours.loss(0, strategy, replicate) == pytest.approx(step.loss, abs=EXACT)
    gradients = ours.engine.history[0][1]
    assert_equal(ours.part(gradients, strategy, replicate), step.gradients, EXACT)


@every_network
def test_parameters_after_each_step_of_the_selection(reading: str, strategy: str, replicate: int) -> None:
    ours, theirs = run(reading), published(reading, strategy, replicate)
    for step in range(ours.result.selection_steps):
        parameters = ours.part(ours.engine.history[step][2], strategy, replicate)
        assert_equal(parameters, theirs.steps[step].parameters, tolerance(theirs))


@smartmixed
def test_every_neuron_chooses_the_same_function(reading: str, replicate: int) -> None:
    names = list(POOL)
    chosen = [[names[k] for k in layer] for layer in published(reading, SMARTMIXED, replicate).choices]
    assert run(reading).result.choices[replicate].functions == chosen


@every_network
def test_losses_of_every_step_and_parameters_after_the_last(reading: str, strategy: str, replicate: int) -> None:
    ours, theirs = run(reading), published(reading, strategy, replicate)
    losses = [ours.loss(step, strategy, replicate) for step in range(len(ours.engine.history))]
    assert losses == pytest.approx([step.loss for step in theirs.steps], abs=tolerance(theirs))
    assert_equal(ours.final_parameters(strategy, replicate), theirs.parameters, tolerance(theirs))


@every_network
def test_the_result_is_that_of_the_published_checkpoint(reading: str, strategy: str, replicate: int) -> None:
    ours, theirs = network(run(reading).result, strategy, replicate), published(reading, strategy, replicate)
    losses, accuracies = zip(*theirs.figures["val"], strict=True)
    close = functools.partial(pytest.approx, abs=tolerance(theirs))
    assert ours.curves["train_loss"] == close(theirs.train_losses)
    assert ours.curves["val_loss"] == close(list(losses))
    assert ours.curves["val_accuracy"] == close(list(accuracies))
    epoch = theirs.checkpoint(3 if strategy == SMARTMIXED else 0, theirs.reading.epochs)
    assert (ours.best_epoch, ours.steps) == (epoch, len(theirs.steps))
    assert (ours.val["loss"], ours.val["accuracy"]) == close(theirs.figures["val"][epoch])
    assert (ours.test["loss"], ours.test["accuracy"]) == close(theirs.figures["test"][epoch])


@smartmixed
def test_phase_1_is_that_of_its_published_checkpoint(reading: str, replicate: int) -> None:
    phase1 = network(run(reading).result, SMARTMIXED, replicate).phase1
    theirs = published(reading, SMARTMIXED, replicate)
    epoch, kind = theirs.checkpoint(0, 3), theirs.reading.evaluation
    assert phase1["best_epoch"] == epoch
    for split, figures in theirs.figures.items():
        ours = phase1[f"{split}_loss_{kind}"], phase1[f"{split}_accuracy_{kind}"]
        assert ours == pytest.approx(figures[epoch], abs=tolerance(theirs))


@pytest.mark.parametrize("strategy", SMALL.strategies)
def test_in_float32_as_sweeps_run(strategy: str) -> None:
    ours, theirs = network(in_float32(), strategy, 0), published("text", strategy, 0)
    losses = [loss for loss, _ in theirs.figures["val"]]
    assert ours.curves["val_loss"] == pytest.approx(losses, abs=1e-4)
    one_example = 1 / len(toy().y_test)
    assert ours.test["accuracy"] == pytest.approx(theirs.figures["test"][ours.best_epoch][1], abs=1.01 * one_example)


@functools.cache
def in_float32() -> TrialResult:
    return run_trial(SMALL, toy())


@pytest.mark.parametrize(
    ("name", "value"), [("TEMPERATURE", 0.31), ("TILT", 0.0011), ("CLAMP", 10.1), ("CLIP_NORM", 1.01)]
)
def test_another_constant_would_be_noticed(name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"tests.helpers.published.{name}", value)
    other = train_as_published(replace(SMALL, **READINGS["logits"]), SMARTMIXED, 0)
    ours = run("logits")
    last = ours.result.selection_steps - 1
    with pytest.raises(AssertionError, match="not close"):
        assert_equal(ours.part(ours.engine.history[last][2], SMARTMIXED, 0), other.steps[last].parameters, 20 * CLIPPED)


def test_the_networks_tell_the_readings_apart() -> None:
    best = [published("code", SMARTMIXED, replicate).checkpoint(0, 3) for replicate in range(2)]
    assert min(best) < 2, "the best selection epoch must not always be the last"
    overall = [published("short phase 2", SMARTMIXED, replicate).checkpoint(0, 4) for replicate in range(2)]
    assert min(overall) < 3, "the best epoch of all must not always be one of phase 2"
    clipped = {step.norm > CLIP_NORM for step in published("logits", SMARTMIXED, 0).steps}
    assert clipped == {True, False}, "the clip must act at some steps and not at others"
    for replicate in range(2):
        training = published("text", SMARTMIXED, replicate)
        chosen = torch.cat(training.choices)
        assert len(chosen.unique()) >= 5
        assert (chosen != torch.cat(training.draws.tilts)).any()
