"""`run`: launch a sweep, continue one, or say what it would cost."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartmixed_search.cli.answer import print_answer
from smartmixed_search.cli.options import assignments, common, data_dir, exit_code, placed, quiet_option
from smartmixed_search.search.execution import Execution

if TYPE_CHECKING:
    from smartmixed_search.space.space import SearchSpace


@click.command()
@click.argument("space")
@click.option("--name", help="Name of the sweep; the same name continues it.  [default: space name and hash]")
@click.option("--trials", type=click.IntRange(min=1), help="Distinct configurations to settle.")
@click.option("--seed", type=int, help="Seed of everything.  [default: 0]")
@click.option(
    "--dataset",
    help="A known one, such as digits, or the path of a table, an .npz file, or a folder or zip of images.",
)
@click.option("--target", help="Of a table, the column to predict.")
@click.option("--split", metavar="KIND=COLUMN", help="Of a table, what it is split by: group=, time= or column=NAME.")
@click.option("--epochs", type=int, help="Epochs of both phases together.")
@click.option("--replicates", type=int, help="Seeds per strategy.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other key of the space file, its value in YAML; may be repeated.",
)
@placed
@click.option("--no-reuse", is_flag=True, help="Train every baseline in every trial, even if an earlier one has.")
@click.option("--dry-run", is_flag=True, help="Validate, say what it would cost, and stop.")
@quiet_option
@data_dir
@common
def run(
    space: str,
    name: str | None,
    settings: tuple[str, ...],
    execution: Execution,
    no_reuse: bool,
    dry_run: bool,
    quiet: bool,
    data_dir: Path | None,
    output_dir: Path,
    tracking_uri: str | None,
    **keys: Any,
) -> int:
    """Launch the sweep of a search space, or continue it.

    SPACE is the name of a shipped space (see `smartmixed-search spaces`) or the path of a YAML file. Options override
    the file. The modules that it names as its `plugins` are imported, that is run, also for --dry-run: look at a space
    file that is not your own before you use it.
    """
    if name is not None and not dry_run:
        _refuse_second(output_dir, name)
    step = _step(quiet)
    resources = {"resources": execution.resources} if execution.resources else {}
    resolved = _load(space, keys | assignments(settings) | resources, step)
    if dry_run:
        from smartmixed_search.cli.dry_run import print_estimate
        from smartmixed_search.search.sweep import as_begun

        print_estimate(as_begun(resolved, name, output_dir), data_dir, execution.concurrency, step)
        return 0
    if name is None:
        _refuse_second(output_dir, resolved.default_sweep_name)
    step("loading Ray, Optuna and MLflow")
    from smartmixed_search.search.sweep import run_sweep

    summary = run_sweep(
        resolved,
        name=name,
        output_dir=output_dir,
        tracking_uri=tracking_uri,
        data_dir=data_dir,
        execution=replace(execution, reuse=not no_reuse, progress=not quiet),
    )
    print_answer(summary)
    return exit_code(summary)


def _load(space: str, overrides: Mapping[str, Any], step: Callable[[str], None]) -> "SearchSpace":
    """Load a space; `overrides` are keys of it that the command line gives, or None where it does not."""
    from smartmixed_search.space.files import find_space, read_space_file
    from smartmixed_search.space.keys import check_plain

    # Before what takes seconds to import: a wrong name or number is told at once.
    given = {key: value for key, value in overrides.items() if value is not None}
    check_plain({**read_space_file(find_space(space)), **given})
    step(f"reading {space}, and loading what trains")
    from smartmixed_search.space.space import SearchSpace

    return SearchSpace.load(space, overrides)


def _step(quiet: bool) -> Callable[[str], None]:
    """Return what says on stderr what is being done, unless the user wants no progress."""
    return lambda message: None if quiet else click.echo(message, err=True)


def _refuse_second(output_dir: Path, sweep: str) -> None:
    """Refuse a sweep that another process is running, before anything that takes long to import."""
    from smartmixed_search.search.keeping.lock import lock_path, refuse_if_held

    refuse_if_held(lock_path(output_dir / sweep), sweep)
