"""`reproduce`: a recorded trial once more, and whether its figures come out again."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import asks_store, data_dir, plugin_option

if TYPE_CHECKING:
    from smartmixed_search.engine.reproduction import Reproduction
    from smartmixed_search.tracking.questions.recorded import Recorded

_SECONDS = 10.0
"""How often progress is shown."""


@click.command()
@click.argument("trial", metavar="RUN")
@click.option("--sweep", help="Name of the trial's sweep or confirmation.  [default: the latest sweep]")
@click.option("--dataset", metavar="FILE", help="Where the sweep's file is now, if it has moved.")
@data_dir
@plugin_option
@asks_store
def reproduce(
    trial: str,
    sweep: str | None,
    dataset: str | None,
    data_dir: Path | None,
    plugins: tuple[str, ...],
    uri: str,
) -> int:
    """Train a recorded trial again, from what MLflow holds, and compare its figures.

    RUN is a trial's key, the first digits of one, or the id of its run or of a strategy's in MLflow. On the same
    processor, build and number of threads every figure is the same to the last bit; elsewhere test accuracies may
    differ by a point, errors by a hundredth. Nothing is recorded, and no plugin is imported unless --plugin says so:
    the store may be somebody else's. Exit code 1: the figures do not agree.
    """
    from smartmixed_search.engine.reproduction import reproduce_trial
    from smartmixed_search.tracking.questions.recorded import recorded_trial

    recorded = recorded_trial(trial, sweep, uri, plugins)
    data = recorded.load_dataset(dataset, data_dir)
    for line in _introduction(recorded):
        click.echo(line, err=True)
    found = reproduce_trial(recorded.trial, data, _Progress())
    click.echo(_networks(found))
    click.echo(_verdict(found))
    return 0 if found.agrees else 1


class _Progress:
    """Shows the epochs of a trial on stderr, now and then."""

    def __init__(self) -> None:
        self._shown_at = time.monotonic()

    def __call__(self, epoch: int, metrics: dict[str, float]) -> None:
        if time.monotonic() - self._shown_at >= _SECONDS:
            self._shown_at = time.monotonic()
            click.echo(f"{epoch + 1}/{metrics['epochs']} epochs", err=True)


def _introduction(recorded: "Recorded") -> list[str]:
    from smartmixed_search.families import format_architecture
    from smartmixed_search.system.version import __version__

    trial, software = recorded.trial, recorded.sweep_environment.get("software", {})
    architecture, then = format_architecture(trial.config.architecture), software.get("smartmixed-search", "?")
    revision = recorded.sweep_environment.get("git") or "unknown"
    lines = [
        f"trial {trial.key}: {architecture} on {trial.config.dataset}, {trial.config.epochs} epochs; "
        f"recorded by version {then}, revision {revision}; this is version {__version__}"
    ]
    for key in sorted(set(trial.reused.values())):
        names = ", ".join(name for name, trained_by in trial.reused.items() if trained_by == key)
        lines.append(
            f"not trained again here, because trial {key} trained them: {names}; "
            f"`reproduce {key} --sweep {recorded.sweep}` trains them again"
        )
    return lines


def _networks(found: "Reproduction") -> str:
    shown = found.networks[["strategy", "replicate"]].copy()
    for name in ("val_loss", found.metric.test, "best_epoch"):
        shown[name], shown[f"{name} now"] = found.networks[name], found.networks[f"{name}_now"]
    shown["identical"] = found.networks["identical"].map({True: "yes", False: "no"})
    formats = {f"best_epoch{now}": "{:.0f}".format for now in ("", " now")}
    return shown.to_string(index=False, na_rep="–", float_format="{:z.6f}".format, formatters=formats)


def _verdict(found: "Reproduction") -> str:
    from smartmixed_search.engine.reproduction import TOLERANCE
    from smartmixed_search.errors.messages import are, counted
    from smartmixed_search.tasks.metric import ACCURACY, SHARE

    differing = "; ".join(f"{name}: {then} then, {now} now" for name, (then, now) in found.differences.items())
    where = f"the environment differs ({differing})" if differing else "the recorded environment is the same"
    if found.identical:
        return f"identical: every figure of {counted(len(found.networks), 'network')} came out again; {where}"
    count = int((~found.networks["identical"]).sum())
    metric, of_itself = found.metric, "" if found.metric.unit == SHARE else " of itself"
    values = "test accuracies differ" if metric == ACCURACY else f"test {metric.label} differs"
    largest = f"{values} by {found.largest_difference:.4f}{of_itself} at most, and may by {TOLERANCE}"
    said = "reproduced within tolerance" if found.agrees else "NOT reproduced"
    networks = f"{count} of {counted(len(found.networks), 'network')} {are(count)}"
    return f"{said}: {networks} not identical; {largest}; {where}"
