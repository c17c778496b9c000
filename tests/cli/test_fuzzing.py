"""Mutated files are accepted, or refused in one line: no traceback, no hang, no exhausted memory."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from smartmixed_search.engine import estimate
from tests.helpers.fuzzing import MEMORY, flaw, in_process, mutated_mnist, mutated_npz, mutated_space, outcomes

SEED = 4
MOST_WORK = estimate._MOST_WORK
SECONDS = 30
"""Of a real process, before it counts as hanging."""


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Time a few small steps only, and stay off the network."""
    monkeypatch.setattr(estimate, "_ENOUGH_SECONDS", 0.01)
    monkeypatch.setattr(estimate, "_MOST_WORK", {"cpu": 2**26})
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("kind", "count"), [("space", 50), ("npz", 15), ("idx", 15)])
@pytest.mark.timeout(180)
def test_a_few_mutated_files(tmp_path: Path, kind: str, count: int) -> None:
    accepted, refused, flaws = outcomes(kind, SEED, range(count), tmp_path, in_process)
    assert not flaws, "\n".join(flaws)
    assert accepted, "a fuzzer all of whose files are refused tests little"
    assert refused


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("space", 500), ("npz", 100), ("idx", 100)])
@pytest.mark.timeout(3600)
def test_many_mutated_files(tmp_path: Path, kind: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_MOST_WORK", MOST_WORK)
    accepted, refused, flaws = outcomes(kind, SEED, range(1000, 1000 + count), tmp_path, in_process)
    print(f"{kind}: {accepted} accepted, {refused} refused, {len(flaws)} flaws")
    assert not flaws, "\n".join(flaws)
    assert min(accepted, refused) >= count // 10


def process(arguments: list[str]) -> tuple[int, str, str]:
    """Run the command as a user does, in a process of limited memory."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY))

    command = [sys.executable, "-c", "from smartmixed_search.cli import main; main()", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, preexec_fn=limit, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("space", range(1)),
        ("npz", range(1)),
        pytest.param("space", range(1, 11), marks=pytest.mark.slow),
        pytest.param("npz", range(1, 6), marks=pytest.mark.slow),
        pytest.param("idx", range(5), marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(20 * SECONDS)
def test_mutated_files_in_real_processes(tmp_path: Path, kind: str, numbers: range) -> None:
    accepted, refused, flaws = outcomes(kind, SEED, numbers, tmp_path, process)
    assert not flaws, "\n".join(flaws)
    assert accepted + refused == len(numbers)


@pytest.mark.parametrize("mutated", [mutated_space, mutated_npz, mutated_mnist])
def test_a_mutation_is_a_function_of_seed_and_number(mutated: object) -> None:
    assert mutated(1, 2) == mutated(1, 2)
    assert len({str(mutated(1, number)) for number in range(9)}) > 5


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ((0, "an answer\n", ""), ""),
        ((2, "", "error: a rule, but got a value\n"), ""),
        ((0, "an answer\n", "a warning\n"), "stderr"),
        ((0, "", ""), "answer"),
        ((1, "", "internal error: KeyError: 3\n"), "exit 1"),
        ((2, "", "error: two\nlines\n"), "one line"),
        ((2, "", "error: \x1b[2J\n"), "control"),
        ((2, "", "Traceback (most recent call last)\n"), "internals"),
        ((-9, "", ""), "exit -9"),
    ],
)
def test_the_judge(ended: tuple[int, str, str], told: str) -> None:
    found = flaw(*ended)
    assert told in found
    assert bool(told) == bool(found)
