"""Every random number of a trial, from named streams of its seed.

Weights, batch orders and initial logits come from numpy on the host, so they are equal on every device. Gumbel noise
is counter-based (Philox4x32-10; Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the number for
(replicate, step, layer, neuron, function) is computed only from that address, on any device, in any order, and
nothing has to be saved to resume.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LANES = 4


def seed_sequence(seed: int, replicate: int, stream: str) -> np.random.SeedSequence:
    """Return the root of one stream of one replicate."""
    return np.random.SeedSequence([seed, replicate, zlib.crc32(stream.encode())])


def linear_init(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a linear layer as `torch.nn.Linear` does: weight [outputs, inputs] and bias [outputs] in ±1/√inputs."""
    bound = 1.0 / np.sqrt(inputs)
    return rng.uniform(-bound, bound, (outputs, inputs)), rng.uniform(-bound, bound, outputs)


def batch_orders(seed: int, replicates: Sequence[int], epoch: int, examples: int) -> np.ndarray:
    """Return the order in which each replicate visits the training examples in that epoch, [R, examples]."""
    orders = np.empty((len(replicates), examples), dtype=np.int64)
    for order, replicate in zip(orders, replicates, strict=True):
        root = seed_sequence(seed, replicate, "order")
        child = np.random.SeedSequence(root.entropy, spawn_key=(epoch,))
        order[:] = np.random.default_rng(child).permutation(examples)
    return orders


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> list[Tensor]:
    """Philox4x32-10: four int64 counters and two keys, each in [0, 2³²) and broadcastable, to four such numbers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & _MASK) ^ c1 ^ k0, p1 & _MASK, ((p0 >> 32) & _MASK) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return [c0, c1, c2, c3]


class GumbelNoise:
    """Standard Gumbel numbers addressed by (replicate, step, layer, neuron, function), on any device.

    Args:
        seed: the trial's seed.
        replicates: the numbers of the R replicates.
        widths: hidden widths.
        functions: size of the pool K.
        stream: name of the stream; training and sampled evaluation have one each.
        device: where the numbers are computed.
        dtype: of the numbers; they are computed in float64.
    """

    def __init__(
        self,
        seed: int,
        replicates: Sequence[int],
        widths: Sequence[int],
        functions: int,
        *,
        stream: str,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        keys = [seed_sequence(seed, replicate, stream).generate_state(2) for replicate in replicates]
        self._key = torch.tensor(np.array(keys, dtype=np.int64), device=device).T.reshape(2, 1, -1, 1, 1)
        layers = np.repeat(np.arange(len(widths)), widths)
        neurons = np.concatenate([np.arange(width) for width in widths])
        self._address = torch.tensor(np.stack([layers, neurons]), device=device).view(2, 1, 1, -1, 1)
        self._lanes = torch.arange(-(-functions // _LANES), device=device)
        self._widths = list(widths)
        self._functions = functions
        self._dtype = dtype

    def block(self, first_step: int, steps: int) -> list[Tensor]:
        """Return the noise of consecutive steps, per layer [steps, R, H, K]."""
        return list(torch.split(self.numbers(first_step, steps), self._widths, dim=2))

    def numbers(self, first_step: int, steps: int) -> Tensor:
        """Return the noise of consecutive steps, neurons of all layers in a row, [steps, R, H of all layers, K]."""
        step = torch.arange(first_step, first_step + steps, device=self._key.device).view(-1, 1, 1, 1)
        words = philox((step, self._address[0], self._address[1], self._lanes), (self._key[0], self._key[1]))
        bits = torch.stack(words, dim=-1).flatten(-2)[..., : self._functions]
        uniform = (bits.to(torch.float64) + 0.5) * 2.0**-32
        return uniform.log_().neg_().log_().neg_().to(self._dtype)
