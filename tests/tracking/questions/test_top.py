"""`top` across sweeps and datasets, what it asks of the store, and the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartmixed_search.cli import main
from smartmixed_search.datasets import load_dataset
from smartmixed_search.errors import DatasetError, TrackingError
from smartmixed_search.tracking.questions import queries
from smartmixed_search.tracking.questions.queries import status, top
from smartmixed_search.tracking.questions.top import top_columns
from tests.helpers.factories import make_result
from tests.helpers.top_sweeps import EVERY, empty_store, full_store, record, rows, sized
from tests.helpers.tracked import make_tracker


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return full_store(store_template, tmp_path_factory.mktemp("top"))


# --- datasets and sweeps ---


def test_a_dataset_s_latest_sweep_is_taken_or_all_of_its_sweeps(uri: str) -> None:
    def architectures(**options: Any) -> list[str]:
        return sorted(set(top(by="trial", k=9, tracking_uri=uri, **options)["architecture"]))

    assert architectures(dataset="wine") == ["32-16"]
    assert architectures(dataset="somewhere/else/wine.npz") == ["32-16"]
    assert architectures(dataset="digits") == ["64", "8-4", "8-4-2"]
    assert architectures(dataset="digits", all_sweeps=True) == ["16", "64", "8-4", "8-4-2"]
    assert architectures(dataset="digits", sweep="old") == ["16"]


def test_a_file_stands_for_what_it_holds_and_not_for_its_name(store_template: Path, tmp_path: Path) -> None:
    uri, files = empty_store(store_template, tmp_path), [tmp_path / name / "train.npz" for name in ("1", "2", "3")]
    for seed, file in enumerate(files):
        file.parent.mkdir()
        np.savez(file, x=np.random.default_rng(seed).normal(size=(60, 3)), y=np.arange(60) % 2)
    for sweep, file in zip(("first", "second"), files, strict=False):
        data = load_dataset(str(file))
        environment = {"git": None, "dataset": {"name": "train", "checksum": data.checksum, **data.sizes}}
        make_tracker(uri, sweep, "train", environment=environment).record_trial(make_result(dataset="train"))
    for all_sweeps in (False, True):
        for sweep, file in zip(("first", "second"), files, strict=False):
            found = top(by="trial", dataset=str(file), all_sweeps=all_sweeps, tracking_uri=uri)
            assert found["sweep"].tolist() == [sweep]
        with pytest.raises(TrackingError, match=r"on the data of that file \(\w{6}\): those on 'train'"):
            top(dataset=str(files[2]), all_sweeps=all_sweeps, tracking_uri=uri)
    with pytest.raises(TrackingError, match="no sweep is on the data of that file"):
        top(dataset=str(files[1]), sweep="first", tracking_uri=uri)


@pytest.mark.parametrize("by", EVERY)
def test_filters_hold_across_sweeps_and_datasets(uri: str, by: str) -> None:
    filters: dict[str, Any] = {"all_sweeps": True, "tracking_uri": uri}
    where = "tags.smartmixed.architecture LIKE '%6%'"  # 64 of new, 16 of old, 32-16 of wine
    table = top(9, by, where=where, **filters)
    assert table["dataset"].drop_duplicates().tolist() == ["digits", "wine"]
    if by == "strategy":
        assert table.set_index(["dataset", "strategy"])["blocks"].to_dict() == {
            ("digits", "smartmixed"): 2,
            ("digits", "relu"): 2,
            ("digits", "elu"): 1,
            ("wine", "smartmixed"): 1,
            ("wine", "relu"): 1,
        }
    else:
        assert set(table["sweep"]) == {"old", "new", "wine"}
    assert set(top(9, by, where=where, min_depth=2, **filters)["dataset"]) == {"wine"}
    assert set(top(9, by, where=where, max_params=899, **filters)["dataset"]) == {"digits"}


def test_a_dataset_that_is_not_recorded_is_refused_with_the_nearest(uri: str) -> None:
    for all_sweeps in (False, True):
        with pytest.raises(TrackingError) as caught:
            top(dataset="digts", all_sweeps=all_sweeps, tracking_uri=uri)
        assert str(caught.value) == "a dataset must be one of digits, wine, but got 'digts'; did you mean 'digits'?"
    with pytest.raises(TrackingError, match="a dataset must be one of digits, wine, but got '%'"):
        top(dataset="%", tracking_uri=uri)


def test_a_file_may_not_stand_for_a_dataset_with_a_name_of_its_own(uri: str) -> None:
    with pytest.raises(DatasetError, match=r"must not have a built-in dataset's name, but got 'here/digits\.npz'"):
        top(dataset="here/digits.npz", tracking_uri=uri)


def test_a_sweep_on_another_dataset_is_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match="sweep 'new' is on dataset 'digits', not on 'wine'"):
        top(sweep="new", dataset="wine", tracking_uri=uri)


def test_status_is_of_a_dataset_s_sweeps_too(uri: str) -> None:
    assert status(dataset="wine", tracking_uri=uri)["sweep"].tolist() == ["wine"]
    assert status(dataset="digits", all_sweeps=True, tracking_uri=uri)["sweep"].tolist() == ["new", "old"]


# --- what got SmartMixed there ---


def test_strategies_show_the_median_setting_of_smartmixed_s_chosen_trials(uri: str) -> None:
    board = top(tracking_uri=uri)
    setting = board.set_index("strategy")[["phase_fraction", "temperature"]]
    # Of (0.5, 1.5), (0.125, 0.3) and (0.25, 0.6), the trials of highest validation accuracy of 64, 8-4 and 8-4-2.
    assert setting.loc["smartmixed"].tolist() == [0.25, 0.6]
    assert setting.drop("smartmixed").isna().all(axis=None)


def test_the_median_is_that_of_each_dataset(uri: str) -> None:
    board = top(9, all_sweeps=True, tracking_uri=uri)
    found = board[board["strategy"] == "smartmixed"]
    assert rows(found, "dataset", "phase_fraction", "temperature") == [
        ["digits", 0.1875, pytest.approx(0.45)],  # as above, and (0.125, 0.3) of the old sweep
        ["wine", 0.125, 0.3],
    ]


# --- what is asked of the store ---


class Counting:
    """A client that writes down what is asked of it, and how many runs the answers hold."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: list[str] = []
        self.fetched = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._counted(name, found) if callable(found) else found

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append(name)
            answer = method(*args, **kwargs)
            self.fetched += len(answer) if name == "search_runs" else 0
            return answer

        return call


