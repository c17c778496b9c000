"""Mutations of space files, `.npz` and idx files, reproducible by (seed, number), and how what they do is judged."""

import contextlib
import gzip
import io
import math
import os
import random
import resource
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import yaml

from smartmixed_search.cli import main
from smartmixed_search.space.files import shipped_spaces

CPU_SECONDS = 60
MEMORY = 6 * 2**30
"""Bytes of address space that one case may add to what the process has."""

TINY: dict[str, Any] = {
    "dataset": "digits",
    "architecture": {"choices": ["8", "8-4"]},
    "trials": 3,
    "phase_fraction": {"low": 0.2, "high": 0.8},
    "temperature": {"low": 0.1, "high": 3.0, "log": True},
    "epochs": 4,
    "strategies": ["smartmixed", "relu", "tanh"],
    "logit_learning_rate": 0.1,
}
SAMPLED: dict[str, Any] = TINY | {
    "architecture": {"depth": {"low": 1, "high": 3}, "width": {"low": 2, "high": 16, "log": True}, "shape": "free"},
    "architectures": 4,
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "search": "joint",
    "controls": ["selective", "random-mixed"],
    "resources": {"cpus_per_trial": 1, "gpus_per_trial": 0},
}
del SAMPLED["architectures"]
GRID: dict[str, Any] = TINY | {
    "phase_fraction": {"low": 0.1, "high": 0.5, "step": 0.1},
    "temperature": {"choices": [0.3, 1, "3e0"]},
    "temperature_final": 0.1,
    "sampler": "grid",
    "batch_size": 64,
    "replicates": 2,
    "clamp": 10,
    "precision": "bf16",
}

STRANGE = (
    *("1" + "0" * 300, "1" + "0" * 4400, "1e400", "-1e400", "1e308", "1e39", "1e-308", "1e-320", "-1", "0", "-0.0"),
    *(".nan", ".inf", "nan", "0.5", "2", "1000000", "1000001", "9223372036854775808", "0o17", "017", "0x1F", "1_000"),
    *("1:30:00", "2026-01-01", "2026-01-01T00:00:00Z", "yes", "off", "~", "", "''", '"\\0"', '"a\\nb"', '"\\e[31m"'),
    *(
        "'" + "x" * 100_000 + "'",
        "日本語",
        "'\u202e'",
        "[]",
        "{}",
        "[[1]]",
        "[" * 300 + "]" * 300,
        "[" * 9000 + "]" * 9000,
    ),
    *("{a: " * 200 + "1" + "}" * 200, "&a 1", "&a [*a]", "*missing", "&a [&b [*a, *b]]", "{<<: {low: 1}, high: 3}"),
    *(
        "!!python/object/apply:os.getcwd []",
        "!!binary aGk=",
        "!!set {a, b}",
        "!own 1",
        "!!float 1",
        "!!str 1",
        "!!int x",
    ),
    *("{low: 1, high: 1000000}", "{low: 1e-300, high: 1e300, log: true}", "{low: 0.1, high: 0.2, step: 1e-7}"),
    *(
        "{low: 1e-308, high: 1.7e308}",
        "{low: 1, high: 1.7e308, step: 1.6e308}",
        "{low: 0.1, high: 0.30000000000000004}",
    ),
    *("{choices: [1, 1]}", "{choices: []}", "{choices: [2, x]}", "{low: 2, high: 1}", "{low: 2, high: 3, log: 1}"),
    *("{low: 2, high: 9, step: 2}", "{low: 0.05, high: 0.9, step: 0.05}", "{choices: [2, 3]}", "{choices: [0.2, 0.3]}"),
    *(
        "{? [1, 2] : 3}",
        "{a: 1, a: 2}",
        "[smartmixed, relu]",
        "[smartmixed, selu, elu]",
        "all",
        "none",
        "auto",
        "digits",
    ),
)
"""Values in YAML, for any key."""

