"""Activations of modules that nobody prepared: which are found, and that exactly these are exchanged."""

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from smartmixed_search.errors import NetworkError
from smartmixed_search.method.modules import FixedActivation, MixedActivation, freeze_selections
from smartmixed_search.method.sites import ExchangedActivations, find_sites, make_selective

Function = Callable[[Tensor], Tensor]


class Skips(nn.Module):
    """One module after three layers, twice after a norm and an addition."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.norm, self.act, self.head = nn.BatchNorm2d(4), activation, nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.a(x))
        x = self.act(x + self.norm(self.b(x)))
        x = self.act(self.c(x) + x)
        pooled: Tensor = self.head(x.mean((2, 3)))
        return pooled


class Statements(nn.Module):
    """In place, the result unused; a skip reads the tensor afterwards."""

    def __init__(self, function_: Function) -> None:
        super().__init__()
        self.first, self.second, self.head, self.function_ = (
            nn.Linear(36, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 3),
            function_,
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1))
        self.function_(x)
        y = self.second(x)
        self.function_(y)
        answer: Tensor = self.head(x + y)
        return answer


class Recomputed(nn.Module):
    """Blocks whose activations are computed again in the backward pass."""

    def __init__(self, activation: type[nn.Module], reentrant: bool) -> None:
        super().__init__()
        self.stem, self.head, self.reentrant = nn.Linear(36, 8), nn.Linear(8, 3), reentrant
        self.block = nn.Sequential(nn.Linear(8, 8), activation(), nn.Linear(8, 8), activation())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))
        answer: Tensor = self.head(checkpoint(self.block, x, use_reentrant=self.reentrant))
        return answer


class Encoder(nn.Module):
    """Torch's own layer, which knows a fused path for some functions."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, activation=function, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.encoder(x.squeeze(1)).mean(1))
        return answer


class Flattened(nn.Module):
    """Channels are flattened before the activation, and features moved last."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.conv, self.wide, self.head, self.function = (
            nn.Conv2d(1, 4, 3),
            nn.Linear(16, 5),
            nn.Linear(20, 3),
            function,
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.function(self.conv(x).flatten(1)).view(-1, 4, 16)
        answer: Tensor = self.head(self.function(self.wide(x).transpose(1, 2)).flatten(1))
        return answer


class Gated(nn.Module):
    """A gate, and an activation that is called as often as the data ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.again, self.gate, self.head = (nn.Linear(a, b) for a, b in ((36, 8), (8, 8), (8, 8), (8, 3)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))
        for _ in range(1 + int(x.mean() > 0)):
            x = F.elu(self.again(x))
        answer: Tensor = self.head(x * torch.sigmoid(self.gate(x)))
        return answer


NETWORKS: dict[str, tuple[nn.Module, nn.Module, list[tuple[str, int, int, int]]]] = {
    "skips": (
        Skips(nn.ReLU(inplace=True)),
        Skips(nn.Tanh()),
        [("act(a)", 4, -3, 1), ("act(b)", 4, -3, 1), ("act(c)", 4, -3, 1)],
    ),
    "statements": (Statements(torch.relu_), Statements(torch.tanh_), [("(first)", 8, -1, 1), ("(second)", 8, -1, 1)]),
    "recomputed": (
        Recomputed(nn.GELU, reentrant=False),
        Recomputed(nn.Tanh, reentrant=False),
        [("block.1(block.0)", 8, -1, 1), ("block.3(block.2)", 8, -1, 1)],
    ),
    "recomputed, reentrant": (
        Recomputed(nn.GELU, reentrant=True),
        Recomputed(nn.Tanh, reentrant=True),
        [("block.1(block.0)", 8, -1, 1), ("block.3(block.2)", 8, -1, 1)],
    ),
    "encoder": (
        Encoder(F.relu),
        Encoder(torch.tanh),
        [(f"encoder.layers.{n}(encoder.layers.{n}.linear1)", 8, -1, 1) for n in range(2)],
    ),
    "flattened": (Flattened(F.relu), Flattened(torch.tanh), [("(conv)", 4, -1, 16), ("(wide)", 5, -2, 1)]),
}
every_network = pytest.mark.parametrize("name", NETWORKS)
pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # of a reentrant checkpoint


def examples(count: int = 5) -> Tensor:
    return torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def exchanged(network: nn.Module, *functions: str) -> ExchangedActivations:
    """Exchange all activations for one function, or for one each."""
    found = find_sites(network, examples())
    names = functions * len(found.sites) if len(functions) == 1 else functions
    return ExchangedActivations(network, found, [FixedActivation(name) for name in names])


def results(network: nn.Module) -> list[Tensor]:
    """Return outputs in training, in evaluation with and without gradients, and all gradients."""
    x = examples().requires_grad_()
    output = network.train()(x)
    output.square().sum().backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    with_gradients = network.eval()(x).detach()
    with torch.no_grad():
        return [output.detach(), *gradients, with_gradients, network(x)]


