"""Trained networks in the store: read from a trial, registered as models."""
