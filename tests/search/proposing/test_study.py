import json
from pathlib import Path
from typing import Any, cast
from wsgiref.util import setup_testing_defaults

import fsspec
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna_dashboard import wsgi
from upath import UPath

from smartmixed_search.search.keeping.events import Duplicate, Event, Proposed, Rung, Settled
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.search.proposing.sampling import distributions
from smartmixed_search.search.proposing.study import StudyView
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED

NAME = "sweep"
SPACE = SearchSpace.from_dict(
    {
        "dataset": "digits",
        "architecture": {"depth": {"low": 1, "high": 2}, "width": {"choices": [8, 16]}},
        "phase_fraction": {"low": 0.05, "high": 0.5, "step": 0.025},
        "temperature": {"low": 0.1, "high": 3.0, "log": True},
        "epochs": {"choices": [10, 20]},
        "search": "joint",
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def proposed(count: int) -> list[Proposed]:
    proposals = [Proposer(SPACE).propose(number) for number in range(count)]
    return [Proposed(number=one.number, config=one.config.to_dict(), params=one.params) for one in proposals]


def finished(number: int, objective: float) -> Settled:
    return Settled(number=number, key=f"k{number}", status=FINISHED, objective=objective)


def events() -> list[Event]:
    return [
        *proposed(5),
        Duplicate(number=3, of=1),
        finished(1, 0.25),
        Settled(number=0, key="k0", status=FAILED, reason="no"),
        Settled(number=2, key="k2", status=STOPPED),
    ]


def load(path: Path) -> optuna.Study:
    return optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend(str(path))))


def summary(path: Path) -> list[tuple[Any, ...]]:
    return [(one.number, one.state, one.value, one.params, one.user_attrs) for one in load(path).trials]


def test_optuna_reads_every_proposal_under_its_number(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow(events())
    trials = load(path).trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert [trial.params for trial in trials] == [one.params for one in proposed(5)]
    assert trials[0].user_attrs["architecture"] == proposed(1)[0].config["architecture"]
    assert trials[0].user_attrs["key"] == Proposer(SPACE).propose(0).config.key


def test_states_and_values(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow(events())
    trials = load(path).trials
    states = [TrialState.FAIL, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE, TrialState.RUNNING]
    assert [trial.state for trial in trials] == states
    assert [trial.value for trial in trials] == [None, 0.25, None, 0.25, None]


def test_the_study_is_maximised(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow([*proposed(2), finished(0, -0.5), finished(1, 0.5)])
    assert load(path).best_trial.number == 1


@pytest.mark.parametrize("original_first", [True, False])
def test_a_duplicate_shares_its_originals_end(path: Path, original_first: bool) -> None:
    end: list[Event] = [finished(0, 0.5), Duplicate(number=1, of=0)]
    StudyView(path, NAME, SPACE).follow([*proposed(2), *(end if original_first else end[::-1])])
    duplicate = load(path).trials[1]
    assert (duplicate.state, duplicate.value) == (TrialState.COMPLETE, 0.5)
    assert duplicate.user_attrs["duplicate_of"] == 0


def test_a_duplicate_of_a_running_trial_runs(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow([*proposed(2), Duplicate(number=1, of=0)])
    assert load(path).trials[1].state == TrialState.RUNNING


def test_following_event_by_event_gives_the_same_study(path: Path, tmp_path: Path) -> None:
    at_once = tmp_path / "at_once.journal"
    StudyView(at_once, NAME, SPACE).follow(events())
    view = StudyView(path, NAME, SPACE)
    for count in range(len(events()) + 1):
        view.follow(events()[:count])
    assert summary(path) == summary(at_once)


def test_a_new_view_writes_the_file_anew(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow(events())
    before = summary(path)
    path.write_bytes(path.read_bytes() + b'{"op_code":4,"torn')
    StudyView(path, NAME, SPACE).follow(events())
    assert summary(path) == before


def test_a_study_without_trials_is_there(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow([])
    assert load(path).trials == []


def test_distributions_are_there_for_plots(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow(events())
    trial = load(path).trials[0]
    assert trial.distributions == distributions(SPACE, trial.params)


def test_dashboard_shows_all_trials(path: Path) -> None:
    StudyView(path, NAME, SPACE).follow(events())
    app = wsgi(JournalStorage(JournalFileBackend(str(path))))
    (study,) = ask(app, "/api/studies")["study_summaries"]
    detail = ask(app, f"/api/studies/{study['study_id']}")
    assert study["study_name"] == NAME
    assert [trial["number"] for trial in detail["trials"]] == [0, 1, 2, 3, 4]
    assert [trial["state"] for trial in detail["trials"]] == ["Fail", "Complete", "Pruned", "Complete", "Running"]


def test_nothing_is_printed(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    StudyView(path, NAME, SPACE).follow(events())
    assert capfd.readouterr() == ("", "")


def ask(app: Any, url: str) -> Any:
    environ: dict[str, Any] = {"PATH_INFO": url}
    setup_testing_defaults(environ)
    return json.loads(b"".join(app(environ, lambda *_: None)))


def test_margins_at_rungs_are_intermediate_values(path: Path) -> None:
    rungs = [Rung(number=0, epochs=4, margin=0.1, stop=False), Rung(number=0, epochs=12, margin=0.0, stop=True)]
    StudyView(path, NAME, SPACE).follow([*proposed(1), *rungs, Settled(number=0, key="k0", status=STOPPED)])
    assert load(path).trials[0].intermediate_values == {4: 0.1, 12: 0.0}


def test_where_nothing_can_be_appended_the_file_is_written_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    fsspec.filesystem("memory").store.clear()
    path = cast(Path, UPath("memory://sweep/study.journal"))
    view = StudyView(path, NAME, SPACE)
    view.follow([])
    before = path.read_bytes()
    view.follow(events())
    assert path.read_bytes() == before
    view.close()
    local = tmp_path / "study.journal"
    local.write_bytes(path.read_bytes())
    StudyView(tmp_path / "expected.journal", NAME, SPACE).follow(events())
    assert summary(local) == summary(tmp_path / "expected.journal")
