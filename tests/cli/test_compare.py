import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import smartmixed_search
from smartmixed_search.analysis.comparison import comparison_columns
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.cli import cli, main
from smartmixed_search.cli.tables import print_frame
from smartmixed_search.tracking.questions.queries import compare
from smartmixed_search.tracking.tables.tables import RANKED_BY
from smartmixed_search.tracking.writing.writer import Tracker
from tests.helpers.factories import make_result
from tests.helpers.tracked import SPACE, make_tracker

ACCURACIES = {"relu": [0.90, 0.92], "elu": 0.90, "smartmixed": [0.93, 0.95], "selective": 0.99}

COLUMNS = [*comparison_columns(), *RANKED_BY]


def record(uri: str, widths: Iterable[int], sweep: str = "mine", dataset: str = "digits", **settings: Any) -> Tracker:
    tracker = make_tracker(uri, sweep, dataset)
    for width in widths:
        tracker.record_trial(
            make_result(architecture=(width,), **({"accuracies": ACCURACIES, "dataset": dataset} | settings))
        )
    return tracker


def record_two(uri: str) -> None:
    record(uri, range(1, 3))


@pytest.fixture
def two(copy_of: Callable[..., str]) -> str:
    """A store with a sweep over two architectures."""
    return copy_of(record_two)


def ask(uri: str, *arguments: str) -> Result:
    answer = CliRunner().invoke(cli, ["compare", "--tracking-uri", uri, *arguments])
    assert answer.exit_code == 0, answer.output
    return answer


def test_the_comparison_is_told_in_words_and_tables(tracking_uri: str) -> None:
    record(tracking_uri, range(1, 9))
    out = " ".join(ask(tracking_uri).stdout.split())
    for said in (
        "digits (tuned view): On digits SmartMixed has mean rank 1.00 among 3 strategies over 8 architectures; it is "
        "significantly better than elu, relu (Wilcoxon–Holm",
        "1 smartmixed 1.00 1.000 8 1.000 8 8 8 0.9400 ± 0.0141 4 40",
        "– selective – – – – 8 8 8 0.9900 ± 0.0000 4 40",
        "8 0.9400 (1) 0.9100 (2) 0.9000 (3) 0.9900",
        "+3.00 [+3.00, +3.00] the best fixed activation of the architecture",
        "elu 8 8 0 0 +4.00 [+4.00, +4.00] 0.016",
        "Friedman's test over 8 complete architectures: χ²_F = 16.00",
        "selective 8 0 0 8 -5.00 [-5.00, -5.00] 0.008",
        "selective: selecting to the end",
        "+2.00 [+2.00, +2.00] over phase 1 without noise",
        "+3.00 [+3.00, +3.00] over phase 1 with sampled functions, less",
        "not independent data sets",
    ):
        assert said in out, said


def test_controls_are_below_a_line(two: str) -> None:
    lines = ask(two).stdout.splitlines()
    line = next(number for number, text in enumerate(lines) if text.startswith("---"))
    assert [text.split()[1] for text in lines[line - 3 : line]] == ["smartmixed", "relu", "elu"]
    assert lines[line + 1].split()[1] == "selective"


def test_architectures_are_listed_from_shallow_and_narrow_to_deep_and_wide(tracking_uri: str) -> None:
    record(tracking_uri, [9, 16, 8, 128])
    names = [line.split()[0] for line in ask(tracking_uri).stdout.splitlines() if line.strip()[:1].isdigit()]
    assert [name for name in names if name in {"8", "9", "16", "128"}] == ["8", "9", "16", "128"]


def test_too_few_architectures_are_told_instead_of_statistics(tracking_uri: str) -> None:
    record(tracking_uri, range(1, 4))
    out = ask(tracking_uri).stdout
    assert "not enough data for every figure: 3 of at least 6 blocks" in out
    assert "Friedman's test: not enough data: 3 of at least 6 blocks" in out


@pytest.mark.parametrize(("confidence", "said"), [(0.4, True), (0.6, False)])
def test_a_selection_that_has_not_converged_is_announced(tracking_uri: str, confidence: float, said: bool) -> None:
    record(tracking_uri, range(1, 3), confidence=confidence)
    (found,) = compare(tracking_uri=tracking_uri)
    assert found.choice_confidence == pytest.approx(confidence)
    assert found.selection_converged is not said
    assert ("has not converged" in found.conclusion) == said


