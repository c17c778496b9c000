"""Datasets as tensors, split once."""
