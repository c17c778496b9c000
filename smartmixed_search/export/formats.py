"""The formats in which a trained network leaves this package, none of them a pickle."""

import importlib.util
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from itertools import product
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.errors import NetworkError
from smartmixed_search.errors.messages import are, in_short, one_of
from smartmixed_search.export.onnx_rows import with_columns
from smartmixed_search.export.served import (
    PreparedNetwork,
    ServedNetwork,
    output_name,
    output_names,
    returns,
    served,
    takes,
)
from smartmixed_search.export.weights import TrainedNetwork
from smartmixed_search.system.files import temporary_for

if TYPE_CHECKING:
    from onnx import ModelProto

FORMATS = ("safetensors", "torch-export", "onnx")

_ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_ORIGIN = "smartmixed"
"""Under this name a program says which configuration and replicate it is, what it takes and what it returns."""
_REASON_LENGTH = 200
_COUNTS, _SPREADS = (1, 2, 3, 128), (1.0, 10.0)
"""Of the examples by which a program is tried: how many at once, and how far apart, in multiples of the training's."""
_TOLERANCE = 1e-4
"""Difference of an answer, absolute or relative, up to which a program answers as the network."""


def encode(network: TrainedNetwork, file_format: str) -> bytes:
    """Return the content of a file in one of the formats.

    Programs take raw examples, any number at once, and return probabilities or numbers; see `served`. As ONNX,
    a network of a table takes its rows, see `onnx_rows`.

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
    module, origin = served(network), json.dumps(_origin(network))
    try:
        with _silent():
            program = _trace(module)
            _compare(program.module(), module)
            return _onnx(program, network, module, origin) if file_format == "onnx" else _torch_export(program, origin)
    except NetworkError:
        raise
    except Exception as error:  # a user's function is traced here: it may fail in any way
        raise NetworkError(
            f"cannot write every function of the network as {file_format} ({_reason(error)}); export it as safetensors"
        ) from error


def _origin(network: TrainedNetwork) -> dict[str, Any]:
    return {
        "replicate": network.replicate,
        "config": network.config,
        "preparation": network.preparation.to_dict(),
        "takes": takes(network),
        "returns": returns(network),
        "outputs": output_names(network),
    }


def _trace(module: ServedNetwork | PreparedNetwork) -> ExportedProgram:
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (module.examples(2),), dynamic_shapes={"x": {0: batch}})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which no reader of the file can use
    return program


def _compare(run: Callable[[Tensor], Tensor], module: ServedNetwork | PreparedNetwork) -> None:
    """Make sure that a program answers as the network does: for any number of examples, and for unusual ones.

    Raises:
        NetworkError: it does not.
    """
    for count, spread in product(_COUNTS, _SPREADS):
        x = module.examples(count, spread)
        with torch.inference_mode():
            expected = module(x)
        if not torch.allclose(run(x), expected, _TOLERANCE, _TOLERANCE, equal_nan=True):
            raise NetworkError(
                f"the program must answer as the network, but for {count} examples it does not; "
                "export it as safetensors"
            )


def _torch_export(program: ExportedProgram, origin: str) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={f"{_ORIGIN}.json": origin})
    return buffer.getvalue()


def _onnx(
    program: ExportedProgram, network: TrainedNetwork, module: ServedNetwork | PreparedNetwork, origin: str
) -> bytes:
    output = output_name(network)
    converted = torch.onnx.export(program, (), input_names=["x"], output_names=[output], verbose=False)
    assert converted is not None
    _compare(_runtime(converted.model_proto), module)
    model, preparation = converted.model_proto, network.preparation
    if isinstance(preparation, TablePreparation):
        model = with_columns(model, preparation, output)
    entry = model.metadata_props.add()
    entry.key, entry.value = _ORIGIN, origin
    return bytes(model.SerializeToString())


def _runtime(model: "ModelProto") -> Callable[[Tensor], Tensor]:
    from onnxruntime import InferenceSession, SessionOptions

    quiet = SessionOptions()
    quiet.log_severity_level = 3
    session = InferenceSession(model.SerializeToString(), quiet, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


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