def test_csv_and_json_are_the_leaderboard(two: str) -> None:
    rows = json.loads(ask(two, "--format", "json").stdout)
    assert [list(row) for row in rows] == [COLUMNS] * 4
    assert rows[0]["optimizer_steps"] == 40
    of_csv = list(csv.DictReader(io.StringIO(ask(two, "--format", "csv").stdout)))
    assert [row["strategy"] for row in of_csv] == [row["strategy"] for row in rows]


def test_the_default_view_takes_only_the_published_setting(tracking_uri: str) -> None:
    record(tracking_uri, range(1, 3), temperature=1.5)
    out = ask(tracking_uri, "--view", "default").stdout
    assert out.startswith("digits (default view): On digits there is nothing to compare with fixed")
    assert "Empty" not in out


def test_datasets_are_compared_apart(tracking_uri: str) -> None:
    record(tracking_uri, range(1, 3), sweep="one", dataset="mnist")
    record(tracking_uri, range(1, 3), sweep="two")
    out = ask(tracking_uri, "--all-sweeps").stdout
    assert out.index("digits (tuned view)") < out.index("mnist (tuned view)")
    assert [one.dataset for one in compare("one", tracking_uri=tracking_uri)] == ["mnist"]


def test_stopped_trials_are_mentioned(two: str) -> None:
    config = make_result(seed=1).config
    make_tracker(two).record_stopped(config, config.key, "stopped after 2 epochs")
    assert "1 of 3 settled trials were stopped early" in ask(two).stderr


@pytest.mark.parametrize(
    ("output_format", "printed"), [("table", ""), ("csv", ",".join([*comparison_columns(), *RANKED_BY]) + "\n")]
)
def test_without_a_finished_trial_there_is_nothing_to_compare(
    tracking_uri: str, output_format: str, printed: str
) -> None:
    make_tracker(tracking_uri)
    answer = ask(tracking_uri, "--format", output_format)
    assert answer.stdout == printed
    assert answer.stderr == "no trial has finished yet: there is nothing to compare\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no sweeps recorded yet"),
        (["--tracking-uri", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
        (["--view", "tunned"], "'tunned'"),
    ],
    ids=["empty", "unreachable", "view"],
)
def test_what_the_user_can_fix_gets_one_line(
    capsys: pytest.CaptureFixture[str], tracking_uri: str, arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["compare", "--tracking-uri", tracking_uri, *arguments])
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert told in output.err


def test_an_unknown_sweep_gets_the_nearest(capsys: pytest.CaptureFixture[str], tracking_uri: str) -> None:
    make_tracker(tracking_uri)
    with pytest.raises(SystemExit, match="2"):
        main(["compare", "--tracking-uri", tracking_uri, "--sweep", "mien"])
    assert "did you mean 'mine'" in capsys.readouterr().err


def test_a_notebook_shows_the_conclusion_and_the_leaderboard(tracking_uri: str) -> None:
    record(tracking_uri, range(1, 2), dataset="<b>.npz")
    (found,) = smartmixed_search.compare(tracking_uri=tracking_uri)
    shown = found._repr_html_()
    assert shown.startswith("<p>On &lt;b&gt;.npz SmartMixed has")
    assert "<table" in shown


def test_a_joint_search_is_announced(tracking_uri: str) -> None:
    tracker = make_tracker(tracking_uri, space=SPACE | {"search": "joint"})
    tracker.record_trial(make_result(accuracies=ACCURACIES))
    assert "The search was joint" in " ".join(ask(tracking_uri).stdout.split())


def test_what_rounds_to_zero_has_no_minus_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert Scale().gain(-1e-6, -2e-6, 1e-6) == "+0.00 [+0.00, +0.00]"
    print_frame(pd.DataFrame({"dataset": ["a"], "objective": [-1e-6]}), "table", lambda _: ["objective"], ranked=False)
    assert capsys.readouterr().out.split() == ["a:", "objective", "0.0000"]
