"""What was found: tables in, tables out; knows no MLflow."""
