"""Random streams: known answers, and dependence on their address alone."""

import numpy as np
import pytest
import scipy.stats
import torch

from smartmixed_search.engine.layout import draw_tilts
from smartmixed_search.engine.stack.parameters import draw_linear
from smartmixed_search.method.randomness import GumbelNoise, batch_orders, philox, seed_sequence

CPU = torch.device("cpu")


def noise(replicates: int = 2, widths: tuple[int, ...] = (5, 3), stream: str = "noise") -> GumbelNoise:
    return GumbelNoise(7, range(replicates), widths, 6, stream=stream, device=CPU, dtype=torch.float64)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [  # Random123's kat_vectors for philox4x32-10
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_known_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    words = philox([torch.tensor(word) for word in counter], [torch.tensor(word) for word in key])
    assert [word.item() for word in words] == answer


def test_gumbel_distribution() -> None:
    sample = torch.cat([block.flatten() for block in noise(3, (50, 20)).block(0, 20)]).numpy()
    assert np.isfinite(sample).all()
    assert scipy.stats.kstest(sample, "gumbel_r").pvalue > 0.01
    assert abs(np.corrcoef(sample[:-1], sample[1:])[0, 1]) < 0.02


def test_noise_depends_on_its_address_only() -> None:
    whole = noise().block(0, 10)
    later = noise().block(6, 2)
    torch.testing.assert_close(later[1], whole[1][6:8], rtol=0, atol=0)
    more_replicates = noise(replicates=4).block(0, 10)
    torch.testing.assert_close(more_replicates[0][:, :2], whole[0], rtol=0, atol=0)
    deeper = noise(widths=(5, 3, 9)).block(0, 10)
    torch.testing.assert_close(deeper[1], whole[1], rtol=0, atol=0)


def test_noise_differs_between_replicates_steps_layers_neurons_and_streams() -> None:
    block = noise(widths=(4, 4)).block(0, 4)
    values = torch.cat(
        [layer.flatten() for layer in block] + [noise(widths=(4, 4), stream="sampled").block(0, 1)[0].flatten()]
    )
    assert len(values.unique()) == len(values)


def test_batch_orders_are_permutations_that_differ() -> None:
    first, second = batch_orders(0, (0, 1), 0, 50), batch_orders(0, (0, 1), 1, 50)
    assert (np.sort(first) == np.arange(50)).all()
    assert (first[0] != first[1]).any()
    assert (first != second).any()
    np.testing.assert_array_equal(batch_orders(0, (4, 1), 1, 50)[1], second[1])


def test_linear_initialisation_is_torchs_default() -> None:
    torch.manual_seed(0)
    reference = torch.nn.Linear(40, 300)
    (weight,), (bias,) = draw_linear((40, 300), 0, (0,), "weights")
    for drawn, torchs in ((weight, reference.weight), (bias, reference.bias)):
        assert drawn[0].shape == tuple(torchs.shape)
        assert scipy.stats.ks_2samp(drawn.ravel(), torchs.detach().numpy().ravel()).pvalue > 0.01


def test_streams_are_apart() -> None:
    states = {
        tuple(seed_sequence(*address).generate_state(2))
        for address in [(0, 0, "a"), (0, 0, "b"), (0, 1, "a"), (1, 0, "a")]
    }
    assert len(states) == 4
    assert draw_tilts((30,), 6, 0, (0, 1))[0].shape == (2, 30)
