"""The shared suite of the engines: each keeps the contract of `Networks`, and all agree."""

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from smartmixed_search.engine.measurement import measure
from smartmixed_search.engine.networks import Networks
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.state import dump, load
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.families import family_of
from smartmixed_search.families.family import Site
from smartmixed_search.method.activations import RIVAL_NAMES, register_activation, unregister_activation
from smartmixed_search.method.modules import MixedActivation
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED
from smartmixed_search.trials.records import NetworkResult
from tests.engine.contract import CONFIG, ENGINES, OPTIONS, trained, training, undisturbed
from tests.helpers.reference import toy_dataset, toy_numbers

FIRST, *OTHERS = ENGINES
every_engine = pytest.mark.parametrize("engine", ENGINES)


def figures(made: TwoPhaseTraining) -> dict[str, torch.Tensor]:
    """Everything that is known of every network, [R, S, …]."""
    return {
        **{name: torch.stack(curve, -1) for name, curve in made.curves.items()},
        **{f"final {name}": tensor for name, tensor in made.final.figures().items()},
        **{f"early {name}": tensor for name, tensor in made.early.figures().items()},
        "steps": made.networks.optimizer.steps + made.steps_before_handoff,
        "alive": made.networks.optimizer.alive,
    }


def outcome(network: NetworkResult) -> dict[str, float | None]:
    """What is known of a network's checkpoints on the test split, and of SmartMixed's while it selected."""
    return {**network.test, **network.test_at, **network.phase1}


def _named(name: str, text: str) -> str:
    return f"{name}: {text}"


def assert_agree(one: TwoPhaseTraining, other: TwoPhaseTraining, tolerance: float) -> None:
    for name, tensor in figures(one).items():
        torch.testing.assert_close(
            figures(other)[name], tensor, rtol=tolerance, atol=tolerance, equal_nan=True, msg=partial(_named, name)
        )


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("engine", OTHERS)
def test_all_engines_agree(engine: str, options: str) -> None:
    assert_same_outcome(*(trained(name, **OPTIONS[options]) for name in (FIRST, engine)))


@pytest.mark.parametrize("options", ["published", "sampled", "reinitialized"])
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("engine", OTHERS)
def test_all_engines_agree_on_numbers(engine: str, targets: int, options: str) -> None:
    data = toy_numbers(targets)
    assert_same_outcome(*(trained(name, data=data, **OPTIONS[options]) for name in (FIRST, engine)))


@pytest.mark.parametrize("metric", ["auroc", "macro_f1"])
@pytest.mark.parametrize("engine", OTHERS)
def test_all_engines_agree_whatever_ranks(engine: str, metric: str) -> None:
    assert_same_outcome(*(trained(name, metric=metric, evaluation="sampled") for name in (FIRST, engine)))


def assert_same_outcome(one: TwoPhaseTraining, other: TwoPhaseTraining) -> None:
    assert_agree(one, other, 1e-9)
    expected, measured = measure(one), measure(other)
    assert expected.weights.keys() == measured.weights.keys()
    for name, tensor in expected.weights.items():
        torch.testing.assert_close(measured.weights[name], tensor, rtol=0, atol=1e-9)
    assert [vars(choice) | {"confidence": [], "entropy": []} for choice in expected.choices] == [
        vars(choice) | {"confidence": [], "entropy": []} for choice in measured.choices
    ]
    for ours, theirs in zip(expected.networks, measured.networks, strict=True):
        assert outcome(theirs) == pytest.approx(outcome(ours), rel=1e-9), ours.strategy


@pytest.mark.parametrize("engine", OTHERS)
def test_all_engines_agree_in_bfloat16_as_far_as_it_goes(engine: str) -> None:
    one, other = (trained(name, torch.float32, precision="bf16", epochs=2) for name in (FIRST, engine))
    torch.testing.assert_close(figures(other)["val_loss"], figures(one)["val_loss"], rtol=0.05, atol=0.05)


@every_engine
def test_in_bfloat16_only_products_are_rounded(engine: str) -> None:
    """A user's function need not know how to compute in another precision than that of the parameters."""
    register_activation("erfcx", lambda x: torch.special.erfcx(x.abs()))
    try:
        pool = ("erfcx", "tanh")
        made = trained(engine, torch.float32, precision="bf16", epochs=2, pool=pool, strategies=(SMARTMIXED, *pool))
    finally:
        unregister_activation("erfcx")
    assert made.networks.optimizer.alive.all()


@every_engine
def test_it_is_what_the_contract_says(engine: str) -> None:
    made = training(engine)
    networks = made.networks
    assert isinstance(networks, Networks)
    shape = (CONFIG.replicates, len(CONFIG.members))
    assert all(tensor.shape[:2] == shape for tensor in networks.parameters.shared)
    assert networks.selecting_columns == sorted(networks.layout.logit_columns)
    with torch.no_grad():
        order = torch.arange(44).expand(2, -1).numpy()
        assert [networks.taken for _ in networks.epoch(order, 1)] == [1, 2, 3]
    assert networks.loss.shape == shape
    assert networks.optimizer.steps.tolist() == [[3.0] * shape[1]] * shape[0]


