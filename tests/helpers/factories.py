"""Results as a trial would return them, with accuracies of the test's choice and nothing trained."""

from collections.abc import Mapping, Sequence
from typing import Any

from smartmixed_search.trials.config import CONTROLS, SMARTMIXED, TrialConfig
from smartmixed_search.trials.records import CONTROL, DIVERGED, FINISHED, RANKED, Choice, NetworkResult
from smartmixed_search.trials.result import TrialResult

EXAMPLES = 1000
"""Size of either split: an accuracy of 0.9 is 900 correct examples."""
STEPS_PER_EPOCH = 10

Accuracies = Mapping[str, float | Sequence[float]]
"""By strategy or control: one for all replicates, or one for each."""

SEVEN: Accuracies = {
    "smartmixed": 0.97,
    "relu": 0.96,
    "sigmoid": 0.90,
    "tanh": 0.95,
    "leaky_relu": 0.96,
    "elu": 0.94,
    "selu": 0.93,
}


def make_result(
    *,
    architecture: tuple[int, ...] = (8, 4),
    accuracies: Accuracies = SEVEN,
    val_accuracies: Accuracies | None = None,
    replicates: int = 2,
    confidence: float = 0.6,
    objective: float | None = None,
    weights_path: str | None = None,
    **settings: Any,
) -> TrialResult:
    """Build a result; `accuracies` are of the test split, and of the validation split unless that is given too.

    `settings` are further fields of the configuration. Without `objective` it is SmartMixed's validation accuracy.
    """
    val_accuracies = val_accuracies or accuracies
    defaults: dict[str, Any] = {"dataset": "digits", "epochs": 4, "replicates": replicates}
    members = list(accuracies)
    config = TrialConfig(
        architecture=architecture,
        strategies=tuple(name for name in members if name not in CONTROLS),
        controls=tuple(name for name in members if name in CONTROLS),
        **(defaults | settings),
    )
    networks = [
        make_network(
            strategy=name,
            replicate=replicate,
            test_accuracy=_of(accuracies[name], replicate),
            val_accuracy=_of(val_accuracies[name], replicate),
            epochs=config.epochs,
        )
        for replicate in range(replicates)
        for name in members
    ]
    return TrialResult(
        config=config,
        key=config.key,
        networks=networks,
        choices=[_choice(replicate, architecture, confidence) for replicate in range(replicates)],
        objective=_of(val_accuracies[SMARTMIXED], 0) if objective is None else objective,
        selection_epochs=config.selection_epochs,
        selection_steps=config.selection_epochs * STEPS_PER_EPOCH,
        seconds=12.5,
        environment={"device": "cpu"},
        weights_path=weights_path,
    )


def make_network(
    *,
    strategy: str = SMARTMIXED,
    replicate: int = 0,
    test_accuracy: float = 0.9,
    val_accuracy: float = 0.9,
    epochs: int = 4,
    **changes: Any,
) -> NetworkResult:
    """Build one network's result; `changes` replace any of its fields."""
    is_smartmixed = strategy == SMARTMIXED
    fields: dict[str, Any] = {
        "strategy": strategy,
        "role": CONTROL if strategy in CONTROLS else RANKED,
        "replicate": replicate,
        "status": FINISHED,
        "parameters": 123,
        "best_epoch": epochs - 1,
        "val": _figures(val_accuracy),
        "test": _figures(test_accuracy),
        "val_last": {"loss": 1 - val_accuracy, "accuracy": val_accuracy},
        "epochs": epochs,
        "steps": epochs * STEPS_PER_EPOCH,
        "test_at_handoff": None if is_smartmixed else test_accuracy - 0.01,
        "phase1": _phase1(val_accuracy, test_accuracy) if is_smartmixed else {},
        "curves": {
            "train_loss": [1.0 / (epoch + 1) for epoch in range(epochs)],
            "val_loss": [1.1 / (epoch + 1) for epoch in range(epochs)],
            "val_accuracy": [val_accuracy - 0.1 / (epoch + 1) for epoch in range(epochs)],
        },
    }
    return NetworkResult(**(fields | changes))


def diverged_network(*, strategy: str, replicate: int = 0, epochs: int = 4) -> NetworkResult:
    """Build the result of a network that diverged before its first checkpoint."""
    nothing: list[float | None] = [None] * epochs
    return make_network(
        strategy=strategy,
        replicate=replicate,
        test_accuracy=0.0,
        val_accuracy=0.0,
        status=DIVERGED,
        best_epoch=None,
        val={**_figures(0.0), "loss": None},
        test={**_figures(0.0), "loss": None},
        val_last={"loss": None, "accuracy": 0.0},
        epochs=epochs,
        curves={"train_loss": nothing, "val_loss": nothing, "val_accuracy": nothing},
    )


def _figures(accuracy: float) -> dict[str, float | None]:
    return {"loss": 1 - accuracy, "accuracy": accuracy, "correct": round(accuracy * EXAMPLES)}


def _of(values: float | Sequence[float], replicate: int) -> float:
    return values if isinstance(values, float | int) else values[replicate]


def _phase1(val_accuracy: float, test_accuracy: float) -> dict[str, float | None]:
    scores: dict[str, float | None] = {"best_epoch": 0.0}
    for split, accuracy in (("val", val_accuracy), ("test", test_accuracy)):
        for kind, loss in (("argmax", 0.02), ("sampled", 0.04)):
            scores[f"{split}_accuracy_{kind}"] = accuracy - loss
            scores[f"{split}_loss_{kind}"] = 1 - accuracy + loss
    return scores


def _choice(replicate: int, architecture: tuple[int, ...], confidence: float) -> Choice:
    depth = len(architecture)
    return Choice(
        replicate=replicate,
        functions=[["relu"] * (width - 1) + ["elu"] for width in architecture],
        confidence=[confidence] * depth,
        entropy=[0.5] * depth,
        changed=[0.25] * depth,
        counts=[[[width - 1, 0, 0, 0, 1, 0] for width in architecture]],
    )
