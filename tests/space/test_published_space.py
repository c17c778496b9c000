"""The shipped space `paper` is the published option set of arXiv 2510.22450, written out once more."""

from smartmixed_search.space.space import SearchSpace

STRATEGIES = ["smartmixed", "relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu"]
ARCHITECTURES = [
    "512",
    "512-256-128",
    "512-256-128-64",
    "256-128",
    "512-256-256-128",
    "768",
    "768-512",
    "768-512-512",
    "768-512-512-256",
    "768-512-512-256-256",
    "768-512-512-256-256-128",
    "768-512-512-256-256-128-128",
    "768-512-512-256-256-128-128-64",
    "768-512-512-256-256-128-128-64-64",
    "768-512-512-256-256-128-128-64-64-32",
    "768-512-512-256-256-128-128-64-64-32-32",
    "768-512-512-256-256-128-128-64-64-32-32-16",
    "768-512-512-256-256-128-128-64-64-32-32-16-16",
]
PUBLISHED = {
    "dataset": "mnist",
    "phase_fraction": 0.125,
    "temperature": 0.3,
    "temperature_final": None,
    "epochs": 400,
    "learning_rate": 1e-4,
    "logit_learning_rate": None,
    "batch_size": 128,
    "train_examples": None,
    "replicates": 1,
    "folds": None,
    "repeats": 1,
    "strategies": STRATEGIES,
    "controls": [],
    "pool": STRATEGIES[1:],
    "granularity": "unit",
    "clip_norm": 1.0,
    "clamp": 10.0,
    "estimator": "hard",
    "output": "softmax",
    "handoff": "inherit",
    "handoff_from": "last",
    "evaluation": "sampled",
    "class_weight": "none",
    "metric": None,
    "objective": "margin",
    "precision": "float32",
    "seed": 0,
    "plugins": [],
}
"""Protocol: Adam at 1e-4, batch 128, gradient norm clipped to 1.0, 400 epochs, handoff at epoch 50, temperature 0.3."""


def test_the_space_paper_is_the_published_option_set() -> None:
    space = SearchSpace.load("paper")
    configs = [space.config(widths, {}) for widths in space.draw_architectures()]
    assert [config.to_dict() for config in configs] == [PUBLISHED | {"architecture": name} for name in ARCHITECTURES]
    assert {config.selection_epochs for config in configs} == {50}
    assert len(configs) == space.trials == 18
    assert (space.tunable, space.drawn) == ((), ()), "nothing but the architecture may vary"
