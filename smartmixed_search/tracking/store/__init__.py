"""The tracking store: where it is, and whether it is in order."""
