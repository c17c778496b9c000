"""Filters: the answer is as if only the runs that match had been recorded."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from smartmixed_search.errors import ConfigError
from smartmixed_search.tracking.questions.queries import top
from smartmixed_search.tracking.questions.top import top_columns
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.tables import stored
from smartmixed_search.trials.result import TrialResult
from tests.helpers.top_sweeps import (
    DEEP,
    DEEPEST,
    EVERY,
    WIDE,
    WIDE_TUNED,
    empty_store,
    full_store,
    record,
    rows,
    sized,
)


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return full_store(store_template, tmp_path_factory.mktemp("top"))


@pytest.fixture(scope="module")
def alone(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[TrialResult]], str]:
    """Makes stores that hold nothing but some trials, in a sweep of the latest's name."""
    made: dict[tuple[str, ...], str] = {}

    def make(results: Sequence[TrialResult]) -> str:
        keys = tuple(result.key for result in results)
        if keys not in made:
            made[keys] = empty_store(store_template, tmp_path_factory.mktemp("alone"))
            record(made[keys], "new", results)
        return made[keys]

    return make


# --- depth and parameters ---


@pytest.mark.parametrize("by", EVERY)
@pytest.mark.parametrize(
    ("filters", "matching"),
    [
        ({"min_depth": 1}, [WIDE, WIDE_TUNED, DEEP, DEEPEST]),
        ({"min_depth": 2}, [DEEP, DEEPEST]),
        ({"min_depth": 3}, [DEEPEST]),
        ({"max_params": 80}, [DEEP, DEEPEST]),
        ({"max_params": 79}, [DEEP]),
        ({"min_depth": 2, "max_params": 60}, [DEEP]),
        ({"min_depth": 2, "max_params": 499, "dataset": "digits"}, [DEEP, DEEPEST]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else f"{len(value)} trials",
)
def test_only_the_trials_that_match_seem_to_be_recorded(
    uri: str,
    alone: Callable[[Sequence[TrialResult]], str],
    by: str,
    filters: dict[str, Any],
    matching: Sequence[TrialResult],
) -> None:
    assert_frame_equal(top(2, by, tracking_uri=uri, **filters), top(2, by, tracking_uri=alone(matching)))


@pytest.mark.parametrize("by", EVERY)
def test_filters_answer_the_same_without_stored_tables(uri: str, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    filters: dict[str, Any] = {"min_depth": 2, "max_params": 80, "where": "attributes.status = 'FINISHED'"}
    expected = top(by=by, tracking_uri=uri, **filters)
    monkeypatch.setattr(stored, "read", lambda *_: None)
    assert_frame_equal(top(by=by, tracking_uri=uri, **filters), expected)


def test_a_trial_s_parameters_are_those_of_smartmixed_s_network(tracking_uri: str) -> None:
    result = sized(100, {"smartmixed": 0.9, "relu": 0.8})
    networks = [
        replace(network, parameters=7) if network.strategy == "relu" else network for network in result.networks
    ]
    record(tracking_uri, "one", [replace(result, networks=networks)])
    assert top(by="trial", max_params=99, tracking_uri=tracking_uri).empty
    assert top(max_params=99, tracking_uri=tracking_uri)["strategy"].tolist() == ["relu"]


@pytest.mark.parametrize("name", ["min_depth", "max_params"])
def test_a_number_below_1_is_refused(uri: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, but got 0"):
        top(tracking_uri=uri, **{name: 0})  # the name is one of these


# --- MLflow's filters ---


@pytest.mark.parametrize("by", ["strategy", "architecture"])
@pytest.mark.parametrize(
    ("where", "matching"),
    [
        ("params.depth = '2'", [DEEP]),
        ("params.depth != '1' AND params.temperature = '0.6'", [DEEPEST]),
        ("tags.smartmixed.architecture LIKE '8-%'", [DEEP, DEEPEST]),
        ("tags.`smartmixed.architecture` = '64' and\nmetrics.rank >= 1", [WIDE, WIDE_TUNED]),
        ("metrics.test_accuracy < 0.805 AND metrics.test_accuracy > 0.699 AND params.depth = '2'", [DEEP]),
    ],
)
def test_strategies_are_those_whose_runs_match(
    uri: str, alone: Callable[[Sequence[TrialResult]], str], by: str, where: str, matching: Sequence[TrialResult]
) -> None:
    assert_frame_equal(top(2, by, tracking_uri=uri, where=where), top(2, by, tracking_uri=alone(matching)))


@pytest.mark.parametrize(
    ("where", "matching"),
    [
        ("metrics.objective > 0", [WIDE_TUNED, DEEP]),
        ("params.phase_fraction = '0.5'", [WIDE_TUNED]),
        ("tags.smartmixed.best_fixed = 'elu'", [DEEP]),
        (f"tags.smartmixed.trial = '{DEEPEST.key}'", [DEEPEST]),
    ],
)
def test_trials_are_those_whose_runs_match(
    uri: str, alone: Callable[[Sequence[TrialResult]], str], where: str, matching: Sequence[TrialResult]
) -> None:
    answer = top(4, "trial", tracking_uri=uri, where=where)
    assert_frame_equal(answer, top(4, "trial", tracking_uri=alone(matching)))


def test_ranks_are_those_among_the_runs_that_match_and_ties_stay(uri: str) -> None:
    table = top(1, "architecture", tracking_uri=uri, where="tags.smartmixed.strategy != 'smartmixed'")
    assert rows(table, "architecture", "rank", "strategy", "phase_fraction") == [
        ["64", 1, "elu", None],
        ["64", 1, "relu", None],
        ["8-4", 1, "elu", None],
        ["8-4-2", 1, "relu", None],
    ]
    board = top(1, tracking_uri=uri, where="tags.smartmixed.strategy != 'smartmixed'", max_params=80)
    # One first place each.
    assert rows(board, "place", "strategy", "mean_rank", "wins", "blocks") == [
        [1, "elu", 1.5, 1, 2],
        [1, "relu", 1.5, 1, 2],
    ]


def test_a_filter_may_leave_a_strategy_s_second_best_trial(uri: str) -> None:
    table = top(3, "architecture", tracking_uri=uri, where="params.temperature = '0.3'", min_depth=1)
    assert rows(table[table["architecture"] == "64"], "strategy", "rank", "trial") == [
        ["elu", 1, WIDE.key],
        ["relu", 1, WIDE.key],
        ["smartmixed", 3, WIDE.key],
    ]


def test_all_filters_hold_at_once(uri: str) -> None:
    table = top(9, "architecture", tracking_uri=uri, where="metrics.test_accuracy > 0.64", min_depth=2, max_params=80)
    assert rows(table, "architecture", "strategy", "rank") == [
        ["8-4", "elu", 1],
        ["8-4", "smartmixed", 1],
        ["8-4", "relu", 3],
        ["8-4-2", "relu", 1],
        ["8-4-2", "elu", 2],
    ]


def test_a_filter_finds_the_runs_of_the_sweeps_that_are_asked_for_alone(tracking_uri: str) -> None:
    record(tracking_uri, "it's", [DEEP])
    record(tracking_uri, "it_s", [WIDE_TUNED])
    where = "metrics.objective > -9"
    for sweep, key in (("it's", DEEP.key), ("it_s", WIDE_TUNED.key)):
        assert top(by="trial", sweep=sweep, where=where, tracking_uri=tracking_uri)["trial"].tolist() == [key]
    assert len(top(by="trial", all_sweeps=True, where=where, tracking_uri=tracking_uri)) == 2


@pytest.mark.parametrize("by", EVERY)
def test_a_filter_s_answer_does_not_depend_on_the_size_of_a_page(
    uri: str, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    whole = top(by=by, all_sweeps=True, where="tags.smartmixed.dataset != ''", tracking_uri=uri)
    monkeypatch.setattr(runs, "_PAGE", 2)
    assert_frame_equal(top(by=by, all_sweeps=True, where="tags.smartmixed.dataset != ''", tracking_uri=uri), whole)


INVALID = [
    "",
    " ",
    "AND",
    "rank <= 3",
    "foo.rank = 1",
    "metrics.rank",
    "metrics.rank = 'a'",
    "metrics.rank == 1",
    "metrics.rank = 1 OR metrics.rank = 2",
    "(metrics.rank = 1)",
    "metrics.rank = 1 ORDER BY metrics.rank DESC",
    "metrics.rank = 1 LIMIT 1",
    "metrics.rank = 1; metrics.rank = 2",
    "metrics.rank = 1 -- AND metrics.rank = 2",
    "metrics.rank = 1 /* ",
    "params.depth = '2",
    "params.depth = 2",
    "params.depth > '1'",
    "it's",
    "' OR ''='",
    "a\nb\u2028c",
    "(" * 500,
]


@pytest.mark.parametrize("by", EVERY)
@pytest.mark.parametrize("where", INVALID)
def test_an_invalid_filter_is_refused_in_one_line(uri: str, by: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        top(by=by, tracking_uri=uri, where=where)
    message = str(caught.value)
    assert message.startswith('where must be a filter in the syntax of MLflow, such as "metrics.')
    assert len(message.splitlines()) == 1
    assert len(message) < 450
    assert "smartmixed.kind" not in message  # the reason is about the user's text alone


@pytest.mark.parametrize("by", EVERY)
def test_the_example_in_the_message_is_valid(uri: str, by: str) -> None:
    with pytest.raises(ConfigError) as caught:
        top(by=by, tracking_uri=uri, where="?")
    top(by=by, tracking_uri=uri, where=str(caught.value).split('"')[1])


def test_a_filter_may_hold_the_words_of_other_languages_in_quotes(uri: str) -> None:
    assert top(tracking_uri=uri, where="tags.smartmixed.sweep != 'a OR b; -- order by'").shape[0] == 3


# --- nothing ---


@pytest.mark.parametrize("by", EVERY)
@pytest.mark.parametrize(
    "filters",
    [{"min_depth": 4}, {"max_params": 1}, {"where": "tags.smartmixed.architecture = 'x'"}, {"where": "run_id = 'x'"}],
)
def test_nothing_that_matches_is_an_empty_table_with_its_columns(uri: str, by: str, filters: dict[str, Any]) -> None:
    table = top(by=by, tracking_uri=uri, **filters)
    assert table.empty
    assert list(table.columns) == top_columns(by)


@pytest.mark.parametrize(
    ("by", "where", "told"),
    [
        ("strategy", "metrics.accuracy > 0.9", ["of metrics, ", "'accuracy'; did you mean ", "test_accuracy", "rank"]),
        ("strategy", "params.detph = '2'", ["of params, ", "'detph'; did you mean 'depth'?"]),
        ("strategy", "metrics.rank < 0 AND tags.note != 'a OR b; -- order by'", ["of tags, ", "smartmixed.strategy"]),
        ("trial", "metrics.val_accuracy > 0.9", ["of metrics, ", "'val_accuracy'", "objective"]),
    ],
)
def test_a_name_that_no_run_has_is_told_from_a_filter_that_no_run_meets(
    uri: str, by: str, where: str, told: list[str]
) -> None:
    with pytest.raises(ConfigError, match=r"^a name in where, ") as raised:
        top(by=by, tracking_uri=uri, where=where)
    assert all(words in str(raised.value) for words in told), raised.value
    assert "_r0" not in str(raised.value)


def test_a_name_that_only_some_runs_have_is_known(uri: str) -> None:
    """Fixed strategies have no phase-1 figures."""
    where = "metrics.phase1_val_accuracy_argmax < 0 AND tags.smartmixed.strategy = 'relu'"
    assert top(tracking_uri=uri, where=where).empty


@pytest.mark.parametrize("by", ["strategy", "architecture"])
def test_controls_alone_are_in_no_ranking(uri: str, by: str) -> None:
    assert top(by=by, tracking_uri=uri, where="tags.smartmixed.role = 'control'").empty
