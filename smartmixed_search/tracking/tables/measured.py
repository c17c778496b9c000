"""By what the networks of a sweep were measured, as the tags of its run say; of schema 1, by accuracy and loss."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.tasks.metric import ACCURACY, METRICS, NATS, NONE, TARGET, Direction, Metric
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.tables import columns
from smartmixed_search.trials.result import TrialResult

if TYPE_CHECKING:
    from mlflow.entities import Run

CLASSIFICATION = "classification"
_KNOWN = {one.name: one for of_task in METRICS.values() for one in of_task}
LOSS = Metric(name="loss", label="loss", direction="min", unit=NATS)
"""What the networks of schema 1 were trained on."""
Data = tuple[str, str]
"""A dataset's name and its checksum."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The metrics of a sweep's networks."""

    task: str = CLASSIFICATION
    metric: Metric = ACCURACY
    """The one that ranks."""
    metrics: tuple[Metric, ...] = (ACCURACY, LOSS)
    """All that were recorded."""
    deviation: float | None = None
    """Of the test targets, where they are numbers."""
    folds: int = 1
    """How many parts of the data test, each once, with networks of their own."""

    @classmethod
    def of(cls, run: "Run") -> Self:
        """Return what a sweep's run says."""
        tags = run.data.tags
        if schema.TAG_METRIC not in tags:
            return cls()  # `SCHEMA_1`
        folds = run.data.params.get("folds", "none")
        every = tuple(Metric.from_dict(one) for one in json.loads(tags.get(schema.TAG_METRICS, "[]")))
        named = {one.name: one for one in every}
        name, unit = tags[schema.TAG_METRIC], tags.get(schema.TAG_UNIT, NONE)
        direction: Direction = "min" if tags.get(schema.TAG_DIRECTION) == "min" else "max"
        known = _KNOWN.get(name, Metric(name=name, label=name, direction=direction, unit=unit))
        alone = replace(known, direction=direction, unit=unit)
        deviation = tags.get(schema.TAG_DEVIATION)
        return cls(
            task=tags.get(schema.TAG_TASK, CLASSIFICATION),
            metric=named.get(name, alone),
            metrics=every or (alone,),
            deviation=None if deviation is None else float(deviation),
            folds=1 if folds == "none" else int(folds),
        )

    @classmethod
    def in_result(cls, result: TrialResult, target: object = None) -> Self:
        """Return by what a trial's networks were measured; figures in the target's unit are told by its name."""

        def told(metric: Metric) -> Metric:
            plain = Metric.from_dict(metric.to_dict())
            return replace(plain, unit=target) if metric.unit == TARGET and isinstance(target, str) else plain

        there = result.networks[0].test
        every = [one for one in METRICS.get(result.task, ()) if one.name in there]
        loss = LOSS if result.task == CLASSIFICATION else replace(LOSS, unit=NONE)  # of standardised targets
        own = [] if result.metric.name in {one.name for one in every} else [result.metric]
        return cls(
            task=result.task,
            metric=told(result.metric),
            metrics=tuple(told(one) for one in (*every, *own, loss)),
            deviation=result.target_deviation,
        )

    @property
    def tags(self) -> schema.Tags:
        """The tags of a run whose networks were measured so."""
        metric = self.metric
        tags = {schema.TAG_TASK: self.task, schema.TAG_METRIC: metric.name}
        tags |= {schema.TAG_DIRECTION: metric.direction, schema.TAG_UNIT: metric.unit}
        return tags if self.deviation is None else tags | {schema.TAG_DEVIATION: repr(self.deviation)}

    @property
    def sweep_tags(self) -> schema.Tags:
        """The tags of the sweep's run."""
        return self.tags | {schema.TAG_METRICS: json.dumps([one.to_dict() for one in self.metrics])}

    @property
    def names(self) -> list[str]:
        """The metrics that have columns of their own in every table, the one that ranks first; losses have theirs."""
        return [name for name in dict.fromkeys((self.metric.name, *(m.name for m in self.metrics))) if name != "loss"]

    def scale(self, metric: Metric | None = None) -> Scale:
        """Return how a metric's values are told, by default those of the one that ranks."""
        return Scale(metric=metric or self.metric, deviation=self.deviation, folds=self.folds)


SCHEMA_1 = Measured()
"""What runs without tags of metrics mean."""


def data_of(sweep: "Run") -> Data:
    """Return name and checksum of a sweep's dataset."""
    return sweep.data.tags[schema.TAG_DATASET], columns.checksum(sweep)


def asked_for(sweeps: Sequence["Run"], metric: str | None = None) -> tuple[list["Run"], dict[Data, Scale]]:
    """Return those of some sweeps, the latest first, in which a metric was recorded, and its scale on each dataset.

    Without one, each dataset's own: that by which its latest sweep ranks.

    Raises:
        ConfigError: no sweep has recorded it; the message lists those there are.
    """
    scales: dict[Data, Scale] = {}
    recorded: dict[str, None] = {}
    for sweep in sweeps:
        measured = Measured.of(sweep)
        known = {one.name: one for one in (measured.metric, *measured.metrics)}
        recorded |= dict.fromkeys(known)
        if metric is None or metric in known:
            scales.setdefault(data_of(sweep), measured.scale(known.get(metric or "")))
    if metric is not None and not scales:
        raise ConfigError(one_of("metric", metric, recorded))
    return [sweep for sweep in sweeps if _has(sweep, scales)], scales


def _has(sweep: "Run", scales: dict[Data, Scale]) -> bool:
    measured, scale = Measured.of(sweep), scales.get(data_of(sweep))
    return scale is not None and scale.metric.name in _names((measured.metric, *measured.metrics))


def _names(metrics: Iterable[Metric]) -> list[str]:
    return [one.name for one in metrics]
