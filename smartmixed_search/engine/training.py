"""Two-phase training: selection, handoff, fixed phase; every epoch validated, the best ones kept.

Whatever networks are trained, and whoever computes them: this is the one loop.
"""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.checkpoints import Checkpoint
from smartmixed_search.engine.engines import Engine, engine_of
from smartmixed_search.engine.evaluation import Evaluation
from smartmixed_search.engine.handoff import freeze, hand_off
from smartmixed_search.engine.networks import EpochReport, Selected
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.weighting import weighted
from smartmixed_search.method.randomness import batch_orders
from smartmixed_search.method.selection import temperatures
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from smartmixed_search.trials.metrics import metric_of


class TwoPhaseTraining:
    """The training of the networks of one trial, or of a part of them.

    Args:
        config: the trial's configuration.
        dataset: its data; moved to the device once.
        device: where everything runs.
        dtype: of parameters and inputs.
        part: the networks to train; None: all.
        handoff_epochs: selection lengths, beside the configuration's own, for which to measure what another trial,
            that reuses these networks, must know; each is less than the epochs.
        engine: who computes the networks; None: the fastest that can.
    """

    def __init__(
        self,
        config: TrialConfig,
        dataset: Dataset,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        part: Part | None = None,
        handoff_epochs: Collection[int] = (),
        engine: Engine | None = None,
    ) -> None:
        self.config = config
        self.task, self.data = weighted(
            dataset.task.receiving(config.output), dataset.to(device), balanced=config.class_weight == "balanced"
        )
        self.metric = metric_of(config.metric, config.objective, self.task.name)
        """What ranks; measured after every epoch."""
        measured = [self.metric.quantity]
        self.part = part or Part.whole(config)
        self.steps_per_epoch = -(-len(self.data.x_train) // config.batch_size)
        self.selection_steps = config.selection_epochs * self.steps_per_epoch
        schedule = temperatures(config.temperature, config.temperature_final, self.selection_steps)
        self._temperatures = torch.tensor(schedule, device=device, dtype=dtype)
        make = engine or engine_of(config)
        self.networks = make(config, self.part, self.data, self.task, self._temperatures, dtype)
        self.layout = self.networks.layout
        self.early = Checkpoint(self._early_states(), self.layout.logit_columns, measured)
        """Every network's best epoch of the selection phase."""
        self.final = Checkpoint([self.networks.parameters], self.layout.logit_columns, measured)
        """Every network's best epoch; of SmartMixed's, those of the fixed phase only."""
        self.selected: Selected | None = None
        self.epoch = 0
        """Number of epochs trained."""
        self.epochs_alive = torch.zeros_like(self.final.epoch)
        self.steps_before_handoff = torch.zeros_like(self.networks.optimizer.steps)
        """Optimiser steps of networks that started again at the handoff, [R, S]."""
        self.curves: dict[str, list[Tensor]] = {"train_loss": [], "val_loss": [], self.metric.exact("val"): []}
        """One tensor [R, S] per epoch."""
        self.choice_counts: list[Tensor] = []
        """Units of SmartMixed that prefer each function, [R, L, K], at the end of every selection epoch."""
        self.test_at: dict[int, Tensor] = {}
        """What the metric measures of the test examples [R, S] at each network's best epoch of that many first ones;
        SmartMixed's has none."""
        anything_fixed = set(self.part.members) != {SMARTMIXED}
        self._handoff_epochs = {config.selection_epochs, *handoff_epochs} if anything_fixed else set()

    def run(self, report: EpochReport | None = None) -> None:
        """Train every epoch that is left."""
        with torch.no_grad():
            while self.epoch < self.config.epochs:
                if self.epoch == self.config.selection_epochs and self.selected is None:
                    self.hand_off()
                loss = self._train_epoch()
                measured = self._validate(loss)
                self.epoch += 1
                if self.epoch in self._handoff_epochs:
                    self.test_at[self.epoch] = self._tested_so_far()
                if report is not None:
                    report(self.epoch - 1, measured.cpu().numpy())

    def steps_of_epoch(self) -> Iterator[None]:
        """Train on the batches of the present epoch, one at each iteration."""
        config = self.config
        order = batch_orders(config.seed, self.part.replicates, self.epoch, len(self.data.x_train))
        before_handoff = self.layout.smartmixed is not None and self.selected is None
        end = config.selection_epochs if before_handoff else config.epochs
        return self.networks.epoch(order, end - self.epoch)

    def evaluate(
        self, split: str, checkpoint: Checkpoint | None = None, metrics: Sequence[Metric] | None = None
    ) -> Evaluation:
        """Evaluate all networks on a split, as they are now or, with a checkpoint's parameters, as they were then.

        Args:
            split: whose examples.
            checkpoint: None: as they are now.
            metrics: what to measure; None: what ranks.
        """
        metrics = [self.metric] if metrics is None else metrics
        if checkpoint is None:
            temperature = self._temperatures[min(self.networks.taken, self.selection_steps) - 1]
            return self.networks.evaluate(*self._split(split), temperature, metrics)
        temperature = self._temperatures_at(checkpoint, self.networks.selecting_columns)
        return self.networks.evaluate(*self._split(split), temperature, metrics, checkpoint.parameters)

    def evaluate_selection(self, split: str, *, sampled: bool) -> Evaluation:
        """Evaluate SmartMixed's best selection epoch on a split, [R, 1]."""
        temperature = self._temperatures_at(self.early, [self.layout.columns[SMARTMIXED]])
        return self.networks.evaluate_selection(
            *self._split(split), temperature, [self.metric], self.early.parameters, sampled=sampled
        )

    def hand_off(self) -> None:
        """End SmartMixed's selection phase, if it is among the members; once."""
        assert self.selected is None
        if self.layout.smartmixed is None:
            return
        before = self.networks.optimizer.steps.clone()
        self.selected = hand_off(self.networks, self.early, self.steps_per_epoch)
        self.steps_before_handoff += before - self.networks.optimizer.steps

    def resume_fixed_phase(self, selected: Selected) -> None:
        """Go on after a handoff of which all tensors are there already."""
        self.selected = selected
        freeze(self.networks, selected.choices)

    def _train_epoch(self) -> Tensor:
        """Return the mean loss of the epoch's examples, [R, S]."""
        for _ in self.steps_of_epoch():
            pass
        return self.networks.loss / len(self.data.x_train)

    def _validate(self, train_loss: Tensor) -> Tensor:
        networks, smartmixed = self.networks, self.layout.smartmixed
        evaluation = self.evaluate("val")
        networks.retire(evaluation.loss)
        alive = networks.optimizer.alive
        self.epochs_alive += alive
        eligible = alive.clone()
        if self.epoch < self.config.selection_epochs:
            self.early.update(self.epoch, evaluation, self._early_states(), alive)
            if smartmixed is not None:
                eligible[:, smartmixed] = False
                self.choice_counts.append(networks.count_choices())
        self.final.update(self.epoch, evaluation, [networks.parameters], eligible)
        self.curves["train_loss"].append(train_loss)
        self.curves["val_loss"].append(evaluation.loss)
        measured = evaluation.quantities[self.metric.quantity]
        self.curves[self.metric.exact("val")].append(measured)
        return measured

    def _tested_so_far(self) -> Tensor:
        """Return what the metric measures of the test examples at every network's best epoch so far, [R, S]."""
        measured = self.evaluate("test", self.final).quantities[self.metric.quantity]
        return measured.where(self.final.epoch >= 0, self.metric.nothing)

    def _split(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the examples of a split, as they are stored, and their targets."""
        return getattr(self.data, f"x_{name}"), getattr(self.data, f"y_{name}")

    def _temperatures_at(self, checkpoint: Checkpoint, columns: Sequence[int]) -> Tensor:
        """Return the temperature at the end of each network's best epoch, [R, columns, 1, 1]."""
        steps = (checkpoint.epoch[:, list(columns)].clamp(min=0) + 1) * self.steps_per_epoch
        return self._temperatures[steps.clamp(max=self.selection_steps) - 1].unsqueeze(-1).unsqueeze(-1)

    def _early_states(self) -> list[Parameters]:
        from_best = self.config.handoff_from == "best" and self.layout.smartmixed is not None
        return self.networks.states() if from_best else [self.networks.parameters]
