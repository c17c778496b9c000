"""Shares of GPUs that are declared, on a machine that has none."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.meeting import EXPECTED
from tests.chaos.processes import Process, cleaned_up, python
from tests.chaos.services import cluster


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_quarters_of_two_gpus_run_eight_trials_at_once(tracking_uri: str, tmp_path: Path) -> None:
    with cluster(("--num-cpus=2", "--num-gpus=2")) as made:
        variables = made.variables | {"MLFLOW_TRACKING_URI": tracking_uri}
        command = python("-m", "tests.chaos.meeting", tmp_path, made.address)
        with cleaned_up(Process.start(command, tmp_path / "log", variables)) as driver:
            assert driver.wait(240) == 0, driver.output
    placed = [path.read_text().split() for path in (tmp_path / "gpus" / "meeting").iterdir()]
    assert Counter(gpu for gpu, _, _ in placed) == {"0": 4, "1": 4}
    assert {device for _, device, _ in placed} == {"cpu"}
    assert len({pid for _, _, pid in placed}) == EXPECTED
