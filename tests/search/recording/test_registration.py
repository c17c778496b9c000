import time
from typing import Any

import pytest

from smartmixed_search.search.recording import registration
from smartmixed_search.search.recording.registration import register_networks

SYNC = "`smartmixed-search sync` does it"


class Registry:
    """In place of a tracker."""

    def __init__(self, work: Any) -> None:
        self.register_networks = work


def said(work: Any) -> list[str]:
    messages: list[str] = []
    register_networks(Registry(work), messages.append)  # all it needs of a tracker
    return messages


def test_what_is_quickly_registered_is_not_spoken_of() -> None:
    assert said(lambda: []) == []


def test_what_was_left_out_is_said() -> None:
    assert said(lambda: ["trial a has no model"]) == ["trial a has no model"]


def test_a_registry_that_refuses_does_not_fail_the_sweep() -> None:
    def refuse() -> list[str]:
        raise PermissionError("no\nregistry")

    assert said(refuse) == [f"SmartMixed's best networks could not be registered in MLflow (no registry): {SYNC}"]


def test_a_slow_registry_is_announced_and_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_QUIET_SECONDS", 0.0)
    monkeypatch.setattr(registration, "_PATIENCE_SECONDS", 0.05)
    assert said(lambda: time.sleep(1)) == [
        "registering SmartMixed's best networks as models in MLflow, some 10 seconds",
        f"SmartMixed's best networks could not be registered in MLflow (it takes too long): {SYNC}",
    ]