HUGE: dict[str, tuple[str, ...]] = {
    "architecture": (
        *(
            "1048576",
            "1048576-1048576",
            "20000-20000",
            "30000",
            "1048577",
            "-".join(["512"] * 1000),
            "-".join(["1"] * 999),
        ),
        *("{choices: [4, 1048576-1048576]}", "{depth: {low: 1, high: 1000}, width: {low: 1, high: 1048576}}"),
        *(
            "{depth: 1000, width: 64}",
            "{depth: {low: 1, high: 3}, width: {low: 1, high: 1048576, log: true}, shape: free}",
        ),
        "{choices: [" + ", ".join(str(width) for width in range(1, 20_000)) + "]}",
    ),
    "architectures": ("1", "2", "1000000"),
    "trials": ("1", "1000000", "999983"),
    "replicates": ("50", "1000", "1000000"),
    "epochs": ("2", "1000000", "{low: 2, high: 1000000, log: true}"),
    "batch_size": ("1", "1000000", "{low: 1, high: 1000000}"),
    "train_examples": ("none", "1", "1000000", "{low: 1, high: 1000000}"),
    "temperature": ("1e-38", "1e-300", "1e300", "{low: 1e-300, high: 1e300, log: true}"),
    "learning_rate": ("1e-300", "1e300"),
    "logit_learning_rate": ("1e-300", "1e300"),
    "clip_norm": ("1e-300", "1e300"),
    "clamp": ("1e-300", "1e300", "none", "{choices: [none, 1]}"),
    "seed": ("9223372036854775807", "9223372036854775808"),
    "resources": (
        "{cpus_per_trial: 0.001}",
        "{cpus_per_trial: 1e300}",
        "{gpus_per_trial: 1}",
        "{cpus_per_trial: 1e-300}",
    ),
    "sampler": ("tpe", "random", "grid"),
    "search": ("settings", "joint"),
    "scheduler": ("none", "asha"),
    "handoff": ("inherit", "reinitialize", "{choices: [inherit, reinitialize]}"),
    "precision": ("float32", "tf32", "bf16"),
}
"""Values that are valid for their key, or nearly: most would take terabytes or years."""


def mutated_space(seed: int, number: int) -> bytes:
    """Return the space file of that number, shipped ones among its ancestors."""
    rng = random.Random(f"space {seed} {number}")
    shipped = [yaml.safe_load(path.read_text()) for path in shipped_spaces().values()]
    space = dict(rng.choice([*shipped, TINY, TINY, SAMPLED, GRID]))
    raw: dict[str, str] = {}
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        rng.choice((_huge, _huge, _strange, _inside, _rename, _remove, _swap))(rng, space, raw)
    text = yaml.safe_dump(space, sort_keys=False)
    for token, value in raw.items():
        text = text.replace(token, value)
    return _damaged_text(rng, text) if rng.random() < 0.3 or not raw else text.encode()


def _token(raw: dict[str, str], value: str) -> str:
    token = f"RAW{len(raw)}RAW"
    raw[token] = value
    return token


def _huge(rng: random.Random, space: dict[str, Any], raw: dict[str, str]) -> None:
    key = rng.choice(list(HUGE))
    space[key] = _token(raw, rng.choice(HUGE[key]))


def _strange(rng: random.Random, space: dict[str, Any], raw: dict[str, str]) -> None:
    space[rng.choice([*space, *HUGE, "strategies", "pool", "plugins", "name", "output"])] = _token(
        raw, rng.choice(STRANGE)
    )


def _inside(rng: random.Random, space: dict[str, Any], raw: dict[str, str]) -> None:
    """Replace one value of a range, of choices, or of the architecture."""
    nested = [key for key, value in space.items() if isinstance(value, dict)]
    if not nested:
        return _strange(rng, space, raw)
    key = rng.choice(nested)
    inner = dict(space[key])
    inner[rng.choice([*inner, "low", "high", "step", "log", "choices"])] = _token(raw, rng.choice(STRANGE))
    space[key] = inner


def _rename(rng: random.Random, space: dict[str, Any], raw: dict[str, str]) -> None:
    key = rng.choice(list(space))
    value = space.pop(key)
    space[rng.choice((key[:-1], key.upper(), key + "s", "<<", "1", _token(raw, rng.choice(STRANGE))))] = value


def _remove(rng: random.Random, space: dict[str, Any], raw: dict[str, str]) -> None:
    del space[rng.choice(list(space))]


def _swap(rng: random.Random, space: dict[str, Any], raw: dict[str, str]) -> None:
    one, other = rng.sample(list(space), 2)
    space[one], space[other] = space[other], space[one]


