"""What a trial returns: plain, frozen records that travel between processes as dicts and JSON."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from smartmixed_search.families import format_architecture
from smartmixed_search.method.selection_rate import logit_rate
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import Choice, NetworkResult


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What `run_trial` returns: the figures of every network, SmartMixed's choices, and the objective."""

    config: TrialConfig
    key: str
    """Identity of the configuration: 16 hex digits."""
    networks: list[NetworkResult]
    """Replicate by replicate, strategies then controls."""
    choices: list[Choice]
    """One per replicate."""
    objective: float
    """What tuning maximises; from validation data only, always finite."""
    selection_epochs: int
    selection_steps: int
    """Optimiser steps of the selection phase."""
    seconds: float
    """Wall time of training and measuring all networks."""
    environment: dict[str, str]
    """Device and versions the trial ran with, and in how many parts it was trained."""
    metric: Metric = ACCURACY
    """What ranks."""
    task: str = "classification"
    """What was learned."""
    target_deviation: float | None = None
    """Standard deviation of the test examples' targets in their unit, mean over several; None: they are classes."""
    weights_path: str | None = field(default=None)
    """Where SmartMixed's frozen networks were written (safetensors), if they were."""
    weights_checksum: str | None = None
    """Checksum of that file."""

    @property
    def logit_learning_rate(self) -> float:
        """Adam's learning rate for the logits, whether the configuration gave it or it followed from the steps."""
        config = self.config
        return logit_rate(config.logit_learning_rate, config.learning_rate, self.selection_steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, fit for JSON."""
        return vars(self) | {
            "config": self.config.to_dict(),
            "metric": self.metric.to_dict(),
            "networks": [dict(vars(network)) for network in self.networks],
            "choices": [dict(vars(choice)) for choice in self.choices],
        }

    def _repr_html_(self) -> str:
        from smartmixed_search.trials.ranking import rank_networks  # which reads this module, and brings pandas

        ranking = rank_networks(self.networks, self.metric)
        shown = ranking[["rank", "strategy", self.metric.test, self.metric.val, "replicates"]]
        table = shown.to_html(index=False, na_rep="–", float_format="{:z.4f}".format)
        name = format_architecture(self.config.architecture)
        return f"<p>{name} on {html.escape(self.config.dataset)}, objective {self.objective:+z.4f}</p>{table}"

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        values = dict(plain)
        values["config"] = TrialConfig.from_dict(values["config"])
        values["networks"] = [NetworkResult.from_dict(network) for network in values["networks"]]
        if "metric" in values:
            values["metric"] = Metric.from_dict(values["metric"])
        values["choices"] = [Choice(**choice) for choice in values["choices"]]
        return cls(**values)
