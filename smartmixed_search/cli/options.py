"""Options that several commands share."""

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartmixed_search.errors import ConfigError
from smartmixed_search.search.execution import Execution
from smartmixed_search.system.files import is_local, locate
from smartmixed_search.system.plugins import current_folder

if TYPE_CHECKING:
    from smartmixed_search.search.summary import SweepSummary

INTERRUPTED = 130
"""Exit code of what the user has interrupted."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _OutputDir(click.ParamType[Path]):
    """A folder, or a URI of storage that fsspec knows."""

    name = "folder"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if current_folder() is None:  # torch cannot be loaded there, and whatever is relative means nothing
            raise ConfigError("the current folder has been deleted; go to another")
        path = locate(value)
        if is_local(path) and path.exists() and not path.is_dir():
            self.fail(f"--output-dir must be a folder, but {str(value)!r} is a file", param, ctx)
        return path


_OUTPUT_DIR = click.option(
    "--output-dir",
    type=_OutputDir(),
    default="smartmixed-runs",
    show_default=True,
    envvar="SMARTMIXED_OUTPUT_DIR",
    help="Folder, or URI such as s3://bucket/runs, of sweeps and of the default tracking store.",
)
_TRACKING_URI = click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    help="MLflow tracking store.  [default: SQLite in the output folder]",
)
_DEBUG = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an internal error.")


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command takes; only `main` sees `--debug`."""
    for option in (_DEBUG, _TRACKING_URI, _OUTPUT_DIR):
        command = option(command)
    return command


def asks_store(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the same options to a command that wants nothing of them but the `uri` of the store that they name."""

    @functools.wraps(command)
    def with_uri(*, output_dir: Path, tracking_uri: str | None, **others: Any) -> Any:
        from smartmixed_search.tracking.store.store import resolve_tracking_uri

        return command(uri=resolve_tracking_uri(tracking_uri, output_dir), **others)

    return common(with_uri)


data_dir: Decorator = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SMARTMIXED_DATA_DIR",
    help="Folder of the image datasets, in torchvision's layout.",
)

sweep_option: Decorator = click.option("--sweep", help="Name of a sweep.  [default: the latest]")
metric_option: Decorator = click.option(
    "--metric", metavar="NAME", help="Rank by this recorded metric.  [default: the one that ranks in the latest sweep]"
)
all_sweeps_option: Decorator = click.option("--all-sweeps", is_flag=True, help="All sweeps, grouped by dataset.")

table_format: Decorator = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)


plugin_option: Decorator = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="NAME",
    help="A plugin that the record names and that you trust: importing it runs it. May be repeated.",
)

quiet_option: Decorator = click.option("--quiet", is_flag=True, help="No progress, only messages.")


_EXECUTION_OPTIONS = (
    click.option("--deterministic", is_flag=True, help="Have GPUs use only deterministic algorithms."),
    click.option(
        "--max-failures",
        default=1,
        show_default=True,
        type=click.IntRange(min=0),
        help="Retries of a trial that raises; lost processes and nodes do not count.",
    ),
    click.option("--retry-failed", is_flag=True, help="Try again the trials that have failed for good."),
    click.option("--ray-address", help="Address of a Ray cluster.  [default: this machine]"),
    click.option("--gpus-per-trial", help="GPUs of one trial: a number, a fraction of one, or auto."),
    click.option("--cpus-per-trial", type=float, help="CPUs of one trial; it uses as many threads."),
    click.option("--concurrency", type=click.IntRange(min=1), help="Trials at once.  [default: as many as fit]"),
)
"""How trials are run, the last one first."""


def placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how trials are run, and call the command with the `execution` that they are."""

    @functools.wraps(command)
    def with_execution(
        *,
        concurrency: int | None,
        cpus_per_trial: float | None,
        gpus_per_trial: str | None,
        ray_address: str | None,
        max_failures: int,
        retry_failed: bool,
        deterministic: bool,
        **others: Any,
    ) -> Any:
        execution = Execution(
            resources=_given_resources(cpus_per_trial, gpus_per_trial),
            concurrency=concurrency,
            ray_address=ray_address,
            max_failures=max_failures,
            retry_failed=retry_failed,
            deterministic=deterministic,
        )
        return command(execution=execution, **others)

    decorated: Callable[..., Any] = with_execution
    for option in _EXECUTION_OPTIONS:
        decorated = option(decorated)
    return decorated


def _given_resources(cpus_per_trial: float | None, gpus_per_trial: str | None) -> dict[str, float | str]:
    """Return what of a space's `resources` the command line overrides."""
    gpus: float | str | None = gpus_per_trial
    with suppress(TypeError, ValueError):  # nothing, or a word
        gpus = float(gpus_per_trial or "")
    resources = {"cpus_per_trial": cpus_per_trial, "gpus_per_trial": gpus}
    return {key: value for key, value in resources.items() if value is not None}


def exit_code(summary: "SweepSummary") -> int:
    """Return the exit code of a command that ran trials."""
    if summary.interrupted:
        return INTERRUPTED
    return 1 if summary.failures or summary.undelivered else 0


def assignments(settings: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE pairs, the value being YAML."""
    from smartmixed_search.space.files import read_yaml

    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set must be of the form KEY=VALUE, but got {setting!r}")
        if not text.strip():
            raise ConfigError(f"--set must name a value, but {setting!r} has none; write {key}=none for none")
        values[key] = read_yaml(text)
    return values
