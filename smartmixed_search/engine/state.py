"""How far a trial is, in files from which it continues: one for every part of it, replaced as the part goes on.

A file holds all that the next step depends on (parameters, moments, step counts, best epochs, what was selected) and
all that the result will tell (curves). Random numbers are addressed by step, so there is no generator to keep. It is
a safetensors file whose metadata say, in JSON, what it belongs to: nothing is unpickled, and what does not fit, or was
damaged, is as good as absent.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from smartmixed_search.engine.networks import Selected
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.system.files import read_bytes, write_atomically
from smartmixed_search.trials.settings import SETTINGS

SCHEMA = 1
LEAST_SECONDS = 30.0
"""Time between two states of a part, at least."""
LEAST_COSTS = 20.0
"""The same, in multiples of the time that the last one took to write: so states slow a trial down by 5 % at most."""

_SELECTED = ("choices", "probabilities", "changed")


class States:
    """The states of a trial's parts, and the time that all attempts at the trial took.

    Args:
        folder: where the files are, made when the first one is written; None: nothing is kept or found.
        clock: tells the time in seconds.
    """

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._folder = folder
        self._clock = clock
        self._start = self._written = clock()
        self._cost = 0.0
        self._earlier = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of this attempt and of those that it continues."""
        return self._earlier + self._clock() - self._start

    @property
    def due(self) -> bool:
        """Whether the last state is old enough for another."""
        return self._clock() - self._written >= max(LEAST_SECONDS, LEAST_COSTS * self._cost)

    def save(self, training: TwoPhaseTraining) -> None:
        """Keep where a training is, at the end of an epoch."""
        if self._folder is None:
            return
        start = self._clock()
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / file_name(training.part), dump(training, self.seconds))
        self._written = self._clock()
        self._cost = self._written - start

    def restore(self, training: TwoPhaseTraining) -> None:
        """Take a new training to where an earlier attempt left it; it stays new if there is nothing that fits."""
        content = None if self._folder is None else read_bytes(self._folder / file_name(training.part))
        seconds = None if content is None else load(training, content)
        if seconds is not None:
            self._earlier = max(self._earlier, seconds)  # the part that was trained last knows the time of all


def file_name(part: Part) -> str:
    """Return the name of a part's file: letters, digits, `-` and `.`, whatever its members are called.

    Example:
        >>> file_name(Part(members=("smartmixed", "relu"), replicates=(0, 1)))
        'part-fcb4c3fe876e6cfd.safetensors'
    """
    networks = json.dumps([part.members, part.replicates])
    return f"part-{hashlib.sha256(networks.encode()).hexdigest()[:16]}.safetensors"


def dump(training: TwoPhaseTraining, seconds: float) -> bytes:
    """Return the content of a file; reads every tensor of the device once.

    Args:
        training: at the end of an epoch.
        seconds: wall time of its trial so far.
    """
    tensors = {name: tensor.cpu() for name, tensor in (_live(training) | _recorded(training)).items()}
    about = _identity(training) | {
        "epoch": training.epoch,
        "steps_taken": training.networks.taken,
        "seconds": seconds,
    }
    about["crc32"] = _crc32(tensors, about)
    return safetensors.torch.save(tensors, {"state": json.dumps(about)})


def load(training: TwoPhaseTraining, content: bytes) -> float | None:
    """Take a new training to where `dump` found another of the same networks.

    Tensors keep their places: graphs, and views that the optimiser holds, know them by these.

    Returns:
        The wall time of the trial until then; None if the content is damaged or of something else: nothing is changed.
    """
    try:
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"]["state"])
        # Of what the state says of itself nothing was covered by the checksums of earlier versions.
        intact = about.pop("crc32") in (_crc32(tensors, about), _crc32(tensors))
        about["config"] = {**_unused(), **about["config"]}  # settings that have come since
    except (SafetensorError, LookupError, ValueError, TypeError, AttributeError, RecursionError):  # whatever it holds
        return None
    identity, live = json.loads(json.dumps(_identity(training))), _live(training)
    same = {name: about.get(name) for name in identity} == identity
    if not (intact and same and all(_alike(tensors.get(name), tensor) for name, tensor in live.items())):
        return None
    for name, tensor in live.items():
        tensor.copy_(tensors[name])
    _restore_records(training, tensors)
    training.epoch, training.networks.taken = about["epoch"], about["steps_taken"]
    return float(about["seconds"])


