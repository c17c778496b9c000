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
"""The formats, each with where a file of it holds how inputs are prepared."""


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

    TRIAL is a trial's key, the first digits of one, or the id of its run in MLflow. A torch-export or onnx file takes
    examples as you have them, and returns the probabilities of the classes; safetensors holds the network without its
    preparation, which is printed, and in the file's metadata. Plugins are not imported unless --plugin says so: the
    store may be somebody else's.
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
    click.echo(f"it takes {_takes(found.network, file_format)} (in the file: {_METADATA[file_format]})")
    click.echo(f"it returns {_returns(found.network, file_format)}")


def _takes(network: "TrainedNetwork", file_format: str) -> str:
    from smartmixed_search.datasets.tables.preparation import TablePreparation
    from smartmixed_search.export.onnx_rows import describe_columns
    from smartmixed_search.export.served import takes

    prepared = network.preparation
    if file_format == "safetensors" or not prepared.known:
        kept = "" if prepared.known else "; the numbers were not kept by the version that trained it"
        shape = ", ".join(map(str, network.input_shape))
        return f"x [batch, {shape}] float32: prepared examples, {prepared}{kept}"
    if file_format == "onnx" and isinstance(prepared, TablePreparation):
        return describe_columns(prepared)
    return takes(network)


def _returns(network: "TrainedNetwork", file_format: str) -> str:
    from smartmixed_search.datasets.tables.preparation import TablePreparation
    from smartmixed_search.export.served import PREDICTION, output_name, output_names, returns

    classes = output_name(network) != PREDICTION
    if file_format == "safetensors":
        what = "logits of the classes" if classes else "deviations from the mean of the targets"
        return f"{what} {', '.join(output_names(network))}"
    named = file_format == "onnx" and classes and isinstance(network.preparation, TablePreparation)
    return returns(network) + (", and the name of the likeliest" if named else "")


def _describe(found: "TrackedNetwork", chosen: bool) -> str:
    replicate, losses = found.network.replicate, found.val_losses
    why = f", the lowest of {len(losses)}" if chosen and len(losses) > 1 else ""
    return (
        f"replicate {replicate} of trial {found.trial} ({found.run_name}), validation loss {losses[replicate]:.4f}{why}"
    )
