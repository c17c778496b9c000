"""Two-phase training of a stack: selection, handoff, fixed phase; every epoch validated, the best ones kept."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.checkpoints import Checkpoint
from smartmixed_search.engine.networks import EpochReport
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.stack import Parameters, Stack
from smartmixed_search.engine.stack.evaluation import (
    SAMPLED_DRAWS,
    Evaluation,
    evaluate,
    evaluate_sampled,
    selecting_part,
)
from smartmixed_search.engine.stack.handoff import Selected, freeze, hand_off, handoff_states
from smartmixed_search.engine.stack.layout import Layout
from smartmixed_search.engine.stack.live_inputs import live_inputs
from smartmixed_search.engine.stack.steps import Steps
from smartmixed_search.method.randomness import batch_orders
from smartmixed_search.method.selection import one_hot, temperatures
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig


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
    """

    def __init__(
        self,
        config: TrialConfig,
        dataset: Dataset,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        part: Part | None = None,
        handoff_epochs: Collection[int] = (),
    ) -> None:
        self.config = config
        self.data = dataset.to(device)
        part, live = part or Part.whole(config), live_inputs(dataset)
        self.layout = Layout(config, part, dataset.features, live, dataset.classes, device, dtype)
        self.stack = self.layout.initial_stack()
        self.steps_per_epoch = -(-len(self.data.x_train) // config.batch_size)
        self.selection_steps = config.selection_epochs * self.steps_per_epoch
        self.optimizer = self.layout.optimizer(self.stack, self.selection_steps)
        self.early = Checkpoint(self._early_states(), self.layout.logit_columns)
        """Every network's best epoch of the selection phase."""
        self.final = Checkpoint([self.stack.parameters], self.layout.logit_columns)
        """Every network's best epoch; of SmartMixed's, those of the fixed phase only."""
        self.selected: Selected | None = None
        self.epoch = 0
        """Number of epochs trained."""
        self.epochs_alive = torch.zeros_like(self.final.epoch)
        self.steps_before_handoff = torch.zeros_like(self.optimizer.steps)
        """Optimiser steps of networks that started anew at the handoff, [R, S]."""
        self.curves: dict[str, list[Tensor]] = {"train_loss": [], "val_loss": [], "val_correct": []}
        """One tensor [R, S] per epoch."""
        self.choice_counts: list[Tensor] = []
        """Neurons of SmartMixed that prefer each function, [R, L, K], at the end of every selection epoch."""
        self.test_correct_at: dict[int, Tensor] = {}
        """Correct test examples [R, S] of each network's best epoch among that many first; SmartMixed's has none."""
        anything_fixed = set(part.members) != {SMARTMIXED}
        self._handoff_epochs = {config.selection_epochs, *handoff_epochs} if anything_fixed else set()
        schedule = temperatures(config.temperature, config.temperature_final, self.selection_steps)
        self._temperatures = torch.tensor(schedule, device=device, dtype=dtype)
        self.steps = Steps(self.layout, self.data, self.stack, self.optimizer, self._temperatures)
        self._draws = self.layout.noise("sampled").block(0, SAMPLED_DRAWS)

    def run(self, report: EpochReport | None = None) -> None:
        """Train every epoch that is left."""
        with torch.no_grad():
            while self.epoch < self.config.epochs:
                if self.epoch == self.config.selection_epochs and self.selected is None:
                    self.hand_off()
                loss = self._train_epoch()
                correct = self._validate(loss)
                self.epoch += 1
                if self.epoch in self._handoff_epochs:
                    self.test_correct_at[self.epoch] = self._test_correct()
                if report is not None:
                    report(self.epoch - 1, correct.cpu().numpy())

    def steps_of_epoch(self) -> Iterator[None]:
        """Train on the batches of the present epoch, one at each iteration."""
        config, layout = self.config, self.layout
        order = batch_orders(config.seed, layout.part.replicates, self.epoch, len(self.data.x_train))
        before_handoff = layout.smartmixed is not None and self.selected is None
        end = config.selection_epochs if before_handoff else config.epochs
        return self.steps.epoch(order, end - self.epoch)

    def _train_epoch(self) -> Tensor:
        """Return the mean loss of the epoch's examples, [R, S]."""
        for _ in self.steps_of_epoch():
            pass
        return self.steps.loss / len(self.data.x_train)

    def _validate(self, train_loss: Tensor) -> Tensor:
        temperature = self._temperatures[min(self.steps.taken, self.selection_steps) - 1]
        x, y = self.data.x_val.to(self.layout.dtype), self.data.y_val
        evaluation = self.evaluate(self.stack, x, y, temperature)
        alive = self.optimizer.alive
        alive &= evaluation.loss.isfinite() & self.optimizer.norms(self.stack.parameters).isfinite()
        self.epochs_alive += alive
        eligible = alive.clone()
        if self.epoch < self.config.selection_epochs:
            self.early.update(self.epoch, evaluation, self._early_states(), alive)
            if self.layout.smartmixed is not None:
                eligible[:, self.layout.smartmixed] = False
                self.choice_counts.append(_count_choices(self.stack.parameters))
        self.final.update(self.epoch, evaluation, [self.stack.parameters], eligible)
        self.curves["train_loss"].append(train_loss)
        self.curves["val_loss"].append(evaluation.loss)
        self.curves["val_correct"].append(evaluation.correct)
        return evaluation.correct

    def _test_correct(self) -> Tensor:
        """Return the correct test examples [R, S] of every network's best epoch so far; 0 for those that have none."""
        stack = self.final_stack()
        temperature = self.temperatures_at(self.final, selecting_columns(stack))
        evaluation = self.evaluate(stack, self.data.x_test.to(self.layout.dtype), self.data.y_test, temperature)
        return evaluation.correct.where(self.final.epoch >= 0, 0.0)

    def evaluate(self, stack: Stack, x: Tensor, y: Tensor, temperature: Tensor) -> Evaluation:
        """Evaluate networks as the configuration says: selecting columns by their argmax, or by sampled choices.

        Args:
            stack: the networks.
            x: inputs [N, D].
            y: labels [N].
            temperature: of the selecting columns, broadcastable to [R, J, H, K]; matters to sampled choices.
        """
        evaluation = evaluate(stack, x, y, argmax_mixes(stack.parameters))
        columns = selecting_columns(stack)
        if self.config.evaluation == "sampled" and columns:
            sampled = self.evaluate_sampled(selecting_part(stack, columns), x, y, temperature)
            for index, column in enumerate(columns):
                evaluation.loss[:, column] = sampled.loss[:, index]
                evaluation.correct[:, column] = sampled.correct[:, index]
        return evaluation

    def evaluate_sampled(self, part: Stack, x: Tensor, y: Tensor, temperature: Tensor) -> Evaluation:
        """Evaluate a stack of selecting columns with sampled choices, with the same draws at every call."""
        hard = self.config.estimator == "hard"
        return evaluate_sampled(part, x, y, self._draws, temperature, hard=hard)

    def temperatures_at(self, checkpoint: Checkpoint, columns: Sequence[int]) -> Tensor:
        """Return the temperature at the end of each network's best epoch, [R, columns, 1, 1]."""
        steps = (checkpoint.epoch[:, list(columns)].clamp(min=0) + 1) * self.steps_per_epoch
        return self._temperatures[steps.clamp(max=self.selection_steps) - 1].unsqueeze(-1).unsqueeze(-1)

    def phase1_stack(self) -> Stack:
        """Return a stack of every network's checkpoint within the selection phase."""
        return self.layout.stack(self.early.parameters, self.layout.assignments(), self.layout.selecting())

    def final_stack(self) -> Stack:
        """Return a stack of every network's checkpoint."""
        return self.layout.stack(self.final.parameters, self.stack.assignments, self.stack.selecting)

    def hand_off(self) -> None:
        """End SmartMixed's selection phase, if it is among the members; once."""
        assert self.selected is None
        if self.layout.smartmixed is None:
            return
        before = self.optimizer.steps.clone()
        self.selected = hand_off(self.layout, self.stack, self.optimizer, self.early, self.steps_per_epoch)
        self.steps_before_handoff += before - self.optimizer.steps

    def resume_fixed_phase(self, selected: Selected) -> None:
        """Go on after a handoff of which all tensors are there already."""
        self.selected = selected
        freeze(self.layout, self.stack, self.optimizer, selected.choices)

    def _early_states(self) -> list[Parameters]:
        carried = handoff_states(self.stack, self.optimizer)
        from_best = self.config.handoff_from == "best" and self.layout.smartmixed is not None
        return carried if from_best else carried[:1]


def selecting_columns(stack: Stack) -> list[int]:
    """Return the columns of a stack that are selecting."""
    return [column for column, index in enumerate(stack.selecting) if index is not None]


def _count_choices(parameters: Parameters) -> Tensor:
    """Count SmartMixed's neurons by most likely function, [R, L, K]."""
    return torch.stack([one_hot(logit[:, 0]).sum(1) for logit in parameters.logits], dim=1)


def argmax_mixes(parameters: Parameters) -> list[Tensor]:
    """Return the mixes by which every selecting column applies its most likely functions."""
    return [one_hot(logit) for logit in parameters.logits]
