"""The files of one trial, below its sweep's."""

import json
from dataclasses import dataclass
from pathlib import Path

from smartmixed_search.system.checksums import checksum, seal, unseal
from smartmixed_search.system.files import read_bytes, write_atomically
from smartmixed_search.trials.result import TrialResult


@dataclass(frozen=True)
class TrialDirectory:
    """The files of one trial."""

    path: Path

    @property
    def result(self) -> Path:
        """The trial's result; where it exists, the trial is trained."""
        return self.path / "result.json"

    @property
    def weights(self) -> Path:
        """SmartMixed's frozen networks."""
        return self.path / "weights.safetensors"

    @property
    def error(self) -> Path:
        """Why the last attempt raised: the reason in the first line, then the traceback."""
        return self.path / "error.txt"

    @property
    def state(self) -> Path:
        """Holds how far the training is, until there is a result."""
        return self.path / "state"

    def save_result(self, result: TrialResult) -> None:
        """Make the trial's result durable; its weights are."""
        write_atomically(self.result, json.dumps(seal(result.to_dict())))

    def load_result(self) -> TrialResult | None:
        """Read the trial's result; one that is damaged is as good as absent."""
        content = read_bytes(self.result)
        try:
            return None if content is None else TrialResult.from_dict(unseal(content))
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    def load_whole(self) -> TrialResult | None:
        """Read the trial's result if its weights, too, are as they were written; those of earlier versions may be."""
        result = self.load_result()
        if result is None or result.weights_checksum is None:
            return result
        weights = read_bytes(self.weights)
        return None if weights is None or checksum(weights) != result.weights_checksum else result
