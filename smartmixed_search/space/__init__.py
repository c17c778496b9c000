"""The search space: what may be tried."""
