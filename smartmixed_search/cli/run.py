"""`run`: launch a sweep, continue one, or say what it would cost."""

from pathlib import Path
from typing import Any

import click

from smartmixed_search.cli.options import common, data_dir, exit_code, given_resources, placement, quiet_option
from smartmixed_search.errors import ConfigError


@click.command()
@click.argument("space")
@click.option("--name", help="Name of the sweep; the same name continues it.  [default: space name and hash]")
@click.option("--trials", type=click.IntRange(min=1), help="Distinct configurations to settle.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything.  [default: 0]")
@click.option("--dataset", help="digits, breast-cancer, mnist, fashion-mnist, kmnist, or the path of a .npz file.")
@click.option("--epochs", type=click.IntRange(min=2), help="Epochs of both phases together.")
@click.option("--replicates", type=click.IntRange(min=1), help="Seeds per strategy.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other key of the space file, its value in YAML; may be repeated.",
)
@placement
@click.option("--no-reuse", is_flag=True, help="Train every baseline in every trial, also where an earlier one has.")
@click.option("--dry-run", is_flag=True, help="Validate, say what it would cost, and stop.")
@quiet_option
@data_dir
@common
def run(
    space: str,
    name: str | None,
    trials: int | None,
    seed: int | None,
    dataset: str | None,
    epochs: int | None,
    replicates: int | None,
    settings: tuple[str, ...],
    concurrency: int | None,
    cpus_per_trial: float | None,
    gpus_per_trial: str | None,
    ray_address: str | None,
    max_failures: int,
    deterministic: bool,
    no_reuse: bool,
    dry_run: bool,
    quiet: bool,
    data_dir: Path | None,
    output_dir: Path,
    tracking_uri: str | None,
    debug: bool,
) -> int:
    """Launch the sweep of a search space, or continue it.

    SPACE is the name of a shipped space (see `smartmixed-search spaces`) or the path of a YAML file. Options override
    the file. The modules that it names as its `plugins` are imported, that is run, also for --dry-run: look at a space
    file that is not your own before you use it.
    """
    from smartmixed_search.space import SearchSpace

    flags = {"trials": trials, "seed": seed, "dataset": dataset, "epochs": epochs, "replicates": replicates}
    given = given_resources(cpus_per_trial, gpus_per_trial)
    resolved = SearchSpace.load(space, flags | _settings(settings) | ({"resources": given} if given else {}))
    if dry_run:
        from smartmixed_search.cli.dry_run import print_estimate

        print_estimate(resolved, data_dir, concurrency)
        return 0
    from smartmixed_search.search.sweep import run_sweep

    summary = run_sweep(
        resolved,
        name=name,
        output_dir=output_dir,
        tracking_uri=tracking_uri,
        data_dir=data_dir,
        concurrency=concurrency,
        ray_address=ray_address,
        max_failures=max_failures,
        reuse=not no_reuse,
        deterministic=deterministic,
        progress=not quiet,
    )
    return exit_code(summary)


def _settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE pairs, the value being YAML."""
    from smartmixed_search.space_files import read_yaml

    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set must be of the form KEY=VALUE, however: {setting!r}")
        values[key] = read_yaml(text)
    return values
