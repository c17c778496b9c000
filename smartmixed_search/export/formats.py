"""The formats in which a trained network leaves this package, none of them a pickle."""

import importlib.util
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import IO

import torch
from torch import nn
from torch.export import ExportedProgram

from smartmixed_search.errors import NetworkError
from smartmixed_search.errors.messages import are, in_short, one_of
from smartmixed_search.export.weights import TrainedNetwork
from smartmixed_search.system.files import temporary_for

FORMATS = ("safetensors", "torch-export", "onnx")

_ONNX_PACKAGES = ("onnx", "onnxscript")
_ORIGIN = "smartmixed"
"""Under this name a program says which configuration and replicate it is, and how its inputs are prepared."""
_REASON_LENGTH = 200


def encode(network: TrainedNetwork, file_format: str) -> bytes:
    """Return the content of a file in one of the formats; programs take x [B, D] with any B and return logits [B, C].

    Raises:
        NetworkError: the format is unknown, needs a package that is missing, or cannot hold a user's function.
        ConfigError: a function is not registered.
    """
    if file_format not in FORMATS:
        raise NetworkError(one_of("format", file_format, FORMATS))
    if file_format == "safetensors":
        return network.to_bytes()
    if file_format == "onnx":
        _require_onnx()
    preparation = network.preparation.to_dict()
    origin = json.dumps({"replicate": network.replicate, "config": network.config, "preparation": preparation})
    module = network.frozen()
    try:
        with _silent():
            program = _trace(module, network.inputs)
            return _onnx(program, origin) if file_format == "onnx" else _torch_export(program, origin)
    except Exception as error:  # a user's function is traced here: it may fail in any way
        raise NetworkError(
            f"cannot write every function of the network as {file_format} ({_reason(error)}); export it as safetensors"
        ) from error


def _trace(module: nn.Module, inputs: int) -> ExportedProgram:
    example = torch.zeros(2, inputs)
    program = torch.export.export(module, (example,), dynamic_shapes={"x": {0: torch.export.Dim("batch")}})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which no reader of the file can use
    return program


def _torch_export(program: ExportedProgram, origin: str) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={f"{_ORIGIN}.json": origin})
    return buffer.getvalue()


def _onnx(program: ExportedProgram, origin: str) -> bytes:
    converted = torch.onnx.export(program, (), input_names=["x"], output_names=["logits"], verbose=False)
    assert converted is not None
    converted.model.metadata_props[_ORIGIN] = origin
    return bytes(converted.model_proto.SerializeToString())


def _require_onnx() -> None:
    missing = [package for package in _ONNX_PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise NetworkError(
            f"the format onnx needs the packages {' and '.join(_ONNX_PACKAGES)}, but {' and '.join(missing)} "
            f"{are(len(missing))} not installed; pip install 'smartmixed-search[export]'"
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep torch from printing pages about what is told in one line here."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _reason(error: BaseException) -> str:
    """Return one line on the first cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return in_short(error, kind=False, whole=False)[:_REASON_LENGTH]


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears whole when the context ends well, and not at all otherwise.

    Raises:
        NetworkError: the path is taken, or cannot be written.
    """
    if path.exists():
        raise NetworkError(
            f"an exported network must get a new file, but {str(path)!r} exists; choose another name or remove it"
        )
    partial = temporary_for(path)
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        if error.errno is None:  # of a network connection, say: no matter of this file
            raise
        raise NetworkError(
            f"cannot write the exported network ({in_short(error, kind=False)}); choose a folder that you may write to"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
