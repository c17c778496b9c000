"""Runs as MLflow has them: searched, written, doubled, deleted."""