@every_network
def test_sites_are_found_with_their_units(name: str) -> None:
    network, _, expected = NETWORKS[name]
    found = find_sites(copy.deepcopy(network), examples())
    assert [(site.name, *site.layout) for site in found.sites] == expected


@every_network
def test_an_exchanged_function_is_that_written_by_hand(name: str) -> None:
    network, by_hand, _ = map(copy.deepcopy, NETWORKS[name])
    by_hand.load_state_dict(network.state_dict())
    for found, expected in zip(results(exchanged(network, "tanh")), results(by_hand), strict=True):
        torch.testing.assert_close(found, expected)


@every_network
def test_looking_changes_nothing(name: str) -> None:
    network = copy.deepcopy(NETWORKS[name][0]).train()
    state, x, random = copy.deepcopy(network.state_dict()), examples(), torch.get_rng_state()
    find_sites(network, x)
    assert network.training
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x, examples())
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())


def test_sites_have_functions_of_their_own() -> None:
    network = exchanged(nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.ReLU(), nn.Tanh()), "selu", "sigmoid")
    x = examples()
    expected = F.selu(F.linear(x.flatten(1), network.network[1].weight, network.network[1].bias)).sigmoid()
    torch.testing.assert_close(network(x), expected)
    assert [site.name for site in network.found.sites] == ["2(1)", "3(1#2)"]


def test_gates_are_left_alone_unless_they_are_named() -> None:
    found = find_sites(Gated(), examples())
    assert [site.name for site in found.sites] == ["(again)"]
    assert [(site.name, site.function) for site in found.left_alone] == [("(gate)", "sigmoid")]
    assert [site.name for site in find_sites(Gated(), examples(), ["*gate*"]).sites] == ["(gate)"]
    assert [site.name for site in find_sites(Skips(nn.ReLU()), examples(), ["!act(b)"]).sites] == ["act(a)", "act(c)"]


def test_a_layer_applied_again_is_one_site_however_often() -> None:
    network = exchanged(Gated(), "tanh")
    for x in (examples(), examples() + 5, examples() - 5):
        hidden = network.network.stem(x.flatten(1))
        for _ in range(1 + int(hidden.mean() > 0)):
            hidden = torch.tanh(network.network.again(hidden))
        torch.testing.assert_close(network(x), network.network.head(hidden * network.network.gate(hidden).sigmoid()))


@pytest.mark.parametrize(
    ("patterns", "told"),
    [(["*nothing*"], r"'\*nothing\*' fits none of \(again\), \(gate\)"), (["!*"], "elu in .*again.*, sigmoid in")],
)
def test_patterns_that_leave_nothing_are_told(patterns: Sequence[str], told: str) -> None:
    with pytest.raises(NetworkError, match=told):
        find_sites(Gated(), examples(), patterns)


class Surprising(nn.Module):
    """Calls an activation only where inputs are large."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other, self.act = nn.Linear(36, 4), nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.layer(x.flatten(1)))
        return self.act(self.other(x)) if bool(x.max() > 100) else x


def test_a_call_that_nothing_explains_is_refused_with_its_place() -> None:
    network = exchanged(Surprising(), "tanh")
    network.sites[0] = FixedActivation("relu")
    network(examples())
    with pytest.raises(NetworkError, match="relu in act, after other, was not"):
        network(1000 * examples())
    network(examples())


def test_units_choose_and_are_frozen() -> None:
    torch.manual_seed(0)
    network = make_selective(copy.deepcopy(NETWORKS["flattened"][0]), examples(), pool=("relu", "tanh"))
    network.train()(examples()).sum().backward()
    logits = [site.logits for site in network.sites]
    assert [tuple(logit.shape) for logit in logits] == [(4, 2), (5, 2)]
    assert all(logit.grad is not None and logit.grad.abs().sum() > 0 for logit in logits)
    choices, before = [site.choices() for site in network.sites], network.eval()(examples())
    frozen = freeze_selections(network)
    assert frozen is network
    assert all(isinstance(site, MixedActivation) for site in network.sites)
    assert [site.choices for site in network.sites] == choices
    torch.testing.assert_close(network(examples()), before)


def test_a_copy_exchanges_by_its_own_modules() -> None:
    network = exchanged(copy.deepcopy(NETWORKS["skips"][0]), "tanh").eval()
    twin = copy.deepcopy(network)
    twin.sites[0] = FixedActivation("selu")
    before = network(examples())
    assert not torch.equal(twin(examples()), before)
    assert torch.equal(network(examples()), before)


def test_recurrent_cells_and_attention_are_told() -> None:
    encoder = find_sites(Encoder(F.relu), examples())
    assert encoder.whole == tuple((f"encoder.layers.{n}.self_attn", "multi_head_attention_forward") for n in range(2))
