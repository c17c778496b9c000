"""Two-phase training of a stack: selection, handoff, fixed phase; every epoch validated, the best ones kept."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.checkpoints import Checkpoint
from smartmixed_search.config import TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.evaluation import SAMPLED_DRAWS, Evaluation, evaluate, evaluate_sampled, selecting_part
from smartmixed_search.handoff import Selected, hand_off, handoff_states
from smartmixed_search.layout import Layout
from smartmixed_search.randomness import batch_orders
from smartmixed_search.stack import Parameters, Stack
from smartmixed_search.stack.selection import logits_gradient, one_hot, relaxed_sample, temperatures

NOISE_STEPS = 32  # steps whose noise is drawn at once: amortises the calls, stays in the cache

EpochReport = Callable[[int, np.ndarray], None]
"""Called after every epoch with its number, from 0, and the correct validation examples [R, S]."""


class TwoPhaseTraining:
    """The training of all networks of one trial.

    Args:
        config: the trial's configuration.
        dataset: its data; moved to the device once.
        device: where everything runs.
        dtype: of parameters and inputs.
    """

    def __init__(
        self, config: TrialConfig, dataset: Dataset, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.config = config
        self.data = dataset.to(device)
        self.layout = Layout(config, self.data.features, self.data.classes, device, dtype)
        self.stack = self.layout.initial_stack()
        self.optimizer = self.layout.optimizer(self.stack)
        self.early = Checkpoint(self._early_states(), self.layout.logit_columns)
        """Every network's best epoch of the selection phase."""
        self.final = Checkpoint([self.stack.parameters], self.layout.logit_columns)
        """Every network's best epoch; of SmartMixed's, those of the fixed phase only."""
        self.selected: Selected | None = None
        self.epoch = 0
        self.step = 0
        self.epochs_alive = torch.zeros_like(self.final.epoch)
        self.steps_before_handoff = torch.zeros_like(self.optimizer.steps)
        """Optimiser steps of networks that started anew at the handoff, [R, S]."""
        self.curves: dict[str, list[Tensor]] = {"train_loss": [], "val_loss": [], "val_correct": []}
        """One tensor [R, S] per epoch."""
        self.steps_per_epoch = -(-len(self.data.x_train) // config.batch_size)
        self.selection_steps = config.selection_epochs * self.steps_per_epoch
        schedule = temperatures(config.temperature, config.temperature_final, self.selection_steps)
        self._temperatures = torch.tensor(schedule, device=device, dtype=dtype)
        self._noise = self.layout.noise("noise")
        self._noise_block: list[Tensor] = []
        self._draws = self.layout.noise("sampled").block(0, SAMPLED_DRAWS)

    def run(self, report: EpochReport | None = None) -> None:
        """Train every epoch that is left."""
        with torch.no_grad():
            while self.epoch < self.config.epochs:
                if self.epoch == self.config.selection_epochs and self.selected is None:
                    self.hand_off()
                loss = self._train_epoch()
                correct = self._validate(loss)
                if report is not None:
                    report(self.epoch, correct.cpu().numpy())
                self.epoch += 1

    def _train_epoch(self) -> Tensor:
        config, data, layout = self.config, self.data, self.layout
        orders = batch_orders(config.seed, config.replicates, self.epoch, len(data.x_train))
        total = torch.zeros_like(self.final.loss)
        for index in torch.split(torch.from_numpy(orders).to(layout.device), config.batch_size, dim=1):
            x = data.x_train.index_select(0, index.flatten()).view(*index.shape, -1).to(layout.dtype)
            total += self.train_step(x, data.y_train[index]) * index.shape[1]
        return total / len(data.x_train)

    def train_step(self, x: Tensor, y: Tensor) -> Tensor:
        """Update every network on one batch, inputs [R, B, D] and labels [R, B]; return the losses [R, S]."""
        mixes, relaxed, temperature = self._sample()
        loss = self.stack.loss_backward(x, y, mixes)
        if mixes:
            by_mixes = self.stack.mix_gradients
            for gradient, by_mix, sample in zip(self.stack.gradients.logits, by_mixes, relaxed, strict=True):
                gradient.copy_(logits_gradient(by_mix, sample, temperature))
        self.optimizer.step(loss)
        self.step += 1
        return loss

    def _sample(self) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Draw this step's choices: the mixes, their relaxed form, and the temperature; empty if nothing selects."""
        temperature = self._temperatures[min(self.step, self.selection_steps - 1)]
        if not selecting_columns(self.stack):
            return [], [], temperature
        place = self.step % NOISE_STEPS
        if place == 0 or not self._noise_block:
            self._noise_block = self._noise.block(self.step - place, NOISE_STEPS)
        noises = [block[place] for block in self._noise_block]
        logits = self.stack.parameters.logits
        relaxed = [relaxed_sample(logit, noise, temperature) for logit, noise in zip(logits, noises, strict=True)]
        hard = self.config.estimator == "hard"
        return [one_hot(sample) for sample in relaxed] if hard else relaxed, relaxed, temperature

    def _validate(self, train_loss: Tensor) -> Tensor:
        temperature = self._temperatures[min(self.step, self.selection_steps) - 1]
        x, y = self.data.x_val.to(self.layout.dtype), self.data.y_val
        evaluation = self.evaluate(self.stack, x, y, temperature)
        alive = self.optimizer.alive
        alive &= evaluation.loss.isfinite() & self.optimizer.norms(self.stack.parameters).isfinite()
        self.epochs_alive += alive
        eligible = alive.clone()
        if self.epoch < self.config.selection_epochs:
            self.early.update(self.epoch, evaluation, self._early_states(), alive)
            eligible[:, self.layout.smartmixed] = False
        self.final.update(self.epoch, evaluation, [self.stack.parameters], eligible)
        self.curves["train_loss"].append(train_loss)
        self.curves["val_loss"].append(evaluation.loss)
        self.curves["val_correct"].append(evaluation.correct)
        return evaluation.correct

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
        """End SmartMixed's selection phase; once."""
        assert self.selected is None
        before = self.optimizer.steps.clone()
        self.selected = hand_off(self.layout, self.stack, self.optimizer, self.early, self.steps_per_epoch)
        self.steps_before_handoff += before - self.optimizer.steps

    def _early_states(self) -> list[Parameters]:
        carried = handoff_states(self.stack, self.optimizer)
        return carried if self.config.handoff_from == "best" else carried[:1]


def selecting_columns(stack: Stack) -> list[int]:
    """Return the columns of a stack that are selecting."""
    return [column for column, index in enumerate(stack.selecting) if index is not None]


def argmax_mixes(parameters: Parameters) -> list[Tensor]:
    """Return the mixes by which every selecting column applies its most likely functions."""
    return [one_hot(logit) for logit in parameters.logits]