def _damaged_text(rng: random.Random, text: str) -> bytes:
    content = text.encode()
    place = rng.randrange(len(content))
    junk = rng.choice(
        ("\0", "\x07", "\x1b[2J", "\ufeff", "\u2028", "\u202e", "é", "\t", ":", "- ", "{", "'", "%", "&a ", "*a")
    )
    return rng.choice(
        (
            content,
            text.replace("\n", "\r\n").encode(),
            text.replace("\n", "\r").encode(),
            text.encode("utf-8-sig"),
            text.encode("utf-16"),
            (text + "# é\n").encode("latin-1", "replace"),
            content[:place] + junk.encode() + content[place:],
            content[:place],
            content * 2,
            content + b"---\n" + content,
            content + b"\n..." + content,
            _flipped(rng, content),
            _flipped(rng, content),
        )
    )


def _flipped(rng: random.Random, content: bytes, times: int = 3) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.randint(1, times) if damaged else 0):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def mutated_npz(seed: int, number: int) -> bytes:
    """Return the `.npz` file of that number."""
    rng = random.Random(f"npz {seed} {number}")
    noise = np.random.default_rng([seed, number])
    arrays: dict[str, Any] = {"x": noise.normal(size=(60, 3, 2)), "y": np.arange(60) % 3}
    if rng.random() < 0.3:
        arrays |= {"x_test": noise.normal(size=(9, 6)), "y_test": np.arange(9) % 3}
    damage = rng.choice(("none", "array", "array", "array", "file", "file", "member", "claim", "bomb"))
    name = rng.choice(list(arrays))
    if damage == "array":
        arrays[name] = _mutated_array(rng, arrays[name])
        if rng.random() < 0.2:
            del arrays[rng.choice(list(arrays))]
    content = _zipped(arrays, rng)
    if damage == "file":
        return rng.choice((_flipped, _cut))(rng, content)
    if damage == "member":
        return _zipped(arrays, rng, {name: rng.choice((_flipped, _cut))(rng, _saved(arrays[name])[:140])})
    if damage == "claim":
        shape = rng.choice(
            ((10**12,), (2**40, 6), (2**32, 2**32), (-1, 6), (10**9,), (0, 0), (1,) * 70, (60,), (2**63,))
        )
        return _zipped(arrays, rng, {name: _claimed(arrays[name].dtype, shape)})
    if damage == "bomb":
        size = rng.choice((10**4, 10**6))  # that many examples of 6 features, all zero
        return _zipped({"x": np.broadcast_to(np.int8(0), (size, 6)), "y": np.broadcast_to(np.int8(0), size)}, rng)
    return content


def _mutated_array(rng: random.Random, array: np.ndarray) -> Any:
    holed = array.astype(float)
    holed.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, 1e39, -1e300, 1e-320))
    types = ("u1", ">i8", "<u8", "f2", ">f4", "g", "?", "c16", "U3", "S3", "O", "M8[s]", "m8[s]", "i1", "i8,f4")
    return rng.choice(
        (
            lambda: holed,
            lambda: (array * 0).astype(rng.choice(types)),
            lambda: array.astype(rng.choice(types)),
            lambda: array.astype(rng.choice(types)),
            lambda: np.asfortranarray(array),
            lambda: array[:0],
            lambda: array[..., :0],
            lambda: array[:-1],
            lambda: array[:3],
            lambda: array[..., None],
            lambda: array.T,
            lambda: array.flat[0],
            lambda: array - 1,
            lambda: array * 2,
            lambda: array * 0,
            lambda: array + 2**62,
            lambda: array.astype(np.uint64) + np.uint64(2**63),
            lambda: np.arange(len(array)),
            lambda: np.repeat(array, 100, axis=0),
            lambda: np.tile(array.reshape(len(array), -1), 2000),
        )
    )()


