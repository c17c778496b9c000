#!/usr/bin/env python
"""How fast a stack trains beside the alternatives, in one interleaved run on one machine.

published  DataLoader with per-image transforms, one network at a time, as the article's protocol describes it
resident   tensors in memory, one network at a time, eager modules
vmap       torch.func: stack_module_state and vmap over networks of one form, six functions by a mask
stack      this project
floor      the step's matrix products and one fused Adam pass, nothing else

An epoch is the training split in batches, then the validation split: 422 steps and 6,000 images. Its time is put
together from steps and validation batches timed in turn. The contenders' test accuracies after equally many steps
stand beside their times: none is faster by computing something else.
"""

import argparse
from collections.abc import Mapping

from benchmarking import Row, interleaved, parser, per_call, progress, report
from contenders import (
    BATCH,
    DEVICE,
    LEARNING_RATE,
    STRATEGIES,
    VALIDATED,
    Contender,
    floor,
    image_batches,
    one_at_a_time,
    resident_batches,
    stacked,
    vmapped,
)

from smartmixed_search.datasets import Dataset, data_directory, load_dataset
from smartmixed_search.engine.parts import Part
from smartmixed_search.families import parse_architecture
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig

TARGETED = "512-256-128"
DEEP = "768-512-512-256-256-128"
TARGETS: Mapping[tuple[str, int, str], Mapping[str, float]] = {
    ("cpu", 7, "fixed"): {"published": 8, "vmap": 2.5, "floor": 75},
    ("cpu", 7, "selection"): {"published": 10, "vmap": 2.5, "floor": 65},
    ("cuda", 7, "fixed"): {"published": 100},
    ("cuda", 7, "selection"): {"published": 100},
    ("cuda", 70, "fixed"): {"published": 700, "floor": 50},
    ("cuda", 70, "selection"): {"published": 700, "floor": 50},
}
"""By device, networks and phase; of the first architecture."""
RIVALS = ("published", "resident", "vmap")
SINGLE = ("published", "resident")
"""These train one network at a time, so that ten replicates take ten times one."""


def make_config(architecture: str, networks: int) -> TrialConfig:
    """Return a configuration that trains as many networks: replicates of all seven, or only SmartMixed."""
    strategies, objective = (STRATEGIES, "margin") if networks > 1 else ((SMARTMIXED,), "accuracy")
    return TrialConfig(
        dataset="mnist",
        architecture=parse_architecture(architecture),
        epochs=1000,
        phase_fraction=0.5,
        strategies=strategies,
        objective=objective,
        replicates=max(1, networks // len(STRATEGIES)),
        learning_rate=LEARNING_RATE,
        batch_size=BATCH,
    )


def contenders(
    architecture: str, networks: int, phase: str, data: Dataset, options: argparse.Namespace
) -> dict[str, Contender]:
    """Return all ways to train; of many replicates, those that go network by network train one."""
    sizes = [data.features, *parse_architecture(architecture), data.classes]
    names = STRATEGIES if networks > 1 else (SMARTMIXED,)
    images = image_batches(data_directory(options.data_dir))
    return {
        "published": one_at_a_time(names, sizes, phase, data, images),
        "resident": one_at_a_time(names, sizes, phase, data, resident_batches(data)),
        "vmap": vmapped(networks, sizes, phase, data),
        "stack": stacked(make_config(architecture, networks), phase, data),
    }


def measure(architecture: str, networks: int, phase: str, data: Dataset, options: argparse.Namespace) -> list[Row]:
    """Time one setting, and compare."""
    where = f"{networks} × {architecture}, {phase}"
    progress(where)
    sizes = [data.features, *parse_architecture(architecture), data.classes]
    groups = max(1, networks // len(STRATEGIES))
    calls = max(2, (10 if options.quick else 20) // groups)
    found = contenders(architecture, networks, phase, data, options)
    runs = {"floor": per_call(floor(networks, sizes), calls)}
    for name, one in found.items():
        runs[name] = per_call(one.step, max(2, calls // 2) if name in SINGLE else calls)
        runs[f"{name} validates"] = per_call(one.validate, 1)
    seconds = interleaved(runs, 3 if options.quick else 7)
    for name in SINGLE:
        for run in (name, f"{name} validates"):
            seconds[run] *= groups
    train, validation = len(data.y_train) / BATCH, len(data.y_val) / BATCH / VALIDATED
    epoch = {name: train * seconds[name] + validation * seconds[f"{name} validates"] for name in found}
    targets = TARGETS.get((DEVICE.type, networks, phase), {}) if architecture == TARGETED else {}
    rows = [Row(f"{where}: a step, {name}", 1000 * seconds[name], unit="ms") for name in (*found, "floor")]
    rows += [Row(f"{where}: an epoch, {name}", value, unit="s") for name, value in epoch.items()]
    rows += [Row(f"{where}: faster than {name}", epoch[name] / epoch["stack"], targets.get(name)) for name in RIVALS]
    share = 100 * seconds["floor"] / seconds["stack"]
    return [*rows, Row(f"{where}: share of the floor", share, targets.get("floor"), unit="%")]


def accuracies(architecture: str, phase: str, data: Dataset, options: argparse.Namespace) -> list[Row]:
    """Train each contender for equally many steps, and compare the networks' mean test accuracy."""
    steps = 50 if options.quick else 422
    rows = []
    for name, one in contenders(architecture, len(STRATEGIES), phase, data, options).items():
        progress(f"accuracy after {steps} steps, {phase}: {name}")
        for _ in range(steps):
            one.step()
        figure = f"{architecture}, {phase}: accuracy of {name} after {steps} steps"
        rows.append(Row(figure, 100 * one.accuracy(), unit="%"))
    return rows


def alone(architecture: str, data: Dataset, options: argparse.Namespace) -> list[Row]:
    """Time every strategy by itself, SmartMixed in both phases."""
    config = make_config(architecture, len(STRATEGIES))
    cases = [(SMARTMIXED, "selection"), *((name, "fixed") for name in STRATEGIES)]
    runs = {}
    for name, phase in cases:
        only = Part(members=(name,), replicates=(0,))
        runs[f"{name}, {phase}"] = per_call(stacked(config, phase, data, only).step, 20)
    progress("every strategy alone")
    seconds = interleaved(runs, 3 if options.quick else 7)
    return [Row(f"1 × {architecture} alone: {name}", 1000 * value, unit="ms") for name, value in seconds.items()]


def not_measured() -> list[Row]:
    """Return the figures that need a GPU."""
    rows = []
    for (device, networks, phase), targets in TARGETS.items():
        for name, target in targets.items() if device == "cuda" else ():
            what, unit = ("share of the floor", "%") if name == "floor" else (f"faster than {name}", "×")
            rows.append(Row(f"GPU, {networks} × {TARGETED}, {phase}: {what}", None, target, unit=unit))
    return rows


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--data-dir", help="folder with MNIST/raw")
    arguments = options.parse_args()
    data = load_dataset("mnist", arguments.data_dir).to(DEVICE)
    counts = [7] if arguments.quick else [1, 7, 70]
    rows = []
    for architecture in [TARGETED] if arguments.quick else [TARGETED, DEEP]:
        for networks in counts:
            for phase in ("fixed", "selection"):
                rows += measure(architecture, networks, phase, data, arguments)
    for phase in ("fixed", "selection"):
        rows += accuracies(TARGETED, phase, data, arguments)
    rows += alone(TARGETED, data, arguments)
    if DEVICE.type == "cpu":
        rows += not_measured()
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
