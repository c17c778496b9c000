"""What every engine must do; a new one is added to `ENGINES`, and all tests of `test_networks.py` hold it to this."""

import dataclasses
from functools import cache

import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.engines import Engine
from smartmixed_search.engine.generic.networks import GenericNetworks
from smartmixed_search.engine.stack.networks import StackNetworks
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.activations import RIVAL_NAMES
from smartmixed_search.trials.config import CONTROLS, SMARTMIXED, TrialConfig
from tests.helpers.reference import toy_dataset

ENGINES: dict[str, Engine] = {"stack": StackNetworks, "generic": GenericNetworks}
"""The first is what the others are compared with."""

CONFIG = TrialConfig(
    dataset="toy",
    architecture=(7, 5),
    phase_fraction=0.5,
    epochs=4,
    learning_rate=0.02,
    logit_learning_rate=0.3,
    batch_size=16,
    replicates=2,
    strategies=(SMARTMIXED, "relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu"),
    controls=CONTROLS,
)
OPTIONS: dict[str, dict[str, object]] = {
    "published": {},
    "annealed": {"temperature": 1.0, "temperature_final": 0.1},
    "soft": {"estimator": "soft"},
    "clamped": {"clamp": 0.4},
    "soft, clamped, softmax": {"estimator": "soft", "clamp": 0.4, "output": "softmax"},
    "softmax": {"output": "softmax"},
    "reinitialized": {"handoff": "reinitialize"},
    "from the best epoch": {"handoff_from": "best", "phase_fraction": 0.75},
    "sampled": {"evaluation": "sampled", "handoff_from": "best"},
    "soft, annealed, sampled": {
        "evaluation": "sampled",
        "estimator": "soft",
        "temperature": 2.0,
        "temperature_final": 0.1,
    },
    "smartmixed in the middle": {"strategies": ("relu", SMARTMIXED, "tanh"), "evaluation": "sampled"},
    "a pool of one": {"pool": ("elu",), "strategies": (SMARTMIXED, "elu")},
    "clipped": {"clip_norm": 0.01},
    "automatic rate": {"logit_learning_rate": "auto"},
    "other pool": {"pool": ("tanh", "relu"), "strategies": (SMARTMIXED, "relu", "tanh")},
    "modern pool": {"pool": "modern", "strategies": "all"},
    "every other function, soft": {
        "pool": ("softplus", "gelu_tanh", "relu6", "identity", "tanh"),
        "strategies": (SMARTMIXED, "softplus", "gelu_tanh", "relu6", "identity"),
        "estimator": "soft",
    },
    "smooth pool, clamped": {"pool": "smooth", "strategies": (SMARTMIXED, "mish"), "clamp": 0.4},
    "learned rivals": {"strategies": (SMARTMIXED, "tanh", *RIVAL_NAMES), "learning_rate": 0.1},
    "learned rivals, reinitialized, from the best epoch": {
        "strategies": (*RIVAL_NAMES, SMARTMIXED, "gelu"),
        "pool": ("gelu", "identity", "tanh"),
        "handoff": "reinitialize",
        "handoff_from": "best",
        "clamp": 0.4,
    },
    "one layer": {"architecture": (6,)},
    "few examples": {"train_examples": 20},
}


def training(
    engine: str, dtype: torch.dtype = torch.float64, data: Dataset | None = None, **changes: object
) -> TwoPhaseTraining:
    """A training that has not begun; without data, one of the toy dataset's classes."""
    config = dataclasses.replace(CONFIG, **changes)
    dataset = (data or toy_dataset()).limited(config.train_examples)
    return TwoPhaseTraining(config, dataset, torch.device("cpu"), dtype, engine=ENGINES[engine])


def trained(
    engine: str, dtype: torch.dtype = torch.float64, data: Dataset | None = None, **changes: object
) -> TwoPhaseTraining:
    """A training that has ended."""
    made = training(engine, dtype, data, **changes)
    made.run()
    return made


@cache
def undisturbed(engine: str) -> TwoPhaseTraining:
    """A training of `CONFIG` that has ended; nothing may change it."""
    return trained(engine)
