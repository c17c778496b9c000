"""Finding the activations of anybody's module as it runs, and exchanging them.

A site is where an activation is called (the module that runs), the layer whose weights made the tensor, and how many
activations were applied to it since. So one `nn.ReLU` after two layers is two sites, and a layer applied again is one.
Activations are intercepted in the `forward` of the network's own modules: what is computed again in a backward pass
(`torch.utils.checkpoint`) is intercepted as well.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from smartmixed_search.errors import NetworkError
from smartmixed_search.method.modules import SelectiveActivation
from smartmixed_search.method.provenance import ACTIVATIONS, GATES, WHOLE, Call, Mark, Provenance, call
from smartmixed_search.method.units import Labels, Layout


@dataclass(frozen=True, kw_only=True)
class FoundSite:
    """An activation of a network."""

    owner: str
    """Path of the module in whose `forward` it is called; empty: the network itself."""
    layer: str
    """Path of the layer whose weights made the tensor; empty: unknown."""
    order: int
    """How many activations were applied to the tensor since the layer."""
    function: str
    """What it is, by torch's name."""
    shape: tuple[int, ...]
    """Of the tensor that it is applied to, the batch left out."""
    layout: Layout
    """How its units lie in the tensor."""

    @property
    def name(self) -> str:
        """What it is called: owner and layer, with a number where another activation lies between."""
        after = f"{self.layer}{f'#{self.order + 1}' if self.order else ''}"
        return f"{self.owner}({after})"

    @property
    def key(self) -> tuple[str, str, int]:
        """By what a call is known to be of it."""
        return self.owner, self.layer, self.order


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found in a network."""

    sites: tuple[FoundSite, ...]
    """What is exchanged, in the order of a forward pass."""
    left_alone: tuple[FoundSite, ...]
    """Gates and excluded activations."""
    whole: tuple[tuple[str, str], ...]
    """Calls with nonlinearities inside that nobody can exchange: owner, and torch's name."""


class _Watch(TorchFunctionMode):
    """Sees every call while a network runs; `enter` and `leave` are the hooks of its modules."""

    def __init__(self) -> None:
        super().__init__()
        self.provenance = Provenance()
        self._owners: list[str] = []
        self._open: list[ExitStack] = []

    def watch(self, network: nn.Module) -> None:
        for path, module in network.named_modules():
            module.register_forward_pre_hook(partial(self._enter, path), prepend=True)
            module.register_forward_hook(self._leave, always_call=True)

    def _enter(self, path: str, module: nn.Module, args: object) -> None:
        stack = ExitStack()
        if not self._owners:
            stack.enter_context(self)
        self._owners.append(path)
        self._open.append(stack)

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        if self._owners:  # else a hook before ours has failed
            self._owners.pop()
            self._open.pop().close()

    @property
    def owner(self) -> str:
        return self._owners[-1] if self._owners else ""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = call(func, args, kwargs)
        if made.name not in ACTIVATIONS or not isinstance(made.args[0] if made.args else None, Tensor | None):
            result = made.made()
            self.follow(made, result)
            return result
        x, mark = made.input, self.provenance.of(made.input)
        result = self.activate(made, mark)
        self.provenance.activated(result, mark)
        self.activated(x, result)
        return result

    def follow(self, made: Call, result: Any) -> bool:
        return self.provenance.follow(made, result, self.owner)

    def activated(self, x: Tensor, result: Tensor) -> None:
        """Take note that an activation made one tensor of another."""

    def activate(self, made: Call, mark: Mark | None) -> Tensor:
        """Return what stands in the place of an activation: what it returns itself, unless a subclass knows better."""
        result: Tensor = made.made()
        return result


