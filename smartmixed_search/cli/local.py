"""`spaces`, `doctor` and `ui`: what is here, and whether it works."""

import os
import sys
from pathlib import Path

import click

from smartmixed_search.cli.options import asks_store, common, data_dir


@click.command()
@click.argument("name", required=False)
@common
def spaces(name: str | None, output_dir: Path, tracking_uri: str | None) -> None:
    """List the shipped search spaces, or print one of them (a start for your own)."""
    from smartmixed_search.errors.messages import counted
    from smartmixed_search.space.files import find_space, shipped_spaces
    from smartmixed_search.space.space import SearchSpace

    if name is not None:
        click.echo(find_space(name).read_text(encoding="utf-8"), nl=False)
        return
    for shipped in shipped_spaces():
        space = SearchSpace.load(shipped)
        epochs = space.settings["epochs"].to_plain()
        click.echo(
            f"{shipped:<12} {space.dataset:<8} {counted(space.trials, 'trial')} of "
            f"{counted(space.architectures or space.trials, 'architecture')}, {epochs} epochs, "
            f"{counted(space.options['replicates'], 'replicate')}"
        )


@click.command()
@data_dir
@common
def doctor(data_dir: Path | None, output_dir: Path, tracking_uri: str | None) -> None:
    """Check this machine: versions, processors, what Ray needs, GPUs, disk, datasets, pools, tracking store."""
    from smartmixed_search.cli.diagnosis import diagnose
    from smartmixed_search.errors.messages import concealed

    checks = diagnose(output_dir, tracking_uri, data_dir)
    width = max(len(check.name) for check in checks)
    for check in checks:
        click.echo(f"{check.status:<8} {check.name:<{width}}  {concealed(check.detail)}")
    sys.exit(1 if any(check.status == "problem" for check in checks) else 0)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@asks_store
def ui(host: str, port: int, uri: str) -> None:
    """Serve MLflow's page over the tracking store, until Ctrl-C."""
    from smartmixed_search.tracking.runs.view import VIEWS, view_path
    from smartmixed_search.tracking.schema import EXPERIMENT_PREFIX
    from smartmixed_search.tracking.store.store import open_store, prepare_store
    from smartmixed_search.tracking.store.uris import SQLITE, store_name

    served = uri.startswith("http")
    address = store_name(uri) if served else f"http://{host}:{port}"
    client = open_store(uri)
    if not served:
        _require_free(host, port)
        if os.access(uri.removeprefix(SQLITE), os.W_OK):
            prepare_store(uri)  # MLflow's page shows artifacts where the store says they are
        else:
            click.echo("the store can only be read: if it was moved, its page shows no artifacts", err=True)
    for experiment in client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT_PREFIX}%'"):
        dataset = experiment.name.removeprefix(EXPERIMENT_PREFIX)
        for view in VIEWS:
            click.echo(f"{view} on {dataset}: {address}{view_path(experiment.experiment_id, view)}")
    if served:
        return
    click.echo("The page is there in about 15 seconds; Ctrl-C ends it.", err=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # nothing here needs its dozen job processes
    serve = [
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    os.execv(sys.executable, [sys.executable, *serve])


def _require_free(host: str, port: int) -> None:
    """Make sure that nobody listens where the page is to be: the links would lead into another store."""
    import socket

    from smartmixed_search.errors import ConfigError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error.strerror}); give another --host or --port"
        ) from error
