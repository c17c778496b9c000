"""What a sweep came to."""

from pathlib import Path

from smartmixed_search.search.summary import SweepSummary

SUMMARY = SweepSummary(
    name="demo",
    directory=Path("demo"),
    tracking_uri="sqlite:///mlflow.db",
    trials=6,
    settled={"finished": 4, "failed": 2, "stopped": 0},
    best=None,
    failures={},
    unconverged=0,
    exhausted=False,
    interrupted=False,
    undelivered=0,
)
