"""Ray Tune and Optuna: propose, place, record, resume."""
