"""Kinds of networks, and how they are named."""
