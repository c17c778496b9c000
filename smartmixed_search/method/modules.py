"""Drop-in modules for anybody's network, and the readable specification of the method.

Put a `SelectiveActivation` where an activation function stands, train, call `freeze_selections` on the network, and
train on. The stack engine computes the same, for many networks at once; tests hold the two together.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.method.activations import INITIAL_TILT, PUBLISHED_POOL, resolve_pool


class SelectiveActivation(nn.Module):
    """Activation in which every feature chooses its function from a pool by Gumbel-Softmax (Jang et al. 2017).

    In training one sample is drawn per feature and forward pass; in evaluation every feature applies its most likely
    function. With the hard estimator temperature does not change which function is drawn, only the logits' gradient.

    Args:
        features: number of features that choose, H; None: all features choose together.
        pool: names of the candidate functions, K.
        temperature: of the Gumbel-Softmax; an attribute that may be changed while training.
        hard: one-hot samples with the relaxed gradient (straight-through), or relaxed samples.
        dim: the dimension of the input that holds the features.
        clamp: bound on the magnitude of every candidate's output; None: no clamp.

    Shape:
        Input and output are equal; dimension `dim` has size H. Parameter `logits`: [H, K], or [1, K].

    Example:
        >>> import torch
        >>> layer = SelectiveActivation(8, temperature=0.5)
        >>> layer(torch.randn(32, 8)).shape
        torch.Size([32, 8])
    """

    def __init__(
        self,
        features: int | None,
        pool: Sequence[str] = PUBLISHED_POOL,
        *,
        temperature: float = 0.3,
        hard: bool = True,
        dim: int = -1,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        if features is not None and features < 1:
            raise ConfigError(f"features must be at least 1, but got {features!r}")
        if not temperature > 0:
            raise ConfigError(f"temperature must be greater than 0, but got {temperature!r}")
        if clamp is not None and not clamp > 0:
            raise ConfigError(f"clamp must be greater than 0, but got {clamp!r}")
        self.functions = resolve_pool(pool)
        self.together = features is None
        self.temperature = temperature
        self.hard = hard
        self.dim = dim
        self.clamp = clamp
        tilt = torch.randint(len(self.functions), (features or 1,))
        self.logits = nn.Parameter(INITIAL_TILT * F.one_hot(tilt, len(self.functions)).float())

    def choices(self) -> list[str]:
        """Return the name of each feature's most likely function, or of the one that is for all."""
        return [self.functions[index].name for index in self.logits.argmax(-1).tolist()]

    def mix(self) -> Tensor:
        """Return how the features weigh the pool, [H, K]: a fresh sample in training, the argmax in evaluation."""
        if self.training:
            return F.gumbel_softmax(self.logits, tau=self.temperature, hard=self.hard)
        return F.one_hot(self.logits.argmax(-1), len(self.functions)).to(self.logits)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the mixture of the pool to x."""
        self.check(x)
        shape = [1] * x.ndim + [len(self.functions)]
        shape[self.dim % x.ndim] = len(self.logits)
        outputs = torch.stack([activation.function(x) for activation in self.functions], dim=-1)
        if self.clamp is not None:
            outputs = outputs.clamp(-self.clamp, self.clamp)
        return (outputs * self.mix().view(shape).to(outputs)).sum(-1)

    def check(self, x: Tensor) -> None:
        """Make sure that x has the features that choose.

        Raises:
            ConfigError: it has others.
        """
        if not self.together:
            _check_features(x, self.dim, len(self.logits))

    def freeze(self) -> nn.Module:
        """Return the module that applies each feature's most likely function, at the cost of an ordinary activation.

        The clamp ends with the selection.
        """
        return FixedActivation(self.choices()[0]) if self.together else MixedActivation(self.choices(), dim=self.dim)

    def extra_repr(self) -> str:
        """Describe the module for print."""
        names = ", ".join(activation.name for activation in self.functions)
        return f"{len(self.logits)}, pool=({names}), temperature={self.temperature}, hard={self.hard}, dim={self.dim}"


class FixedActivation(nn.Module):
    """All features apply the same function of the pool.

    Args:
        name: of the function.

    Shape:
        Input and output are equal, whatever they are.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        (self.function,) = resolve_pool([name])

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to x."""
        return self.function.function(x)

    def extra_repr(self) -> str:
        """Describe the module for print."""
        return self.function.name


class MixedActivation(nn.Module):
    """Activation in which every feature applies a function of its own, each function running once.

    Args:
        choices: name of the function of each feature, H of them.
        dim: the dimension of the input that holds the features.

    Shape:
        Input and output are equal; dimension `dim` has size H.

    Example:
        >>> import torch
        >>> MixedActivation(["relu", "tanh", "relu"])(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """

    order: Tensor
    inverse: Tensor

    def __init__(self, choices: Sequence[str], *, dim: int = -1) -> None:
        super().__init__()
        if not choices:
            raise ConfigError("choices must name a function for every feature, but got none")
        self.choices = list(choices)
        self.dim = dim
        names = sorted(set(choices))
        self.functions = resolve_pool(names)
        self.sizes = [self.choices.count(name) for name in names]
        order = torch.tensor([names.index(choice) for choice in choices]).argsort(stable=True)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("inverse", order.argsort(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each feature's function to x."""
        _check_features(x, self.dim, len(self.choices))
        groups = torch.split(x.index_select(self.dim, self.order), self.sizes, self.dim)
        outputs = [activation.function(group) for activation, group in zip(self.functions, groups, strict=True)]
        return torch.cat(outputs, self.dim).index_select(self.dim, self.inverse)

    def get_extra_state(self) -> list[str]:
        """Put the choices into the `state_dict`, beside the weights that were trained with them."""
        return self.choices

    def set_extra_state(self, state: list[str]) -> None:
        """Refuse weights that were trained with other choices.

        Raises:
            ConfigError: the choices differ; make the module with those that `state` holds.
        """
        if list(state) != self.choices:
            raise ConfigError("a frozen network must be loaded into one with the same choices, but they differ")

    def extra_repr(self) -> str:
        """Describe the module for print."""
        groups = ", ".join(f"{f.name}: {size}" for f, size in zip(self.functions, self.sizes, strict=True))
        return f"{groups}, dim={self.dim}"


def freeze_selections(module: nn.Module) -> nn.Module:
    """Replace every `SelectiveActivation` inside a module by its frozen `MixedActivation`: the handoff.

    The module is changed in place and returned; a module that is itself selective is returned frozen.

    Example:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(4, 8), SelectiveActivation(8), nn.Linear(8, 2))
        >>> type(freeze_selections(network)[1]).__name__
        'MixedActivation'
    """
    return _freeze(module, {})


def _freeze(module: nn.Module, frozen: dict[SelectiveActivation, nn.Module]) -> nn.Module:
    if isinstance(module, SelectiveActivation):  # a module used in two places stays one module
        return frozen.setdefault(module, module.freeze().to(module.logits.device).train(module.training))
    for name, child in module._modules.items():
        if child is not None:
            setattr(module, name, _freeze(child, frozen))
    return module


def _check_features(x: Tensor, dim: int, features: int) -> None:
    if not -x.ndim <= dim < x.ndim:
        raise ConfigError(one_of("dim", dim, range(-x.ndim, x.ndim)))
    if x.shape[dim] != features:
        raise ConfigError(f"dimension {dim} of the input must hold {features} features, but got {x.shape[dim]}")
