"""How the choices of SmartMixed's networks evolve over the epochs of the selection phase."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from smartmixed_search.analysis.identity import identified
from smartmixed_search.analysis.preferences import NETWORK, depth_bins

COUNT_COLUMNS = {
    "dataset": "str",
    "architecture": "str",
    "trial": "str",
    "replicate": "int64",
    "epoch": "int64",
    "layer": "int64",
    "function": "str",
    "count": "int64",
}
EVOLUTION_COLUMNS = ["depth", "epoch", "function", "share", "networks", "selecting"]
DEPTH_BINS = 3
"""First, middle and last layers."""


def counts_frame(dataset: str, architecture: str, trial: str, artifact: Mapping[str, Any]) -> pd.DataFrame:
    """Return the content of a trial's choice_counts.json as rows, `COUNT_COLUMNS`; epochs are counted from 1.

    The artifact is {pool: [function, …], replicates: {replicate: [selection epoch][layer][function] → neurons}}: the
    functions that were likeliest at the end of each epoch. Frames of several trials may be concatenated.
    """
    rows = [
        (dataset, architecture, trial, int(replicate), epoch, layer, function, count)
        for replicate, epochs in artifact["replicates"].items()
        for epoch, layers in enumerate(epochs, start=1)
        for layer, counts in enumerate(layers)
        for function, count in zip(artifact["pool"], counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COUNT_COLUMNS)).astype(COUNT_COLUMNS)


def by_epoch(counts: pd.DataFrame, *, bins: int = DEPTH_BINS) -> pd.DataFrame:
    """Return the share of each function by epoch and relative depth: 0 is the first hidden layer, 1 the last.

    `counts` is what `choice_counts` returns.
    Selection phases differ in length. A network whose phase is over keeps the choices of its last selection epoch:
    otherwise shares would change because networks leave, not because neurons change their minds. Returns
    `EVOLUTION_COLUMNS`: `depth`, the centre of one of `bins` bins; `share` of the neurons that have layers there, so
    wide layers weigh more; `networks` there, and how many of them are still `selecting`.
    """
    if counts.empty:
        return pd.DataFrame(columns=EVOLUTION_COLUMNS)
    keys = [*NETWORK, "depth", "function"]
    placed = identified(counts)
    placed = placed.assign(depth=depth_bins(placed, bins))
    by_network = placed.pivot_table(values="count", index=keys, columns="epoch", aggfunc="sum")
    chosen = by_network.ffill(axis="columns").groupby(["depth", "function"]).sum()
    shares = chosen / chosen.groupby("depth").transform("sum")
    of_bin = by_network.notna().groupby([*NETWORK, "depth"]).any().groupby("depth")
    table = shares.reset_index().melt(["depth", "function"], value_name="share")
    table = table.merge(of_bin.sum().reset_index().melt("depth", value_name="selecting"), on=["depth", "epoch"])
    table = table.merge(of_bin.size().rename("networks").reset_index(), on="depth")
    return table.sort_values(["depth", "epoch", "function"], ignore_index=True)[EVOLUTION_COLUMNS]
