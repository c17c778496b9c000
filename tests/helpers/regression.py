"""Results of networks that predict numbers, made of results with accuracies: an error of 0 for an accuracy of 1."""

from dataclasses import replace
from typing import Any

from smartmixed_search.tasks.metric import RMSE
from smartmixed_search.trials.records import NetworkResult
from smartmixed_search.trials.result import TrialResult
from tests.helpers.factories import Accuracies, make_result

DEVIATION = 50.0
"""Of the test targets."""
_SCALE = 100.0


def make_regression(*, accuracies: Accuracies, dataset: str = "houses", **settings: Any) -> TrialResult:
    """Build what `make_result` does, of a regression: RMSE is 100 × (1 − accuracy), none for an accuracy of 0."""
    return as_regression(make_result(accuracies=accuracies, dataset=dataset, **settings))


def as_regression(result: TrialResult) -> TrialResult:
    """Return a result as that of a regression."""
    return replace(
        result,
        networks=[_network(network) for network in result.networks],
        metric=RMSE,
        task="regression",
        target_deviation=DEVIATION,
    )


def _network(network: NetworkResult) -> NetworkResult:
    def errors(values: dict[str, float | None]) -> dict[str, float | None]:
        rmse = _error(values["accuracy"])
        r2 = None if rmse is None else 1 - (rmse / DEVIATION) ** 2
        return {"loss": values["loss"], "rmse": rmse, "mae": None if rmse is None else 0.8 * rmse, "r2": r2}

    return replace(
        network,
        val=errors(network.val),
        test=errors(network.test),
        val_last={"loss": network.val_last["loss"], "rmse": _error(network.val_last["accuracy"])},
        test_at_handoff=_error(network.test_at_handoff),
        phase1={
            name.replace("accuracy", "rmse"): _error(value) if "accuracy" in name else value
            for name, value in network.phase1.items()
        },
        curves={
            name.replace("accuracy", "rmse"): [_error(value) for value in curve] if "accuracy" in name else curve
            for name, curve in network.curves.items()
        },
    )


def _error(accuracy: float | None) -> float | None:
    return round(_SCALE * (1 - accuracy), 9) if accuracy else None
