"""MLflow's client with artifacts that lie where the store does; nothing but `store.connect` imports this module."""

from functools import lru_cache
from typing import Any

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from smartmixed_search.tracking.store.uris import followed

_KEPT = 100
"""Runs whose place is remembered: those that are being written."""


class Client(MlflowClient):
    """A client of one store, whose registry is the store's as well.

    MLflow remembers where a run's artifacts are for the whole process, by nothing but the run's id: the runs of a store
    that was copied would be written into the original. This one asks its own store, and follows the store's folder.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(tracking_uri=uri, registry_uri=uri)
        self._of_run = lru_cache(_KEPT)(lambda run_id: self._place(self.get_run(run_id).info.artifact_uri))

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Write a file to a run's artifacts; what MLflow's other methods of text and dictionaries come down to."""
        self._of_run(run_id).log_artifact(local_path, artifact_path)

    def log_artifacts(self, run_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        """Write what a folder holds to a run's artifacts."""
        self._of_run(run_id).log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[Any]:
        """Return what a run's artifacts are."""
        return list(self._of_run(run_id).list_artifacts(path))

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Return the local path of a run's artifact."""
        return str(self._of_run(run_id).download_artifacts(path, dst_path))

    def log_model_artifacts(self, model_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        """Write what a folder holds to a model's artifacts."""
        self._place(self.get_logged_model(model_id).artifact_location).log_artifacts(local_dir, artifact_path)

    def _place(self, address: str) -> ArtifactRepository:
        return get_artifact_repository(followed(self.tracking_uri, address), tracking_uri=self.tracking_uri)