class _Tracing(_Watch):
    """Notes the activations that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = Labels()
        self.found: dict[tuple[str, str, int], FoundSite] = {}
        self.whole: dict[tuple[str, str], None] = {}

    def follow(self, made: Call, result: Any) -> bool:
        marked = [(mark, tensor) for tensor in made.tensors() if (mark := self.provenance.of(tensor)) is not None]
        source = max(marked, key=lambda pair: pair[0][:2])[1] if marked else next(made.tensors(), None)
        applied = super().follow(made, result)
        self.labels.follow(made, result, source, applied=applied)
        if made.name in WHOLE:
            self.whole[self.owner, made.name] = None
        return applied

    def activate(self, made: Call, mark: Mark | None) -> Tensor:
        site = FoundSite(
            owner=self.owner,
            layer=mark.layer if mark else "",
            order=mark.activations if mark else 0,
            function=made.name,
            shape=tuple(made.input.shape[1:]),
            layout=self.labels.layout(made.input),
        )
        self.found.setdefault(site.key, site)
        return super().activate(made, mark)

    def activated(self, x: Tensor, result: Tensor) -> None:
        self.labels.follow(Call(torch.relu, "relu", (x,), {}), result, x, applied=False)


def find_sites(network: nn.Module, example: Tensor, patterns: Sequence[str] = ()) -> Found:
    """Run a network on an example, in training and in evaluation, and return its activations.

    Its weights, buffers, mode and the global generators are afterwards as they were.

    Args:
        network: anybody's.
        example: inputs [B, …] that it takes.
        patterns: which activations to exchange, by name, with `*` and `?`; those that begin with `!` are left alone.
            Without any all but gates; a gate is exchanged only if a pattern names it.

    Raises:
        NetworkError: a pattern fits nothing, or nothing is left to exchange.
    """
    watch, twin = _Tracing(), copy.deepcopy(network)
    watch.watch(twin)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        for training in (True, False):
            watch.provenance.begin(twin)
            twin.train(training)(example.clone())
    return _chosen(tuple(watch.found.values()), tuple(watch.whole), patterns)


def _chosen(found: tuple[FoundSite, ...], whole: tuple[tuple[str, str], ...], patterns: Sequence[str]) -> Found:
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    for pattern in (*wanted, *unwanted):
        if not any(fnmatchcase(site.name, pattern) for site in found):
            listed = ", ".join(site.name for site in found) or "none"
            raise NetworkError(f"sites must fit activations of the network, but {pattern!r} fits none of {listed}")

    def is_site(site: FoundSite) -> bool:
        if any(fnmatchcase(site.name, pattern) for pattern in unwanted):
            return False
        return any(fnmatchcase(site.name, p) for p in wanted) if wanted else site.function not in GATES

    sites = tuple(site for site in found if is_site(site))
    if not sites:
        raise NetworkError(
            "a network must call an activation that can be exchanged, but none was found; "
            f"left alone: {', '.join(f'{site.function} in {site.name}' for site in found) or 'nothing'}"
        )
    return Found(sites=sites, left_alone=tuple(site for site in found if site not in sites), whole=whole)


class ExchangedActivations(nn.Module):
    """Anybody's network, with other modules in the place of its activations.

    Args:
        network: the network; hooks are put on its modules.
        found: what was found in it.
        modules: what stands at each of the sites, in their order.

    Shape:
        Whatever the network takes and returns.
    """

    def __init__(self, network: nn.Module, found: Found, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.network = network
        self.found = found
        self.sites = nn.ModuleList(modules)
        self._exchange = _Exchange(found, self.sites)
        self._exchange.watch(network)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the network."""
        self._exchange.provenance.begin(self.network)
        return self.network(*args, **kwargs)


class _Exchange(_Watch):
    """Calls a site's module in the place of an activation."""

    def __init__(self, found: Found, modules: nn.ModuleList) -> None:
        super().__init__()
        self._modules = modules
        self._places = {site.key: place for place, site in enumerate(found.sites)}
        self._layouts = [site.layout for site in found.sites]
        self._left_alone = {site.key for site in found.left_alone}
        self._all = [*found.sites, *found.left_alone]

    def activate(self, made: Call, mark: Mark | None) -> Tensor:
        key = self._known(made, mark)
        if key in self._left_alone:
            return super().activate(made, mark)
        place, x = self._places[key], made.input
        with torch._C.DisableTorchFunction():
            y = self._apply(place, x.clone() if made.in_place else x)
            return x.copy_(y) if made.in_place else y

    def _apply(self, place: int, x: Tensor) -> Tensor:
        module, layout = self._modules[place], self._layouts[place]
        if layout.block == 1:
            y: Tensor = module(x)
            return y
        units: Tensor = module(torch.unflatten(x, layout.dim, (layout.units, -1)).transpose(layout.dim - 1, -1))
        return units.transpose(layout.dim - 1, -1).flatten(layout.dim - 1, layout.dim)

    def _known(self, made: Call, mark: Mark | None) -> tuple[str, str, int]:
        """Return the key of the traced site that a call is of."""
        key = self.owner, mark.layer if mark else "", mark.activations if mark else 0
        if key in self._places or key in self._left_alone:
            return key
        of_owner = [site.key for site in self._all if site.owner == self.owner and site.function == made.name]
        if mark is None and len(of_owner) == 1:  # computed again, of inputs whose origin is forgotten
            return of_owner[0]
        where = self.owner or "the network itself"
        raise NetworkError(
            f"an activation must be one that was found beforehand, but {made.name} in {where}, after "
            f"{key[1] or 'unknown weights'}, was not; give an example with which it is called"
        )


def make_selective(
    network: nn.Module,
    example: Tensor,
    *,
    pool: Sequence[str] | None = None,
    temperature: float = 0.3,
    hard: bool = True,
    sites: Sequence[str] = (),
) -> ExchangedActivations:
    """Let every unit of anybody's network choose its activation; `freeze_selections` ends it.

    Args:
        network: the network; it is prepared in place, and its weights are those that are trained.
        example: inputs [B, …] that it takes.
        pool: see `SelectiveActivation`, as for the next two.
        temperature: of the Gumbel-Softmax.
        hard: whether samples are one-hot.
        sites: see `find_sites`.

    Raises:
        NetworkError: see `find_sites`.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> selective = make_selective(network, torch.randn(2, 4))
        >>> [(site.name, site.layout.units) for site in selective.found.sites]
        [('1(0)', 8)]
    """
    found = find_sites(network, example, sites)
    options: dict[str, Any] = {"temperature": temperature, "hard": hard} | ({} if pool is None else {"pool": pool})
    modules = [
        SelectiveActivation(site.layout.units, dim=-1 if site.layout.block > 1 else site.layout.dim, **options)
        for site in found.sites
    ]
    return ExchangedActivations(network, found, modules)
