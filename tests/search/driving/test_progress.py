import io
from dataclasses import replace

import pytest

from smartmixed_search.search.driving.progress import Progress, ProgressPrinter, format_progress
from smartmixed_search.tasks.metric import RMSE

START = Progress(
    total=4,
    settled=0,
    failed=0,
    stopped=0,
    running={},
    best=None,
    objectives=(0, 0.0),
    elapsed=0.0,
    training=0.0,
    settled_before=0,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_line_names_everything_that_is_known() -> None:
    progress = replace(
        START,
        settled=2,
        failed=1,
        running={2: 0.5},
        best=(0.91234, "64-32"),
        objectives=(2, 0.9),
        elapsed=70.0,
        training=50.0,
        settled_before=0,
    )
    assert (
        format_progress(progress, "accuracy")
        == "2/4 settled · 1 running · 1 failed · best of 2 on validation: accuracy 0.9123 (64-32), median 0.9000"
        " · 70 seconds elapsed · about 45 seconds left"
    )


def test_margin_shows_its_sign() -> None:
    (one,) = format_progress(replace(START, best=(-0.01, "8"), objectives=(1, -0.01)), "margin").split(" · ")[1:2]
    assert one == "best on validation: margin -0.0100 (8)", "of one there is no median"


def test_what_is_best_when_small_is_shown_as_it_is() -> None:
    best = replace(START, best=(-0.52, "8"), objectives=(3, -0.6))
    (one,) = format_progress(best, "metric", RMSE).split(" · ")[1:2]
    assert one == "best of 3 on validation: rmse 0.5200 (8), median 0.6000"


def test_nothing_done_gives_no_estimate() -> None:
    assert "left" not in format_progress(replace(START, elapsed=5.0), "margin")


def test_epochs_of_running_trials_give_an_estimate() -> None:
    assert replace(START, running={0: 0.25, 1: 0.25}, elapsed=70.0, training=10.0).seconds_left == 70.0, (
        "that workers took a minute to start does not count"
    )


def test_the_first_epochs_give_none_yet() -> None:
    """They tell how long workers take to start."""
    assert replace(START, running={0: 0.2, 1: 0.2}, training=10.0).seconds_left is None
    assert "left" not in format_progress(replace(START, running={0: 0.2}, elapsed=10.0), "margin")


def test_trials_of_earlier_sessions_do_not_flatter_the_estimate() -> None:
    assert replace(START, settled=3, settled_before=2, training=10.0).seconds_left == 10.0


def test_finished_sweep_has_no_time_left() -> None:
    assert "left" not in format_progress(replace(START, settled=4, elapsed=9.0), "margin")


def test_terminal_line_is_rewritten_and_cut_to_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    printer = ProgressPrinter(stream, "margin")
    printer.update(replace(START, best=(0.5, "512-256-128-64")))
    printer.close()
    assert stream.getvalue() == "\r\x1b[K0/4 settled · best…\n"


def test_terminal_line_is_not_rewritten_too_often() -> None:
    stream, clock = Terminal(), Clock()
    printer = ProgressPrinter(stream, "margin", clock=clock)
    printer.update(START)
    clock.now = 0.1
    printer.update(replace(START, elapsed=0.1))
    assert stream.getvalue().count("\r") == 1


def test_log_gets_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    stream, clock = io.StringIO(), Clock()
    printer = ProgressPrinter(stream, "margin", clock=clock)
    for second in range(25):
        clock.now = float(second)
        printer.update(replace(START, settled=min(3, second // 5), elapsed=clock.now))
    printer.update(replace(START, settled=4, elapsed=24.0))
    printer.close()
    assert [line.split(" ")[0] for line in stream.getvalue().splitlines()] == ["0/4", "2/4", "3/4", "4/4"]


def test_steps_are_said() -> None:
    stream = io.StringIO()
    ProgressPrinter(stream, "margin").step("starting Ray")
    assert stream.getvalue() == "starting Ray\n"


def test_quiet_printer_shows_messages_only() -> None:
    stream = io.StringIO()
    printer = ProgressPrinter(stream, "margin", quiet=True)
    printer.step("starting Ray")
    printer.update(replace(START, settled=4))
    printer.say("hello")
    assert stream.getvalue() == "hello\n"


def test_messages_hold_no_secrets() -> None:
    stream = io.StringIO()
    ProgressPrinter(stream, "margin").say("sweep x in ftp://me:secret@host/runs/x")
    assert stream.getvalue() == "sweep x in ftp://…@host/runs/x\n"
