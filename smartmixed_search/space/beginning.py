"""A first search space for a dataset: sizes, epochs and metric that fit it, with comments, to be edited."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import yaml

from smartmixed_search.datasets import Dataset
from smartmixed_search.datasets.dataset import describe_sizes
from smartmixed_search.datasets.tables.columns import KINDS
from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.tasks.classification import Classification

_WIDTHS = ((1_000, (16, 32, 64)), (10_000, (32, 64, 128)), (100_000, (64, 128, 256)), (None, (128, 256, 512)))
"""Of layers, by the number of training examples up to which they are enough."""
_BATCHES = ((500, 16), (5_000, 32), (50_000, 128), (None, 256))
_STEPS = 3_000
"""Of a training: with fewer a short sweep hardly selects."""
_LEAST_EPOCHS, _MOST_EPOCHS = 10, 100
_UNEVEN = 3
"""How often the most frequent class may be as frequent as the rarest before accuracy says little."""

_KIND = re.compile(rf"  .+: ({'|'.join(KINDS[:-1])}|left out)(, |$)")
"""A line that says what a column is."""
_Value = TypeVar("_Value")


def first_space(dataset: Dataset, spec: str, keys: Mapping[str, Any]) -> str:
    """Return a space file for a dataset.

    Args:
        dataset: as it was loaded.
        spec: what names it, or its path.
        keys: what else was said of it, such as its target.
    """
    train = dataset.sizes["train"]
    widths, batch = _of(_WIDTHS, train), _of(_BATCHES, train)
    epochs = int(np.clip(round(_STEPS * batch / train), _LEAST_EPOCHS, _MOST_EPOCHS))
    said = "".join(f"{key}: {_plain(value)}\n" for key, value in keys.items() if value is not None)
    return f"""\
# {dataset.name}: {describe_sizes(dataset.sizes)}
dataset: {_plain(spec)}
{said}{_decided(dataset)}
architecture:                # networks as large as {train:,} examples bear; a list is {{choices: [64-32, 128]}}
  depth: {{low: 1, high: {2 if train < _WIDTHS[0][0] else 3}}}
  width: {{choices: {list(widths)}}}
architectures: 6             # how many are drawn
trials: 12                   # two for each; more find more
phase_fraction: {{low: 0.1, high: 0.5}}            # share of the epochs spent selecting
temperature: {{low: 0.1, high: 3.0, log: true}}    # of the Gumbel-Softmax
epochs: {epochs:<20} # {epochs * -(-train // batch):,} steps
batch_size: {batch}
learning_rate: 1e-3
replicates: 3                # seeds per strategy
{_metric(dataset)}"""


def _of(table: tuple[tuple[int | None, _Value], ...], train: int) -> _Value:
    return next(value for most, value in table if most is None or train <= most)


def _plain(value: Any) -> str:
    """Write a text, or what is said by keys, as YAML reads it again."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_plain(one)}' for key, one in value.items())}}}"
    if not isinstance(value, str):
        return json.dumps(value)
    return value if value.isidentifier() and yaml.safe_load(value) == value else json.dumps(value, ensure_ascii=False)


def _decided(dataset: Dataset) -> str:
    """Say in comments what was understood, and of which a user may think otherwise."""
    lines = [f"# {note}" for note in dataset.notes if note.startswith("target ")]
    if isinstance(dataset.preparation, TablePreparation):
        lines += ["# Any column's kind can be given, as in  columns: {zip: category, id: ignore}  It was decided:"]
        lines += [f"# {note}" for note in dataset.notes if _KIND.match(note)]
    lines += [f"# warning: {warning}" for warning in dataset.warnings]
    return "".join(f"{' '.join(line.split(chr(10)))}\n" for line in lines)


def _metric(dataset: Dataset) -> str:
    """Return the metric that ranks, and why."""
    if not isinstance(dataset.task, Classification):
        return "metric: rmse                 # in the target's unit; or mae, r2\n"
    counts = np.bincount(dataset.y_train.numpy(), minlength=dataset.task.classes)
    if counts.max() > _UNEVEN * counts.min():
        rare = f"the rarest class has {counts.min():,} training examples of {counts.sum():,}"
        return f"metric: balanced_accuracy    # for {rare}; or accuracy, macro_f1, auroc, log_loss\n"
    return "metric: accuracy             # or balanced_accuracy, macro_f1, auroc, log_loss\n"
