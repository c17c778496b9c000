"""A small space as a user's file."""

from pathlib import Path

import yaml

TINY = {
    "dataset": "digits",
    "architecture": {"choices": ["8", "8-4"]},
    "trials": 3,
    "phase_fraction": {"low": 0.2, "high": 0.8},
    "epochs": 4,
    "strategies": ["smartmixed", "relu", "tanh"],
    "logit_learning_rate": 0.1,
}


def space_file(folder: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (TINY | changes).items() if value is not ...}))
    return path
