"""`init`: from a file to a search space that fits it."""

import shlex
from pathlib import Path

import click

from smartmixed_search.cli.options import common, data_dir
from smartmixed_search.errors import ConfigError


@click.command()
@click.argument("dataset", metavar="FILE")
@click.option("--target", help="Of a table, the column to predict.")
@click.option(
    "--task", type=click.Choice(["classification", "regression"]), help="What is learned, if not as the target looks."
)
@click.option("--out", type=click.Path(path_type=Path), help="The space file.  [default: the dataset's name and .yaml]")
@data_dir
@common
def init(
    dataset: str,
    target: str | None,
    task: str | None,
    out: Path | None,
    data_dir: Path | None,
    output_dir: Path,
    tracking_uri: str | None,
) -> None:
    """Look at a dataset, say what was found, and write a search space that fits it.

    FILE is a table (.csv, .tsv, .parquet, or of Stata, SPSS or R), images, an .npz file, or the name of a dataset.
    Without --target the only column that is called target, label, class, outcome or y is predicted. Nothing is
    overwritten.
    """
    click.echo(f"loading {dataset}", err=True)
    from smartmixed_search.datasets import dataset_name, load_dataset
    from smartmixed_search.datasets.dataset import describe_sizes
    from smartmixed_search.datasets.images.looking import suggested
    from smartmixed_search.datasets.load import are_pictures
    from smartmixed_search.datasets.tables.reading import SUFFIXES, read_raw
    from smartmixed_search.datasets.tables.target import usual_target
    from smartmixed_search.space.beginning import first_space
    from smartmixed_search.space.files import read_yaml
    from smartmixed_search.space.space import SearchSpace

    out = out or Path(f"{dataset_name(dataset)}.yaml")
    if out.exists():
        raise ConfigError(f"the space file must be new, but {str(out)!r} exists; choose another with --out")
    if target is None and Path(dataset).suffix.lower() in SUFFIXES:
        target = usual_target(read_raw(Path(dataset)).names)
    image = suggested(Path(dataset).expanduser()) if are_pictures(dataset) else {}
    if image:
        made = ", ".join(f"{key}: {value}" for key, value in image.items())
        click.echo(f"the images are not alike; all are made image: {{{made}}}, which you may change in the space")
    data = load_dataset(dataset, data_dir, target=target, task=task, image=image)
    text = first_space(data, dataset, {"target": target, "task": task, "image": image or None})
    space = SearchSpace.from_dict(read_yaml(text), name=out.stem)
    for line in (*data.notes, *(f"warning: {warning}" for warning in data.warnings)):
        click.echo(line)
    click.echo(f"{data.name}: {describe_sizes(data.sizes)}")
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {str(out)!r} ({error.strerror}); choose another place with --out") from error
    click.echo(f"wrote {out}: {space.trials} trials; next: smartmixed-search run {shlex.quote(str(out))}")
