"""Adam with a gradient-norm clip and a divergence guard for each network (Kingma & Ba 2015; Pascanu et al. 2013).

Both are folded into torch's fused Adam, called once per network: its `grad_scale` divides by the clip, its
`found_inf` skips the update. So neither costs a pass over the gradients, and neither needs the host to look.
"""

from collections.abc import Collection, Sequence
from itertools import product

import torch
from torch import Tensor

from smartmixed_search.engine.branches import Overlapping, apart
from smartmixed_search.engine.parameters import Parameters

BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-8
_CLIP_EPSILON = 1e-6  # as torch.nn.utils.clip_grad_norm_


class ClippedAdam:
    """Adam over many networks, each with its own clip, step count and divergence guard.

    A network whose loss or gradient norm is not finite is no longer `alive`: it keeps its parameters from then on.
    The fused kernel takes the clip as a float32 number, also for float64 networks: their clip is exact to 1e-7.

    Args:
        parameters: what is updated in place.
        gradients: where the gradients are found at each step.
        logit_columns: the column of each of the J entries of `parameters.logits`.
        learning_rate: of all but logits.
        logit_learning_rate: of logits.
        clip_norm: largest norm of the gradient of one network, logits included.
    """

    def __init__(
        self,
        parameters: Parameters,
        gradients: Parameters,
        logit_columns: list[int],
        *,
        learning_rate: float,
        logit_learning_rate: float,
        clip_norm: float,
    ) -> None:
        self.parameters = parameters
        self.gradients = gradients
        self.first_moments = parameters.zeros_like()
        self.second_moments = parameters.zeros_like()
        networks = parameters.shared[0].shape[:2]
        device = parameters.shared[0].device
        self.steps = torch.zeros(networks, device=device)
        self.alive = torch.ones(networks, dtype=torch.bool, device=device)
        self._skip = torch.zeros(networks, device=device)
        self._scale = torch.ones(networks, device=device)
        self._logit_columns = logit_columns
        self._learning_rates = (learning_rate, logit_learning_rate)
        self._clip_norm = clip_norm
        self._overlapping = Overlapping(device)
        self.learn_logits_of(logit_columns)

    def learn_logits_of(self, columns: Collection[int]) -> None:
        """Update the logits of these columns only; the others' stay as they are."""
        states = (self.parameters, self.gradients, self.first_moments, self.second_moments)
        self._calls = []
        for replicate, column in product(*map(range, self.steps.shape)):
            lists = [[tensor[replicate, column] for tensor in state.shared] for state in states]
            self._calls.append(((replicate, column), self._learning_rates[0], lists))
            if column in columns:
                index = self._logit_columns.index(column)
                lists = [[tensor[replicate, index] for tensor in state.logits] for state in states]
                self._calls.append(((replicate, column), self._learning_rates[1], lists))

    def step(self, loss: Tensor) -> None:
        """Update every network that is alive; `loss` [R, S] decides with the gradients who stays so."""
        norm = self.norms(self.gradients)
        self.alive &= norm.isfinite() & loss.isfinite()
        self._skip.copy_(~self.alive)
        self._scale.copy_((norm + _CLIP_EPSILON) / self._clip_norm).clamp_(min=1.0)
        self.steps += self.alive
        with self._overlapping:
            for call in self._calls:
                apart(self._update, *call)

    def _update(self, network: tuple[int, int], learning_rate: float, lists: Sequence[list[Tensor]]) -> None:
        parameters, gradients, first, second = lists
        torch._fused_adam_(
            parameters,
            gradients,
            first,
            second,
            [],
            [self.steps[network]] * len(parameters),
            lr=learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
            grad_scale=self._scale[network],
            found_inf=self._skip[network],
        )

    def norms(self, state: Parameters) -> Tensor:
        """Return the norm of each network's part of parameters or gradients, [R, S]."""
        floats = [tensor for tensor in state.shared if tensor.is_floating_point()]
        norms = [torch.linalg.vector_norm(tensor.reshape(*self.steps.shape, -1), dim=2) for tensor in floats]
        squares = torch.stack([norm.square() for norm in norms]).sum(0)
        for tensor in state.logits:
            for index, column in enumerate(self._logit_columns):  # a list as an index would be copied to the device
                squares[:, column] += tensor[:, index].flatten(1).square().sum(1)
        return squares.sqrt()