SWEEPS = ["search_experiments", "search_runs"]
"""What is asked to find sweeps."""
TRASH = ["search_runs"]
"""What is asked for each of their tables: whether any run has been deleted."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, uri: str) -> Counting:
    counting = Counting(queries.open_store(uri))
    monkeypatch.setattr(queries, "open_store", lambda _: counting)
    return counting


@pytest.mark.parametrize("by", EVERY)
@pytest.mark.parametrize("filters", [{}, {"min_depth": 2}, {"max_params": 80}, {"dataset": "wine"}], ids=str)
def test_one_run_is_read_unless_mlflow_filters(client: Counting, uri: str, by: str, filters: dict[str, Any]) -> None:
    top(by=by, tracking_uri=uri, **filters)
    tables = 2 if by == "trial" and "max_params" in filters else 1
    assert client.asked == [*SWEEPS, *TRASH * tables]
    assert client.fetched == 1


@pytest.mark.parametrize(
    ("by", "where", "matching"),
    [
        ("strategy", "metrics.test_accuracy > 0.91", 6),  # the fixed ones of 64, its SmartMixed and its control
        ("architecture", "params.temperature = '0.6'", 3),  # a parameter that trials have too
        ("trial", "params.temperature = '0.6'", 1),
        ("trial", "metrics.objective > 0", 2),
        ("trial", "metrics.objective > 9", 0),
    ],
)
def test_the_store_filters_and_gives_what_matches_alone(
    client: Counting, uri: str, by: str, where: str, matching: int
) -> None:
    top(by=by, tracking_uri=uri, where=where)
    names = [] if matching else ["search_runs"]  # where nothing matches, whether there is such a name at all
    assert client.asked == [*SWEEPS, *TRASH, "search_runs", *names]
    assert client.fetched == 1 + (matching or 4)  # those of the sweep, each of which may have the name


def test_the_store_filters_across_sweeps_at_once(client: Counting, uri: str) -> None:
    top(all_sweeps=True, tracking_uri=uri, where="metrics.test_accuracy > 0.985")
    assert client.asked == [*SWEEPS, *TRASH * 3, "search_runs"]
    assert client.fetched == 3 + 2  # the sweeps' runs; the control of the new one and the old one's ReLU


# --- the command ---

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(uri: str, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run `top` and return exit code, stdout and stderr."""

    def run(*arguments: object, address: str = uri) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["top", "--tracking-uri", address, *map(str, arguments)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def test_the_command_takes_the_filters(ask: Ask) -> None:
    filters = ("--dataset", "digits", "--min-depth", 2, "--max-params", 60, "--where", "metrics.test_accuracy > 0.75")
    code, out, err = ask("--by", "architecture", *filters)
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["digits:"],
        ["architecture", "rank", "strategy", "test_accuracy", "phase_fraction", "temperature"],
        ["8-4", "1", "elu", "0.8000", "–", "–"],
        ["8-4", "1", "smartmixed", "0.8000", "0.1250", "0.3000"],
    ]


