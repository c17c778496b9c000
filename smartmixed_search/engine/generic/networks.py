"""The generic engine: networks of any family as modules, trained by autograd.

Slower than the stack, and able to train whatever a family builds. Tensors of all networks are stacked, [R, S, …], and
the modules' parameters are views into these: so the optimiser, checkpoints and states are the same for every engine.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.draws import Draws
from smartmixed_search.engine.evaluation import SAMPLED_DRAWS, Evaluation, add_up, average, in_batches
from smartmixed_search.engine.generic.choosing import ChoosingActivation, give_noise
from smartmixed_search.engine.inputs import as_inputs
from smartmixed_search.engine.layout import Layout
from smartmixed_search.engine.networks import Networks, Selected
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.precision import tf32_products
from smartmixed_search.families import family_of
from smartmixed_search.families.family import Activate, Site
from smartmixed_search.method.activations import INITIAL_TILT
from smartmixed_search.method.modules import FixedActivation, MixedActivation
from smartmixed_search.method.randomness import seed_sequence
from smartmixed_search.method.rivals import RIVALS, LearnedActivation, start_of
from smartmixed_search.system.guests import guest
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tasks.task import Task
from smartmixed_search.trials.config import RANDOM_MIXED, SMARTMIXED, TrialConfig


class GenericNetworks(Networks):
    """Networks of any family; see `Networks`.

    Args:
        config: the trial's configuration.
        part: which of its networks.
        data: on the device where they are trained.
        task: what they learn.
        temperatures: of every selection step; networks that still select after these keep the last.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: TrialConfig,
        part: Part,
        data: Dataset,
        task: Task,
        temperatures: Tensor,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._family, self._shape = family_of(config.architecture), data.shape
        self._data, self._task = data, task
        self._sites = self._family.sites(config.architecture, self._shape, task.outputs)
        layout = Layout(config, part, [site.units for site in self._sites], temperatures.device, dtype)
        self.layout = layout
        skeleton = self._build(0, "weights", _identity)
        self._names = [name for name, _ in skeleton.named_parameters()]
        self._buffers = [name for name, _ in skeleton.named_buffers()]
        coefficients = layout.initial_coefficients()
        self._learned = [f"{site.name}.coefficients" for site in self._sites] if coefficients else []
        drawn = [torch.from_numpy(array).to(layout.device) for array in self.draw("weights")]
        shared = [_converted(tensor, dtype).unsqueeze(1).repeat_interleave(len(part.members), 1) for tensor in drawn]
        trained = len(self._names) + len(coefficients)
        shared[len(self._names) : trained] = coefficients
        tilted = [nn.functional.one_hot(tilt, len(layout.pool)).to(dtype) * INITIAL_TILT for tilt in layout.tilts]
        logits = [tilt.unsqueeze(1).repeat_interleave(len(layout.logit_columns), 1) for tilt in tilted]
        learned = Parameters(shared[:trained], logits)
        self._gradients = learned.zeros_like()
        super().__init__(
            layout, Parameters(shared, logits), layout.optimizer(learned, self._gradients, len(temperatures))
        )
        self._finite = [buffer.isfinite() for buffer in shared[len(self._names) :]]
        self._placed_buffers: dict[nn.Module, list[tuple[nn.Module, str, Tensor]]] = {}
        self._modules = [[self._network(row, name) for name in part.members] for row in range(len(part.replicates))]
        smartmixed = layout.smartmixed
        self._selecting = [] if smartmixed is None else [networks[smartmixed] for networks in self._modules]
        """SmartMixed's networks as they select, of every replicate, also after the handoff."""
        self._draws = Draws(layout, temperatures)
        self._sampled = layout.noise("sampled").block(0, SAMPLED_DRAWS)

    @property
    def selecting_columns(self) -> list[int]:
        """See `Networks`."""
        return [column for column, network in enumerate(self._modules[0]) if self._choosing_in(network)]

    def epoch(self, order: np.ndarray, epochs_left: int) -> Iterator[None]:
        """See `Networks`."""
        self.loss.zero_()
        for network in itertools.chain(*self._modules):
            network.train()
        examples = torch.from_numpy(order).to(self.layout.device)
        for index in torch.split(examples, self.layout.config.batch_size, dim=1):
            loss = self._step(index)
            self.optimizer.step(loss)
            self.loss.add_(loss, alpha=index.shape[1])
            self.taken += 1
            yield

    def evaluate(
        self,
        x: Tensor,
        y: Tensor,
        temperature: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters | None = None,
    ) -> Evaluation:
        """See `Networks`."""
        evaluation = self._evaluate(self._modules, x, y, metrics, parameters or self.parameters)
        columns = self.selecting_columns
        if self.layout.config.evaluation == "sampled" and columns:
            modules = [[row[column] for column in columns] for row in self._modules]
            own = parameters or self.parameters
            sampled = self._evaluate_sampled(modules, columns, x, y, temperature, metrics, own)
            evaluation.replace_columns(columns, sampled)
        return evaluation

    def evaluate_selection(
        self,
        x: Tensor,
        y: Tensor,
        temperature: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters,
        *,
        sampled: bool,
    ) -> Evaluation:
        """See `Networks`."""
        modules, columns = [[module] for module in self._selecting], [self.layout.columns[SMARTMIXED]]
        if sampled:
            return self._evaluate_sampled(modules, columns, x, y, temperature, metrics, parameters)
        return self._evaluate(modules, x, y, metrics, parameters, columns)

    def draw(self, stream: str) -> list[np.ndarray]:
        """See `Networks`; parameters, those of learned rivals, then buffers."""
        networks = [self._build(row, stream, _identity) for row in range(len(self.layout.part.replicates))]
        states = [dict([*network.named_parameters(), *network.named_buffers()]) for network in networks]
        names, buffers = (
            [np.stack([state[name].detach().numpy() for state in states]) for name in group]
            for group in (self._names, self._buffers)
        )
        return names + self.layout.no_coefficients() + buffers

    def freeze(self, choices: list[Tensor]) -> None:
        """See `Networks`."""
        for row, networks in enumerate(self._modules):
            networks[self.layout.columns[SMARTMIXED]] = self._placed(row, SMARTMIXED, self._mixed(choices, row))

    def weights(self, parameters: Parameters, selected: Selected) -> dict[str, Tensor]:
        """Return what the family's modules call their parameters and buffers; see `Networks`."""
        column = self.layout.columns[SMARTMIXED]
        return {
            name: tensor[:, column].clone()
            for name, tensor in zip((*self._names, *self._learned, *self._buffers), parameters.shared, strict=True)
            if name not in self._learned
        }

    def _step(self, index: Tensor) -> Tensor:
        """Fill the gradients of every network for its batch [R, B] of examples; return the losses [R, S]."""
        for gradient in self._gradients.tensors():
            gradient.zero_()
        noise, temperature = self._next_draw()
        losses = []
        for row, (replicate, examples) in enumerate(zip(self.layout.part.replicates, index, strict=True)):
            x = as_inputs(self._data.x_train[examples], self._shape, self.layout.dtype)
            y = self._data.y_train[examples]
            selecting = [self._modules[row][column] for column in self.selecting_columns]
            for network in selecting:
                give_noise(self._choosing_in(network), [site[row] for site in noise], temperature)
            for network in self._modules[row]:
                with self._random(replicate, f"step {self.taken}"), torch.enable_grad(), self._precision():
                    loss = self._task.loss(self._run(network, x), y).mean()
                    torch.autograd.backward(loss)
                self._keep_buffers(network)
                losses.append(loss.detach())
            for network in selecting:
                give_noise(self._choosing_in(network), None, temperature)
        return torch.stack(losses).view(self.loss.shape)

    def _next_draw(self) -> tuple[Sequence[Tensor], Tensor]:
        """Return noise [R, H, K] of what chooses and the temperature of the next step, if anything selects."""
        if not self.selecting_columns:
            return (), self.loss.new_empty(())
        self._draws.prepare(self.taken)
        noise, temperature = self._draws.take()
        return noise.split_with_sizes(self.layout.units, 1), temperature

    def _evaluate(
        self,
        modules: list[list[nn.Module]],
        x: Tensor,
        y: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters,
        columns: Sequence[int] | None = None,
    ) -> Evaluation:
        """Evaluate modules [R][columns] with the parameters of these columns; None: of all."""
        places = range(len(modules[0])) if columns is None else columns
        tallies: list[dict[str, Tensor]] = []
        for network in itertools.chain(*modules):
            network.eval()
        states = [
            [
                _in_all_places(network, self._evaluated(network, parameters, row, column))
                for network, column in zip(networks, places, strict=True)
            ]
            for row, networks in enumerate(modules)
        ]
        for inputs, targets in in_batches(x, y, self._shape, self.layout.dtype):
            outputs = []
            for replicate, networks, of_row in zip(self.layout.part.replicates, modules, states, strict=True):
                for network, state in zip(networks, of_row, strict=True):
                    with self._random(replicate, "evaluation"), self._precision():
                        outputs.append(self._run(partial(functional_call, network, state, tie_weights=False), inputs))
            stacked = torch.stack(outputs).view(len(modules), len(places), *outputs[0].shape)
            tallies.append(self._task.tally(stacked, targets, metrics))
        return add_up(self._task, tallies, y, metrics)

    def _evaluate_sampled(
        self,
        modules: list[list[nn.Module]],
        columns: Sequence[int],
        x: Tensor,
        y: Tensor,
        temperature: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters,
    ) -> Evaluation:
        """Evaluate selecting modules [R][columns] with sampled choices, with the same draws at every call."""
        at = temperature.expand(len(modules), len(columns), 1, 1)
        draws = []
        for draw in zip(*self._sampled, strict=True):
            for row, networks in enumerate(modules):
                for place, network in enumerate(networks):
                    give_noise(self._choosing_in(network), [site[row] for site in draw], at[row, place, 0])
            draws.append(self._evaluate(modules, x, y, metrics, parameters, columns))
        for network in itertools.chain(*modules):
            give_noise(self._choosing_in(network), None, temperature)
        return average(draws)

    def _run(self, network: nn.Module | partial[Tensor], x: Tensor) -> Tensor:
        """Return outputs [C, B] for inputs [B, …], whatever the network does to these in place."""
        output: Tensor = network(x.clone())
        return output.to(self.layout.dtype).mT

    def _state(self, network: nn.Module, parameters: Parameters, row: int, column: int) -> dict[str, Tensor]:
        """Return a network's tensors by name, views into the stacked ones; gradients have no buffers."""
        size = len(start_of(self.layout.part.members[column], len(self.layout.pool)))
        named = zip((*self._names, *self._learned, *self._buffers), parameters.shared, strict=False)
        state = {name: tensor[row, column] for name, tensor in named}
        for name in self._learned:
            whole = state.pop(name)
            state |= {name: whole[:size]} if size else {}
        if self._choosing_in(network):
            index = self.layout.logit_columns.index(column)
            for site, logits in zip(self._sites, parameters.logits, strict=False):  # one may choose for all
                state[f"{site.name}.logits"] = logits[row, index]
        return state

    def _evaluated(self, network: nn.Module, parameters: Parameters, row: int, column: int) -> dict[str, Tensor]:
        """Return a network's tensors by name; what an evaluation does to buffers does not reach these."""
        state = self._state(network, parameters, row, column)
        return state | {name: state[name].clone() for name in self._buffers}

    def _keep_buffers(self, network: nn.Module) -> None:
        """Put buffers that a forward pass has replaced back where they are kept, with their new values."""
        for module, name, buffer in self._placed_buffers[network]:
            now = module._buffers[name]
            if now is not buffer and now is not None:
                buffer.copy_(now.detach())
                module._buffers[name] = buffer

    def retire(self, loss: Tensor) -> None:
        """See `Networks`; a buffer that was never finite, such as a mask, may stay so."""
        alive = loss.isfinite() & self.optimizer.norms(self.optimizer.parameters).isfinite()
        for buffer, at_first in zip(self.parameters.shared[len(self._names) :], self._finite, strict=True):
            alive &= (buffer.isfinite() | ~at_first).view(*alive.shape, -1).all(-1)
        self.optimizer.alive &= alive

    def _choosing_in(self, network: nn.Module) -> list[ChoosingActivation]:
        """Return the modules at a network's sites if it selects, in the sites' order; each once."""
        modules = dict.fromkeys(network.get_submodule(site.name) for site in self._sites)
        return [module for module in modules if isinstance(module, ChoosingActivation)]

    def _network(self, row: int, name: str) -> nn.Module:
        """Build the network of a strategy or control as training begins."""
        if self.layout.columns[name] in self.layout.logit_columns:
            return self._placed(row, name, self._choosing())
        if name == RANDOM_MIXED:
            return self._placed(row, name, self._mixed(self.layout.of_sites(self.layout.tilts), row))
        if name in RIVALS:
            return self._placed(row, name, partial(self._rival, name))
        return self._placed(row, name, lambda site: FixedActivation(name))

    def _rival(self, name: str, site: Site) -> nn.Module:
        return LearnedActivation(name, site.units, self.layout.config.pool, dim=site.dim)

    def _choosing(self) -> Activate:
        """Return what places choosing activations: of units, of a site, or one for the network."""
        config = self.layout.config
        options: dict[str, Any] = {"hard": config.estimator == "hard", "clamp": config.clamp}
        if config.granularity == "network":
            module = ChoosingActivation(None, config.pool, **options)
            return lambda site: module
        together = config.granularity == "layer"
        return lambda site: ChoosingActivation(None if together else site.units, config.pool, dim=site.dim, **options)

    def _mixed(self, choices: Sequence[Tensor], row: int) -> Activate:
        """Return what places mixed activations by choices [R, H] of every site."""
        pool = self.layout.config.pool
        of_site = {site: choice[row].tolist() for site, choice in zip(self._sites, choices, strict=True)}
        return lambda site: MixedActivation([pool[index] for index in of_site[site]], dim=site.dim)

    def _placed(self, row: int, member: str, activate: Activate) -> nn.Module:
        """Build a network whose parameters, gradients and buffers are views into the stacked ones."""
        column = self.layout.columns[member]
        network = self._build(row, "weights", activate).to(self.layout.device, self.layout.dtype)
        for site in self._sites:
            network.get_submodule(site.name).register_forward_pre_hook(self._full)
        own = dict([*network.named_parameters(), *network.named_buffers()])
        for name, tensor in self._state(network, self.parameters, row, column).items():
            own[name].data = tensor  # what modules share stays shared, what is not to be trained stays so
        for name, gradient in self._state(network, self._gradients, row, column).items():
            own[name].grad = gradient
        kept = {id(own[name]) for name in self._buffers}
        self._placed_buffers[network] = [
            (module, name, buffer)
            for module in network.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None and id(buffer) in kept
        ]
        return network

    def _full(self, site: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """Let a site activate in the parameters' precision what a product may have made in another."""
        return inputs[0].to(self.layout.dtype)

    def _build(self, row: int, stream: str, activate: Activate) -> nn.Module:
        """Build a replicate's network on the host, as float64 numbers are drawn from a stream."""
        rng = np.random.default_rng(seed_sequence(self.layout.config.seed, self.layout.part.replicates[row], stream))
        architecture, outputs = self.layout.config.architecture, self._task.outputs
        with torch.random.fork_rng([]):  # modules draw as they are made
            return self._family.build(architecture, self._shape, outputs, activate, rng, torch.float64)

    def _random(self, replicate: int, stream: str) -> AbstractContextManager[None]:
        """Let what draws from global generators, such as dropout, draw alike in all networks of a replicate."""
        seeds = seed_sequence(self.layout.config.seed, replicate, stream)
        return guest(int(seeds.generate_state(1)[0]), self.layout.device)

    def _precision(self) -> AbstractContextManager[object]:
        """Return the context of products in the trial's precision."""
        device, precision = self.layout.device.type, self.layout.config.precision
        if precision == "bf16":
            return torch.autocast(device, torch.bfloat16)
        return tf32_products(precision == "tf32") if device == "cuda" else nullcontext()


def _identity(site: Site) -> nn.Module:
    return nn.Identity()


def _in_all_places(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the tensors of a state wherever a module holds them, and a module that stands in two places once.

    `functional_call` would do it by itself, but leaves such a module with what it was handed.
    """
    first: dict[int, str] = {}
    everywhere: dict[str, Tensor] = {}
    for path, module in network.named_modules():
        for name, tensor in (*module.named_parameters(path, recurse=False), *module.named_buffers(path, recurse=False)):
            known = first.setdefault(id(tensor), name)
            if known in state:
                everywhere[name] = state[known]
    return everywhere


def _converted(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
