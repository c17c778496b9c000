"""What most tests of training start from: a small configuration for the toy dataset, and a user's function."""

import torch

from smartmixed_search.trials.config import CONTROLS, TrialConfig

CPU = torch.device("cpu")


BASE = TrialConfig(
    dataset="toy",
    architecture=(9, 7),
    epochs=5,
    phase_fraction=0.4,
    learning_rate=0.02,
    logit_learning_rate=0.3,
    batch_size=16,
    replicates=2,
    controls=CONTROLS,
    clip_norm=0.5,
)


def wavy(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(2 * x) + x
