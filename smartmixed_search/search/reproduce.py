"""`reproduce`: a trial read from MLflow, trained again, and compared."""

from collections.abc import Sequence
from pathlib import Path

from smartmixed_search.engine.epochs import Report
from smartmixed_search.engine.reproduction import Reproduction, reproduce_trial
from smartmixed_search.tracking.questions.recorded import recorded_trial


def reproduce(
    trial: str,
    sweep: str | None = None,
    *,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    plugins: Sequence[str] = (),
    report: Report | None = None,
) -> Reproduction:
    """Train a recorded trial again on this machine, compare every figure of every network, and record nothing.

    Args:
        trial: its key, the key's first digits, or the id of its run or of a run below it.
        sweep: name of its sweep or confirmation; the latest sweep by default.
        dataset: where the dataset's file is now; default: where the sweep found it.
        data_dir: folder of the image datasets, as for `load_dataset`.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.
        plugins: modules to import first. Those that the trial names must be among them, or imported already: a store
            may be a stranger's.
        report: called after every epoch.

    Raises:
        TrackingError: there is no such store, sweep or trial, or it is not finished.
        ConfigError: a plugin cannot be imported, or has not been.
        DatasetError: the data are missing, or not those that the trial was trained on.
    """
    recorded = recorded_trial(trial, sweep, tracking_uri, plugins)
    return reproduce_trial(recorded.trial, recorded.load_dataset(dataset, data_dir), report)