def _saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _claimed(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the content of an `.npy` file that claims a shape and holds hardly anything."""
    header = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(480)


def _zipped(arrays: dict[str, Any], rng: random.Random, instead: dict[str, bytes] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", (instead or {}).get(name) or _saved(array))
    return buffer.getvalue()


def mutated_mnist(seed: int, number: int) -> dict[str, bytes]:
    """Return the files of a small MNIST by name, most often with one of them damaged."""
    rng = random.Random(f"idx {seed} {number}")
    files = small_mnist()
    name = rng.choice(list(files))
    content = files[name]
    dimensions, header = (3, 16) if "images" in name else (1, 8)
    counts = [rng.choice((0, 1, 4, 30, 119, 2**16, 2**31, 2**32 - 1)) for _ in range(dimensions)]
    content = rng.choice(
        (
            lambda: content,
            lambda: _cut(rng, content),
            lambda: content + b"\0",
            lambda: _flipped(rng, content[:header]) + content[header:],
            lambda: content[:header] + _flipped(rng, content[header:]),
            lambda: content[:header] + bytes(len(content) - header),
            lambda: content[:4] + struct.pack(f">{dimensions}I", *counts) + content[header:],
            lambda: content[:4] + struct.pack(f">{dimensions}I", *counts) + bytes(min(10**6, math.prod(counts))),
            lambda: files[rng.choice(list(files))],
            lambda: content[:3] + bytes([rng.randrange(5)]) + content[4:],
            lambda: b"<html>" * 9,
        )
    )()
    files[name] = content
    if rng.random() < 0.4:
        del files[name]
        zipped = gzip.compress(content, mtime=0)
        damaged = (zipped, zipped, zipped, _cut(rng, zipped), _flipped(rng, zipped), zipped + b"junk", zipped * 2, b"")
        files[f"{name}.gz"] = rng.choice(damaged)
    return files


def small_mnist(train: int = 120, test: int = 30, side: int = 4) -> dict[str, bytes]:
    """Return the four files of a valid dataset."""
    files = {}
    for part, n in (("train", train), ("t10k", test)):
        labels = (np.arange(n) % 10).astype(np.uint8)
        images = np.broadcast_to(labels[:, None, None] * np.uint8(25), (n, side, side))
        files[f"{part}-images-idx3-ubyte"] = struct.pack(">IIII", 0x803, n, side, side) + images.tobytes()
        files[f"{part}-labels-idx1-ubyte"] = struct.pack(">II", 0x801, n) + labels.tobytes()
    return files


class Case:
    """One mutation, in a folder of its own, as arguments of the command."""

    def __init__(self, kind: str, seed: int, number: int, folder: Path) -> None:
        self.name = f"{kind} {seed} {number}"
        space, data = folder / "space.yaml", folder / "MNIST" / "raw"
        data.mkdir(parents=True, exist_ok=True)
        files = small_mnist()
        space.write_text(yaml.safe_dump(TINY))
        if kind == "space":
            space.write_bytes(mutated_space(seed, number))
        elif kind == "npz":
            (folder / "mine.npz").write_bytes(mutated_npz(seed, number))
        else:
            files = mutated_mnist(seed, number)
        for name, content in files.items():
            (data / name).write_bytes(content)
        dataset = {"space": [], "npz": ["--dataset", str(folder / "mine.npz")], "idx": ["--dataset", "mnist"]}[kind]
        self.arguments = ["run", str(space), "--dry-run", "--quiet", "--data-dir", str(folder), *dataset]


def flaw(code: int, out: str, err: str) -> str:
    """Return what is wrong with how the command ended, or nothing: an answer, or exit 2 with one plain line."""
    if "Traceback" in err or "<class" in err or " object at 0x" in err:
        return "it shows internals"
    if not (err + out).replace("\n", "").isprintable():
        return "control characters on the terminal"
    if code == 0:
        return "" if out and not err else "exit 0 must have an answer, and say nothing on stderr"
    if (code, out) != (2, "") or len(err.splitlines()) != 1 or not err.endswith("\n"):
        return f"exit {code} must be exit 2 with one line on stderr"
    return (
        "" if err.startswith("error: ") and len(err) < 2000 else "the line must be short, and say that it is an error"
    )


class Hang(BaseException):
    """A case took more than its share of the processor."""


def in_process(arguments: list[str]) -> tuple[int, str, str]:
    """Run the command within limits of time and memory; return exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _limits():
        try:
            main(arguments)
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue(), err.getvalue()
    raise AssertionError("main always exits")


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    def stop(_: int, frame: FrameType | None) -> None:
        raise Hang(str(frame))

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, stop)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


Runner = Callable[[list[str]], tuple[int, str, str]]


def outcomes(kind: str, seed: int, numbers: range, folder: Path, runner: Runner) -> tuple[int, int, list[str]]:
    """Run cases; return how many were accepted, how many refused, and what was wrong, with the name of the case."""
    accepted, refused, flaws = 0, 0, []
    for number in numbers:
        case = Case(kind, seed, number, folder / f"{kind}-{number}")
        try:
            code, out, err = runner(case.arguments)
        except Hang as hang:
            flaws.append(f"{case.name}: more than {CPU_SECONDS} CPU seconds, at {hang}")
            continue
        accepted, refused = accepted + (code == 0), refused + (code == 2)
        if wrong := flaw(code, out, err):
            flaws.append(f"{case.name}: {wrong}: exit {code}, {err[-600:]!r}")
    return accepted, refused, flaws