@every_engine
@pytest.mark.parametrize("epochs", [1, 3], ids=["selecting", "fixed"])
def test_a_state_goes_on_to_the_same_numbers(engine: str, epochs: int) -> None:
    strategies = (SMARTMIXED, "relu", *RIVAL_NAMES)
    whole, begun, resumed = (
        training(engine, torch.float32, handoff_from="best", strategies=strategies) for _ in range(3)
    )
    whole.run()
    kept: list[bytes] = []
    begun.run(lambda epoch, _: kept.append(dump(begun, 0.0)))
    assert load(resumed, kept[epochs - 1]) is not None
    assert resumed.epoch == epochs
    resumed.run()
    assert_agree(whole, resumed, 0.0)
    for ours, theirs in zip(whole.final.parameters.tensors(), resumed.final.parameters.tensors(), strict=True):
        assert torch.equal(ours, theirs)


@every_engine
@pytest.mark.parametrize("members", [(SMARTMIXED, "tanh"), (SELECTIVE,), ("relu", RANDOM_MIXED)], ids="-".join)
def test_a_network_does_not_depend_on_the_others(engine: str, members: tuple[str, ...]) -> None:
    whole = undisturbed(engine)
    dataset, device = toy_dataset(), torch.device("cpu")
    part = Part(members=members, replicates=(1,))
    alone = TwoPhaseTraining(CONFIG, dataset, device, torch.float64, part=part, engine=ENGINES[engine])
    alone.run()
    columns = [whole.layout.columns[name] for name in part.members]
    for name, tensor in figures(alone).items():
        torch.testing.assert_close(figures(whole)[name][1:, columns], tensor, rtol=1e-12, atol=1e-12)


@every_engine
@pytest.mark.parametrize("name", [SMARTMIXED, "elu", "random-mixed", "selective"])
def test_a_network_that_is_not_finite_is_retired_and_the_others_go_on(engine: str, name: str) -> None:
    calm, disturbed = undisturbed(engine), training(engine)
    column = disturbed.layout.columns[name]
    disturbed.networks.parameters.shared[0][1, column] = torch.inf
    disturbed.run()
    alive = disturbed.networks.optimizer.alive
    assert alive.logical_not().nonzero().tolist() == [[1, column]]
    for ours, theirs in zip(figures(calm).values(), figures(disturbed).values(), strict=True):
        torch.testing.assert_close(ours[alive], theirs[alive], rtol=0, atol=0)


@every_engine
def test_what_rivals_learn_is_theirs_and_counted(engine: str) -> None:
    made = trained(engine, strategies=(SMARTMIXED, "relu", *RIVAL_NAMES))
    start = made.networks.layout.initial_coefficients()
    for site, (first, last) in enumerate(zip(start, made.networks.parameters.shared[-len(start) :], strict=True)):
        learned = (last != first).any(-1).sum(-1)
        assert learned.tolist() == [[0, 0, 1, 1, 3, 6, 0, 0]] * 2, f"site {site}"
    counted = {network.strategy: network.parameters for network in measure(made).networks}
    units = sum(CONFIG.architecture)
    extra = {name: counted[name] - counted["relu"] for name in counted}
    assert {name: count // units for name, count in extra.items() if count} == {
        "prelu": 1,
        "swish_beta": 1,
        "acon_c": 3,
        "linear_mix": 6,
    }


@every_engine
def test_a_handoff_changes_no_function(engine: str) -> None:
    made = training(engine)
    with torch.no_grad():
        for _ in range(CONFIG.selection_epochs):
            made._validate(made._train_epoch())
            made.epoch += 1
        before = made.evaluate("val")
        made.hand_off()
        after = made.evaluate("val")
    torch.testing.assert_close(after.loss, before.loss, rtol=0, atol=1e-12)
    assert made.networks.selecting_columns == [made.layout.columns["selective"]]
    logits = made.networks.parameters.logits[0][:, made.layout.smartmixed_logits].clone()
    made.run()
    assert torch.equal(made.networks.parameters.logits[0][:, made.layout.smartmixed_logits], logits)


@every_engine
def test_weights_are_the_familys_own(engine: str) -> None:
    """SmartMixed's weights, loaded into the module that the family builds, give the recorded test accuracy."""
    made, data = undisturbed(engine), toy_dataset()
    measured = measure(made)
    family = family_of(CONFIG.architecture)
    for choice in measured.choices:
        modules = map(MixedActivation, choice.functions)
        network = family.build(CONFIG.architecture, (6,), 3, partial(_next, modules), rng(), torch.float64)
        prefix = f"replicate{choice.replicate}."
        state = {key.removeprefix(prefix): value for key, value in measured.weights.items() if key.startswith(prefix)}
        network.load_state_dict(state, strict=False)
        correct = int((network(data.x_test.double()).argmax(1) == data.y_test).sum())
        (own,) = (n for n in measured.networks if (n.strategy, n.replicate) == (SMARTMIXED, choice.replicate))
        assert own.test["correct"] == correct


@every_engine
def test_to_evaluate_changes_nothing(engine: str) -> None:
    made = trained(engine, evaluation="sampled")
    before = [tensor.clone() for tensor in made.networks.parameters.tensors()]
    with torch.no_grad():
        for split, sampled in itertools.product(("val", "test"), (True, False)):
            assert made.evaluate_selection(split, sampled=sampled).loss.shape == (2, 1)
        twice = [made.evaluate("test", made.final).loss for _ in range(2)]
    assert torch.equal(*twice)
    assert all(map(torch.equal, made.networks.parameters.tensors(), before))


def _next(modules: Iterator[nn.Module], site: Site) -> nn.Module:
    return next(modules)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)
