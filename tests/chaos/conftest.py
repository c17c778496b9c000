"""What the chaos suite shares: a seed to draw moments by, and one undisturbed sweep to compare with."""

import os
import random
import sys
from pathlib import Path

import pytest

from tests.chaos.sweeps import Sweep, check


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """The source of random moments; `CHAOS_SEED` gives others."""
    seed = f"{os.environ.get('CHAOS_SEED', '0')} {request.node.name}"
    print(f"moments are drawn with CHAOS_SEED={seed.split()[0]}", file=sys.stderr)
    return random.Random(seed)


@pytest.fixture(scope="session")
def undisturbed(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep during which nothing happens."""
    output_dir = tmp_path_factory.mktemp("undisturbed")
    (output_dir / "mlflow.db").write_bytes(store_template.read_bytes())
    sweep = Sweep(output_dir, f"sqlite:///{output_dir}/mlflow.db")
    sweep.complete()
    check(sweep)
    return sweep
