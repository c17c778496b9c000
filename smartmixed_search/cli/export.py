"""`export`: a network of a trial, for use elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import asks_store, plugin_option
from smartmixed_search.errors import NetworkError

if TYPE_CHECKING:
    from smartmixed_search.export.weights import TrainedNetwork
    from smartmixed_search.tracking.models.networks import TrackedNetwork

_LOADING = {
    "safetensors": "smartmixed_search.load_network({!r})",
    "torch-export": "torch.export.load({!r}).module()",
    "onnx": "onnxruntime.InferenceSession({!r})",
}
"""The formats, each with the Python that loads a file of it."""
_METADATA = {
    "safetensors": "metadata, preparation",
    "torch-export": "extra file smartmixed.json, preparation",
    "onnx": "metadata_props, smartmixed, preparation",
}
"""The formats, each with where a file of it says how inputs are prepared."""


@click.command()
@click.argument("trial")
@click.option(
    "--replicate", type=click.IntRange(min=0), help="Which of the trial's networks.  [default: lowest validation loss]"
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(list(_LOADING)),
    required=True,
    help="Format of the file; none of them is a pickle.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Path of the file; none may be there yet.",
)
@click.option("--sweep", help="Name of the trial's sweep.  [default: the latest]")
@plugin_option
@asks_store
def export(
    trial: str,
    replicate: int | None,
    file_format: str,
    out: Path,
    sweep: str | None,
    plugins: tuple[str, ...],
    uri: str,
) -> None:
    """Write a SmartMixed network to a file that other programs can load.

    TRIAL is a trial's key, the first digits of one, or the id of its run in MLflow. The network takes examples prepared
    as the dataset's are, and returns logits; how they are prepared is printed, and written into the file's metadata.
    Plugins are not imported unless --plugin says so: the store may be somebody else's.
    """
    from smartmixed_search.export.formats import encode, new_file
    from smartmixed_search.tracking.models.networks import fetch_network

    if file_format == "torch-export" and out.suffix != ".pt2":
        raise NetworkError(f"a file of the format torch-export must end in .pt2, but got {str(out)!r}")  # torch's rule
    with new_file(out) as file:
        found = fetch_network(trial, replicate, sweep=sweep, tracking_uri=uri, plugins=plugins)
        file.write(encode(found.network, file_format))
    click.echo(f"{out}: {_describe(found, chosen=replicate is None)}")
    click.echo(f"load it with: {_LOADING[file_format].format(str(out))}")
    click.echo(f"prepare its inputs: {_describe_inputs(found.network)} (in the file: {_METADATA[file_format]})")


def _describe_inputs(network: "TrainedNetwork") -> str:
    prepared = network.preparation
    return f"{network.inputs} values, {prepared}" + (
        "" if prepared.known else "; the numbers were not kept by the version that trained it"
    )


def _describe(found: "TrackedNetwork", chosen: bool) -> str:
    replicate, losses = found.network.replicate, found.val_losses
    why = f", the lowest of {len(losses)}" if chosen and len(losses) > 1 else ""
    return (
        f"replicate {replicate} of trial {found.trial} ({found.run_name}), validation loss {losses[replicate]:.4f}{why}"
    )
