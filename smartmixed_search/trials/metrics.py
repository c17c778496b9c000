"""What ranks the networks of a trial: one of its task's metrics, or a function of the user's own."""

import sys
from collections.abc import Mapping
from typing import Any

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import nearest, one_of, show
from smartmixed_search.system.plugins import require_plugins
from smartmixed_search.tasks.metric import ACCURACY, METRICS, NONE, Metric
from smartmixed_search.tasks.own import OwnMetric
from smartmixed_search.tasks.task import Task

_DIRECTIONS = ("max", "min")


def metric_of(name: str | None, objective: str, task: str) -> Metric:
    """Return what ranks networks that learn a task.

    Args:
        name: what a configuration says of the metric, and
        objective: of what tuning improves.
        task: the name of what is learned.

    Raises:
        ConfigError: the metric is none of the task's, the objective does not fit it, or a function of the user's own
            is not there or not one.
    """
    metric = _named(name, task)
    if objective == ACCURACY.name and metric != ACCURACY:
        raise ConfigError(f"objective must be margin or metric where {metric.name} ranks, but got 'accuracy'")
    return metric


def measured_by(task: Task, ranking: Metric) -> list[Metric]:
    """Return all that the networks of a trial are measured by at their checkpoints."""
    return [*task.metrics, *([] if ranking in task.metrics else [ranking])]


def _named(name: str | None, task: str) -> Metric:
    if name is None:
        return METRICS[task][0]
    if ":" in name:
        return own_metric(name)
    known = {metric.name: metric for metric in METRICS[task]}
    if name not in known:
        others = {metric.name for metrics in METRICS.values() for metric in metrics}
        why = f"{name!r}, which is not of a {task}" if name in others else repr(name)
        raise ConfigError(
            f"metric must be one of {', '.join(known)}, or module:function, but got {why}"
            + (f"; did you mean {near!r}?" if (near := nearest(name, known)) else "")
        )
    return known[name]


def own_metric(spec: str) -> OwnMetric:
    """Return the metric of a function, `module:function`, whose module has been imported.

    Raises:
        ConfigError: it has not been, it has no such function, or that does not say its direction.
    """
    module, _, function = spec.partition(":")
    require_plugins([module])
    found = getattr(sys.modules[module], function, None)
    if not callable(found):
        names = [name for name, one in vars(sys.modules[module]).items() if callable(one) and hasattr(one, "direction")]
        raise ConfigError(one_of(f"metric {spec}: a function of {module}", function, names))
    direction = getattr(found, "direction", None)
    if direction not in _DIRECTIONS:
        raise ConfigError(
            f'metric {spec} must have an attribute direction, "max" or "min", but got {show(direction)}; '
            f'after the function write {function}.direction = "max"'
        )
    return OwnMetric(
        name=function,
        label=function,
        direction=direction,
        unit=str(getattr(found, "unit", NONE)),
        function=found,
        spec=spec,
    )


def modules_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the modules that settings name: plugins, and where a metric of the user's own is."""
    module, colon, _ = (settings["metric"] or "").partition(":")
    return [*settings["plugins"], *([module] if colon else [])]