def test_the_command_shows_what_got_smartmixed_there(ask: Ask) -> None:
    for by in EVERY:
        _, out, _ = ask("--by", by)
        assert {"phase_fraction", "temperature"} <= set(out.splitlines()[1].split())


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("strategy", "no run of a ranked strategy matches the filters\n"),
        ("architecture", "no run of a ranked strategy matches the filters\n"),
        ("trial", "no run of a finished trial matches the filters\n"),
    ],
)
def test_the_command_says_that_nothing_matches(ask: Ask, by: str, said: str) -> None:
    assert ask("--by", by, "--min-depth", 9) == (0, "", said)
    assert ask("--by", by, "--min-depth", 9, "--format", "csv") == (0, ",".join(top_columns(by)) + "\n", said)
    code, out, err = ask("--by", by, "--min-depth", 9, "--format", "json")
    assert (code, json.loads(out), err) == (0, [], said)


@pytest.mark.parametrize("filters", [(), ("--max-params", 5, "--where", "metrics.rank = 1")])
def test_the_command_says_that_nothing_has_finished(ask: Ask, tracking_uri: str, filters: tuple[object, ...]) -> None:
    record(tracking_uri, "new", [])
    said = "no trial has finished yet: there is nothing to rank\n"
    assert ask(*filters, address=tracking_uri) == (0, "", said)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--where", "rank <= 3"], ["'rank <= 3'", "Invalid attribute key 'rank'", "metrics.test_accuracy > 0.97"]),
        (["--where", "a = 1\nOR b = 2"], ["'OR'", "but got 'a = 1\\nOR b = 2'"]),
        (["--by", "trial", "--where", "it's"], ['"it\'s"', "metrics.objective > 0"]),
        (["--where", ""], ["''", "it compares nothing"]),
        (["--min-depth", "0"], ["--min-depth", "0"]),
        (["--max-params", "few"], ["--max-params", "few"]),
        (["--dataset", "mnist"], ["a dataset must be one of digits, wine, but got 'mnist'"]),
        (
            ["--dataset", "wine", "--sweep", "old"],
            ["sweep 'old' is on dataset 'digits', not on 'wine'"],
        ),
    ],
    ids=str,
)
def test_the_command_refuses_in_one_line(ask: Ask, arguments: list[str], told: list[str]) -> None:
    code, out, err = ask(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert all(words in err for words in told), err


# --- SmartMixed is always there ---

LAST = make_result(
    architecture=(64,),
    accuracies={"smartmixed": 0.5, "relu": 0.9, "elu": 0.8, "tanh": 0.7, "selu": 0.6},
    confidence=0.17,
)


def test_smartmixed_is_listed_whatever_its_place(tracking_uri: str) -> None:
    record(tracking_uri, "one", [LAST])
    for by, place in (("strategy", "place"), ("architecture", "rank")):
        found = rows(top(2, by, tracking_uri=tracking_uri), place, "strategy")
        assert found == [[1, "relu"], [2, "elu"], [5, "smartmixed"]]


def test_the_command_says_in_how_many_architectures_the_selection_has_not_converged(
    ask: Ask, tracking_uri: str
) -> None:
    undecided = make_result(architecture=(4,), confidence=0.4)
    record(tracking_uri, "one", [undecided, make_result(architecture=(8,), confidence=0.9)])
    _, _, err = ask(address=tracking_uri)
    assert err.startswith("digits: in 1 of 2 architectures SmartMixed's selection has not converged (choice confidence")


def test_the_command_shows_smartmixed_below_a_gap_and_that_it_chose_at_random(ask: Ask, tracking_uri: str) -> None:
    record(tracking_uri, "one", [LAST])
    code, out, err = ask("-k", 2, address=tracking_uri)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[2:]] == [
        ["1", "relu"],
        ["2", "elu"],
        ["…"],
        ["5", "smartmixed"],
    ]
    assert err.startswith("SmartMixed's selection has not converged: mean choice confidence 0.17, below 0.5, neurons ")
    _, out, _ = ask("-k", 5, address=tracking_uri)
    assert "…" not in out


@pytest.mark.parametrize("by", ["strategy", "architecture"])
def test_the_command_shows_parameters_where_a_strategy_learns_more(ask: Ask, tracking_uri: str, by: str) -> None:
    record(tracking_uri, "one", [sized(60, {"smartmixed": 0.9, "relu": 0.8, "prelu": 0.85})])
    _, out, _ = ask("--by", by, address=tracking_uri)
    heading, *lines = (line.split() for line in out.splitlines()[1:])
    assert [line[heading.index("parameters")] for line in lines] == ["60"] * 3
    assert "parameters" not in ask("--by", by)[1]