def _identity(training: TwoPhaseTraining) -> dict[str, Any]:
    """Return all that must agree for a training to continue another."""
    config, part = training.config, training.part
    return {
        "schema": SCHEMA,
        "key": config.key,
        "config": config.to_dict(),
        "members": part.members,
        "replicates": part.replicates,
        "dataset": training.data.checksum,
        "device": training.layout.device.type,
        "dtype": str(training.layout.dtype),
    }


def _live(training: TwoPhaseTraining) -> dict[str, Tensor]:
    """Return, by name, the tensors that training updates in place."""
    networks, optimizer = training.networks, training.networks.optimizer
    tensors = {
        "steps": optimizer.steps,
        "alive": optimizer.alive,
        "epochs_alive": training.epochs_alive,
        "steps_before_handoff": training.steps_before_handoff,
    }
    groups = {
        "parameters": networks.parameters,
        "first_moments": optimizer.first_moments,
        "second_moments": optimizer.second_moments,
    }
    for name, checkpoint in (("early", training.early), ("final", training.final)):
        tensors |= {f"{name}.{figure}": tensor for figure, tensor in checkpoint.figures().items()}
        groups |= {f"{name}.{place}": state for place, state in enumerate(checkpoint.states)}
    for name, group in groups.items():
        tensors |= {f"{name}.{place}": tensor for place, tensor in enumerate(group.tensors())}
    return tensors


def _recorded(training: TwoPhaseTraining) -> dict[str, Tensor]:
    """Return, by name, what training has recorded so far."""
    tensors = {f"curves.{name}": torch.stack(curve) for name, curve in training.curves.items()}
    tensors |= {f"{_tested(training)}{length}": measured for length, measured in training.test_at.items()}
    if training.choice_counts:
        tensors["choice_counts"] = torch.stack(training.choice_counts)
    if training.selected is not None:
        for field in _SELECTED:
            layers = getattr(training.selected, field)
            tensors |= {f"selected.{field}.{layer}": tensor for layer, tensor in enumerate(layers)}
    return tensors


def _restore_records(training: TwoPhaseTraining, tensors: Mapping[str, Tensor]) -> None:
    device, layers = training.layout.device, range(len(training.layout.site_units))
    for name, curve in training.curves.items():
        curve[:] = tensors[f"curves.{name}"].to(device).unbind()
    if "choice_counts" in tensors:
        training.choice_counts[:] = tensors["choice_counts"].to(device).unbind()
    for name in tensors:
        if name.startswith(_tested(training)):
            training.test_at[int(name.removeprefix(_tested(training)))] = tensors[name].to(device)
    if "selected.choices.0" in tensors:
        fields = {name: [tensors[f"selected.{name}.{layer}"].to(device) for layer in layers] for name in _SELECTED}
        training.resume_fixed_phase(Selected(**fields))


def _unused() -> dict[str, Any]:
    return {name: one.unused for name, one in SETTINGS.items() if one.later}


def _tested(training: TwoPhaseTraining) -> str:
    """Return how the names of what was measured on the test examples begin; of accuracy `test_correct_at.`."""
    return f"{training.metric.exact('test')}_at."


def _alike(found: Tensor | None, tensor: Tensor) -> bool:
    return found is not None and (found.shape, found.dtype) == (tensor.shape, tensor.dtype)


def _crc32(tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> int:
    """Return the checksum of tensors, and of all else that a file holds unless `about` is None."""
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(tensors[name].contiguous().numpy().data, zlib.crc32(name.encode(), checksum))
    if about is None:
        return checksum
    shapes = {name: [str(tensor.dtype), *tensor.shape] for name, tensor in tensors.items()}
    return zlib.crc32(json.dumps([about, shapes], sort_keys=True).encode(), checksum)
