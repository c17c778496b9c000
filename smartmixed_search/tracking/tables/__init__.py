"""Runs as tables with fixed columns."""
