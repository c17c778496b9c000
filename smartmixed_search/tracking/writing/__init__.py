"""How a sweep is written."""
