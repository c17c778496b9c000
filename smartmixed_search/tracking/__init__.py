"""MLflow: write the runs, query them."""
