"""The house: every room imports only what stands below it, and the core knows neither Ray, Optuna nor MLflow."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import smartmixed_search

PACKAGE = Path(smartmixed_search.__file__).parent
FLOORS = (
    {"errors"},
    {"method", "system", "tasks"},
    {"families", "datasets"},
    {"export", "trials"},
    {"analysis", "engine", "space"},
    {"tracking"},
    {"reports", "search"},
    {"cli"},
    {"__init__", "__main__"},
)
"""From the ground up; README's picture is the same."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
CORE = sorted(set().union(*FLOORS[: [*FLOORS].index({"tracking"})]))
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


def test_the_rooms_are_those_of_the_picture() -> None:
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in SOURCES}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(PACKAGE)) for path in SOURCES])
def test_a_room_imports_only_what_stands_below_it(path: Path) -> None:
    here = room_of(path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for package, *parts in (name.split(".") for name in names):
            if package == "smartmixed_search":
                there = room_of(tuple(parts))
                assert there == here or FLOOR[there] < FLOOR[here], f"line {node.lineno}: {here} imports {there}"


def test_tracking_trains_nothing_and_draws_nothing() -> None:
    others = ("smartmixed_search.engine", "matplotlib")
    for path in (PACKAGE / "tracking").rglob("*.py"):
        assert not any(name in path.read_text() for name in others), path


FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/*/__init__.py"))


@pytest.mark.parametrize("room", sorted({folder.parent.name for folder in FOLDERS}))
def test_the_folders_of_a_room_stand_in_an_order(room: str) -> None:
    folders = {folder.name: folder for folder in FOLDERS if folder.parent.name == room}
    below = {name: {other for other in folders if uses(folder, other)} - {name} for name, folder in folders.items()}
    TopologicalSorter(below).prepare()  # raises where there is a circle


def uses(folder: Path, other: str) -> bool:
    """Whether a file in a folder imports from another folder of its room."""
    module = f"smartmixed_search.{folder.parent.name}.{other}"
    trees = [ast.parse(path.read_text()) for path in folder.rglob("*.py")]
    names = [node.module or "" for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(f"{name}.".startswith(f"{module}.") for name in names)


STAGES = {
    "method": "import smartmixed_search.method",
    "digits": "from smartmixed_search.datasets import load_dataset; load_dataset('digits')",
    "core": "import "
    + ", ".join(
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for room in CORE
        for path in (PACKAGE / room).rglob("*.py")
        if path.stem != "__init__"
    ),
    "questions": "import smartmixed_search.tracking.questions.queries",
    "reports": "import smartmixed_search.reports",
}
"""From the ground up, so that one process can try all: what takes longest to load is loaded once."""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """The packages that a process has imported after each stage."""
    say = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    program = "\n".join(["import sys", *(f"{stage}\n{say}" for stage in STAGES.values())])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    return {stage: set(line.split()) for stage, line in zip(STAGES, done.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize(
    ("stage", "others"),
    [
        ("method", {"pandas", "scipy", "sklearn", "yaml", "click", "matplotlib", "safetensors", "torchvision"}),
        ("digits", {"torchvision"}),
        ("core", {"ray", "optuna", "mlflow"}),
        ("questions", {"mlflow"}),
        ("reports", {"mlflow", "matplotlib"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(loaded: dict[str, set[str]], stage: str, others: set[str]) -> None:
    assert not others & loaded[stage]
