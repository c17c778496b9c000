"""The epochs of a trial as they are reported: each once, when all of its networks have passed it."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

import numpy as np

from smartmixed_search.engine.networks import EpochReport
from smartmixed_search.engine.parts import Part
from smartmixed_search.families import format_architecture
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from smartmixed_search.trials.ranking import best_fixed, merit
from smartmixed_search.trials.records import NetworkResult

Report = Callable[[int, dict[str, float]], None]
"""Called once per epoch, in order, with its number, from 0, and what is known of the trial at that epoch.

That is `epoch`, `epochs`, the configured objective, and `margin` wherever there is a fixed strategy to compare with.

It is called when all networks have passed the epoch: in a trial that is trained in parts, while the last part trains.
For epochs that an earlier attempt has trained it is called again, at once.
"""

_SAY_SECONDS = 10.0
"""How often it is said how far a trial is."""


def printed(
    config: TrialConfig, report: Report | None, stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Return a report that passes on to another, and says now and then how far the trial is; the first time at once."""
    networks = len(config.members) * config.all_replicates
    architecture = format_architecture(config.architecture)
    print(f"{architecture} on {config.dataset}: {networks} networks, {config.epochs} epochs", file=stream, flush=True)
    said_at = clock()

    def say(epoch: int, metrics: dict[str, float]) -> None:
        nonlocal said_at
        if report is not None:
            report(epoch, metrics)
        if clock() - said_at >= _SAY_SECONDS or epoch + 1 == config.epochs:
            said_at = clock()
            print(f"{epoch + 1} of {config.epochs} epochs", file=stream, flush=True)

    return say


class TrialEpochs:
    """Gathers what the parts of a trial report, and reports every epoch once, when all networks have passed it.

    Parts train one after another, so all but the last only leave their counts here. An epoch that is trained again,
    in smaller parts because memory ran out after it, is not reported again.

    Args:
        config: the trial's configuration.
        metric: what ranks.
        examples: number of validation examples of every split of the data.
        uninformed: the metric's value of who knows nothing, which counts where a network has none.
        report: what is called; None: nothing.
    """

    def __init__(
        self, config: TrialConfig, metric: Metric, examples: Sequence[int], uninformed: float, report: Report | None
    ) -> None:
        self._config = config
        self._whole = Part.whole(config)
        self._metric = metric
        self._examples = np.tile(np.array(examples, dtype=np.float64), config.replicates)
        """Of every replicate."""
        self._uninformed = uninformed
        self._report = report
        self._quantities = np.full((config.epochs, config.all_replicates, len(config.members)), np.nan)
        self._passed = np.zeros(self._quantities.shape, dtype=bool)
        self._next = 0

    def reuse(self, networks: Iterable[NetworkResult]) -> None:
        """Take networks as having passed all epochs already."""
        for network in networks:
            at = slice(None), network.replicate, self._whole.members.index(network.strategy)
            values = np.array(network.curves[self._metric.val], dtype=np.float64)
            self._quantities[at] = values * self._examples[network.replicate] if self._metric.count else values
            self._passed[at] = True

    def of(self, part: Part) -> EpochReport:
        """Return what is to be called after every epoch of a part."""
        at = np.ix_(part.replicates, [self._whole.members.index(name) for name in part.members])

        def after_epoch(epoch: int, measured: np.ndarray) -> None:
            self._quantities[epoch][at] = measured
            self._passed[epoch][at] = True
            if epoch == self._next and self._passed[epoch].all():
                self._next += 1
                if self._report is not None:
                    self._report(epoch, self._metrics(epoch))

        return after_epoch

    def _metrics(self, epoch: int) -> dict[str, float]:
        """Turn what was measured on the validation examples into the figures at that epoch."""
        metric, quantities = self._metric, self._quantities[epoch]
        if metric.count:  # as if all splits were as large
            quantities = quantities * (self._examples[0] / self._examples[:, None])
            means = quantities.mean(0) / self._examples[0]
        else:
            means = np.nan_to_num(quantities, nan=self._uninformed).mean(0)
        values = dict(zip(self._whole.members, means.tolist(), strict=True))
        merits = {name: merit(of_one, metric) for name, of_one in zip(self._whole.members, quantities.T, strict=True)}
        figures = dict.fromkeys(("metric", "accuracy"), metric.oriented(values[SMARTMIXED]))
        rival = best_fixed({name: merits[name] for name in self._config.fixed_strategies})
        if rival is not None:
            figures["margin"] = metric.gain(values[SMARTMIXED], values[rival])
        reported = {name: figures[name] for name in (self._config.objective, "margin") if name in figures}
        return {"epoch": epoch, "epochs": self._config.epochs, **reported}
