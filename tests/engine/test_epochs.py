"""How far a trial is, said to whoever waits for it."""

import io
from dataclasses import replace

import pytest

from smartmixed_search.engine.epochs import printed
from smartmixed_search.engine.trial import run_trial
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE


def test_a_trial_says_what_it_trains_and_its_last_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    run_trial(replace(BASE, replicates=1), toy_dataset(), progress=True)
    networks = len(BASE.members)
    assert capsys.readouterr().err == f"9-7 on toy: {networks} networks, 5 epochs\n5 of 5 epochs\n"


def test_every_epoch_is_passed_on_and_said_now_and_then() -> None:
    stream, passed = io.StringIO(), list[int]()
    clock = iter([0.0, 4.0, 12.0, 12.0, 13.0])
    report = printed(replace(BASE, epochs=4), lambda epoch, metrics: passed.append(epoch), stream, lambda: next(clock))
    for epoch in range(3):
        report(epoch, {})
    assert passed == [0, 1, 2]
    assert stream.getvalue().splitlines()[1:] == ["2 of 4 epochs"]


def test_nothing_is_said_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    run_trial(replace(BASE, replicates=1), toy_dataset())
    assert capsys.readouterr().err == ""
