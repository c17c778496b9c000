from dataclasses import replace

from tests.helpers.summaries import SUMMARY


def test_nothing_to_say_of_a_flawless_sweep() -> None:
    assert SUMMARY.complete
    assert SUMMARY.messages() == []


def test_failures_are_counted_by_reason() -> None:
    failures = {"a": "ValueError: x", "b": "OSError: y", "c": "ValueError: x"}
    assert replace(SUMMARY, failures=failures).messages() == [
        "3 of 6 trials failed:",
        "  2 × ValueError: x",
        "  1 × OSError: y",
        "  the same command with --retry-failed tries them again",
    ]


def test_unconverged_trials_are_announced_in_one_line() -> None:
    (line,) = replace(SUMMARY, unconverged=3).messages()
    assert line.startswith("selection has not converged in 3 of 4 finished trials (mean choice confidence below 0.5)")
    assert "auto" not in line, "which may be what the sweep has"


def test_interrupted_sweep_says_how_to_continue() -> None:
    summary = replace(SUMMARY, settled={"finished": 1, "failed": 0, "stopped": 0}, interrupted=True)
    assert not summary.complete
    assert summary.messages() == ["interrupted with 1 of 6 trials settled: run the same command again to continue"]


def test_exhausted_sweep_is_complete() -> None:
    summary = replace(SUMMARY, settled={"finished": 1, "failed": 0, "stopped": 0}, exhausted=True)
    assert summary.complete
    assert summary.messages()[0].startswith("space exhausted")


def test_lost_results_are_told_from_those_that_wait() -> None:
    waiting, lost = replace(SUMMARY, undelivered=3, lost=2).messages()
    assert waiting == "1 trial is not in MLflow yet: `smartmixed-search sync` delivers what is missing"
    assert lost.startswith("2 finished trials are not in MLflow, because results are gone or damaged: run the same")


def test_nothing_of_a_summary_shows_a_password() -> None:
    summary = replace(SUMMARY, tracking_uri="http://me:secret@host:5000")
    assert "secret" not in repr(summary) + summary._repr_html_()
    assert "http://…@host:5000" in summary._repr_html_()


def test_notebooks_show_a_table_and_what_a_user_should_know() -> None:
    text = replace(SUMMARY, name="<demo>", exhausted=True)._repr_html_()
    assert "<tr><th>sweep</th><td>&lt;demo&gt;</td></tr>" in text
    assert "<tr><th>failed</th><td>2</td></tr>" in text
    assert "<p>space exhausted" in text


def test_one_trial_is_not_trials() -> None:
    one = replace(
        SUMMARY, trials=1, undelivered=1, failures={"a": "x"}, settled={"finished": 1, "failed": 0, "stopped": 1}
    )
    text = " ".join(replace(one, unconverged=1, interrupted=True).messages())
    assert "1 trial is not in MLflow yet" in text
    assert "1 trials" not in text
    assert "1 finished trials" not in text
