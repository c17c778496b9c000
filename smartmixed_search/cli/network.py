"""`network`: which activations of a network of one's own are exchanged, before anything is trained."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartmixed_search.cli.options import assignments, common, data_dir
from smartmixed_search.errors import ConfigError

if TYPE_CHECKING:
    from smartmixed_search.method.sites import Found, FoundSite

_COLUMNS = ("place", "site", "units", "shape", "function")


@click.command()
@click.argument("factory", metavar="MODULE:FACTORY")
@click.option("--dataset", required=True, help="A dataset's name or file: its examples are what the network takes.")
@click.option("--target", help="Of a table, the column to predict.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the factory. May be repeated."
)
@click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="PATTERN",
    help="Exchange the sites of such names alone; or not those, with '!' before it. May be repeated.",
)
@data_dir
@common
def network(
    factory: str,
    dataset: str,
    target: str | None,
    settings: Sequence[str],
    sites: Sequence[str],
    data_dir: Path | None,
    output_dir: Path,
    tracking_uri: str | None,
) -> None:
    """Show the sites of your own network: the activations at which every unit will choose.

    FACTORY is a function of a module that can be imported, called with the shape of one example, the number of outputs,
    and its settings; it returns the network. A name with a star fits several sites: --site '!head*'.
    """
    if ":" not in factory:
        raise ConfigError(f"a network must be named MODULE:FACTORY, but got {factory!r}")
    click.echo(f"loading {dataset}", err=True)
    from smartmixed_search.datasets import load_dataset
    from smartmixed_search.families.own import OwnNetworks
    from smartmixed_search.space.networks import parse_networks
    from smartmixed_search.system.plugins import import_plugins

    told = assignments(settings)
    networks = parse_networks({"network": factory, "network_settings": told, "sites": list(sites)})
    import_plugins(networks.modules)
    data, family = load_dataset(dataset, data_dir, target=target), OwnNetworks()
    given = (
        networks.of({name: field.extremes[0] for name, field in networks.settings.items()}),
        data.shape,
        data.task.outputs,
    )
    found = family.found(*given)
    shape = " × ".join(map(str, data.shape))
    click.echo(
        f"{given[0]} on {data.name}: examples of {shape}, {data.task.outputs} outputs, {family.parameters(*given):,} "
        f"parameters, {family.flops(*given):,} operations an example"
    )
    _print_sites(found)
    click.echo("next: write in a space, in the place of architecture:")
    for key, value in networks.to_plain().items():
        click.echo(f"  {key}: {_in_yaml(value)}")


def _print_sites(found: "Found") -> None:
    from smartmixed_search.method.provenance import GATES

    rows = [
        [str(place), site.name, f"{site.layout.units:,}", " × ".join(map(str, site.shape)), site.function]
        for place, site in enumerate(found.sites)
    ]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in [_COLUMNS, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for site in found.left_alone:
        click.echo(f"left alone: {site.name}, {site.function}, {_why(site, GATES)}")
    for owner, function in found.whole:
        click.echo(
            f"left alone: {owner or 'the network itself'}, what {function} has inside, which cannot be exchanged"
        )


def _why(site: "FoundSite", gates: Iterable[str]) -> str:
    return "which is taken for a gate unless --site names it" if site.function in gates else "as --site says"


def _in_yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=10**6)
    return text.removesuffix("\n...\n").strip()
