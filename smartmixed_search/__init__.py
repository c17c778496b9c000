"""Two-phase activation selection, and the search for the architectures and settings where it pays."""

__version__ = "0.1.0"
