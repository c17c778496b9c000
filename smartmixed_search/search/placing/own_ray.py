"""A Ray of a sweep's own, on this machine: nobody else can use it, and it leaves this process as it found it."""

import importlib
import logging
import os
import re
import secrets
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray._private.node import Node
from ray.job_config import JobConfig

from smartmixed_search.errors import ResourceError
from smartmixed_search.errors.messages import in_short
from smartmixed_search.search.placing.ray_files import check_ray_folder
from smartmixed_search.system.machine import usable_cpus

_raylet: Any = importlib.import_module("ray._raylet")  # compiled, and typed in part

_CONSTANTS = {"ENABLE_RAY_CLUSTER": False, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": False}
"""Of Ray's, which it has read from the environment when it was imported.

On Linux, Ray takes every machine for one that others are to reach, replaces a loopback address by a public one, and
listens on all interfaces; where it does without clusters, as on macOS, it stays on the loopback. Under `uv run` it
would pack the current folder, and send it to workers that are in that folder already.
"""


_VARIABLES = re.compile("(RAY|TUNE)_.*|PYTHONBREAKPOINT")
"""The environment variables that Ray sets in a process that uses it."""


@contextmanager
def ray_environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Change Ray's environment variables for the length of the context; None removes one.

    What Ray itself makes of them meanwhile is undone, too.
    """
    before = {name: value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}
    _set({**before, **changes})
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    """Let Ray have these environment variables and no others; it keeps copies, token included, that are read again."""
    kept = {name: value for name, value in variables.items() if value is not None}
    for name in [name for name in os.environ if _VARIABLES.fullmatch(name) and name not in kept]:
        del os.environ[name]
    os.environ.update(kept)
    _raylet.Config.initialize("")
    _raylet.AuthenticationTokenLoader.instance().reset_cache()


def own_token() -> dict[str, str | None]:
    """Return the environment variables of a Ray with a new token, which is in no file: not every user has a home."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_AUTH_TOKEN_PATH": None}


def start(job_config: JobConfig) -> None:
    """Start a Ray that listens only on the loopback, and has the CPUs that this process may use.

    Ray gives itself a fixed time for it, which may not be enough on a busy machine: it is tried twice.

    Raises:
        ResourceError: it does not start.
    """
    folder = check_ray_folder()
    for last in (False, True):
        try:
            with _constants():
                ray.init(
                    address="local",
                    num_cpus=usable_cpus(),
                    include_dashboard=False,
                    job_config=job_config,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            return
        except Exception as error:  # Ray raises that very class when its time is over
            _end_processes(error)
            if last:
                raise ResourceError(
                    f"Ray did not start on this machine, tried twice ({in_short(error, whole=False)}); try again when "
                    f"the machine is less busy; Ray's logs are in {folder / 'session_latest' / 'logs'}"
                ) from error


def _end_processes(error: Exception) -> None:
    """End what a start that failed has left running: only the node knows what that is, and the traceback the node."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    ray.shutdown()


@contextmanager
def _constants() -> Iterator[None]:
    before = {name: getattr(ray_constants, name) for name in _CONSTANTS}
    vars(ray_constants).update(_CONSTANTS)
    try:
        yield
    finally:
        vars(ray_constants).update(before)
