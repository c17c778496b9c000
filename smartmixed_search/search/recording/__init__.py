"""How a sweep comes into MLflow, now or in a later session."""
