"""Studies continue where they ended, without losing or doubling a trial."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from tests.processes import running
from tunesmith.models import get_family
from tunesmith.tasks import Reference
from tunesmith.tuning.optuna_search import Portfolio, StudySearch
from tunesmith.tuning.space import Space, starting_points
from tunesmith.tuning.studies import open_study
from tunesmith.tuning.trial import SCORE

FAMILIES = ("boosting", "cnn1d")


def _search(folder: Path, n_trials: int = 6, seed: int = 0) -> StudySearch:
    space = Space(FAMILIES, fixed={"task": "t"}, by_family={"boosting": {"threads": 1}})
    points = starting_points(FAMILIES)
    return StudySearch(
        folder / "study.journal",
        "t",
        space,
        metric="accuracy",
        n_trials=n_trials,
        points=points,
        seed=seed,
    )


def test_a_study_says_what_it_maximises(tmp_path: Path) -> None:
    assert _search(tmp_path).study.metric_names == ["accuracy"]
    assert _search(tmp_path).study.metric_names == ["accuracy"]
    assert (tmp_path / "study.journal").read_text().count("metric_names") == 1


def _result(score: float, step: int = 1, *, finished: bool = True) -> dict[str, Any]:
    return {
        SCORE: score,
        "training_iteration": step,
        "best_step": step,
        "fit_s": 0.1,
        "time_total_s": 0.2,
        "finished": finished,
    }


def _end(search: StudySearch, trial_id: str, score: float) -> None:
    search.on_trial_result(trial_id, _result(score))
    search.on_trial_complete(trial_id, _result(score))


def _score(configuration: dict[str, Any]) -> float:
    return 0.5 if configuration["family"] == "cnn1d" else configuration["params"]["learning_rate"]


def test_a_search_begins_with_the_defaults_of_every_family(tmp_path: Path) -> None:
    search = _search(tmp_path)
    for number, family in enumerate(FAMILIES):
        configuration = search.suggest(f"id{number}")
        assert configuration is not None
        assert configuration["trial"] == number
        assert configuration["family"] == family
        assert configuration["params"] == get_family(family).default()
        assert configuration["task"] == "t"


def test_the_study_keeps_how_each_trial_ended(tmp_path: Path) -> None:
    search = _search(tmp_path)
    for trial_id in "abcd":
        search.suggest(trial_id)
    _end(search, "a", 0.9)
    # Ray Tune does not pass on the result by which it stops a trial.
    search.on_trial_complete("b", _result(0.4, finished=False))
    search.on_trial_complete("c", None, error=True)
    search.on_trial_result("d", _result(0.6, finished=False))
    search.close()
    trials = search.study.get_trials()
    assert [t.state for t in trials] == [
        TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.PRUNED,
    ]  # fmt: skip
    assert [t.value for t in trials] == [0.9, 0.4, None, 0.6]
    assert search.n_running == 0


def test_a_trial_that_was_running_runs_again_with_its_number_and_settings(tmp_path: Path) -> None:
    first = _search(tmp_path)
    begun = {trial_id: first.suggest(trial_id) for trial_id in "abcd"}
    _end(first, "b", 0.7)
    del first

    again = _search(tmp_path)
    assert (again.n_started, again.n_ended) == (1, 1)
    continued = [again.suggest(trial_id) for trial_id in "wxyz1"]
    assert continued[:3] == [begun["a"], begun["c"], begun["d"]]
    assert [c["trial"] for c in continued if c] == [0, 2, 3, 4, 5]
    assert again.is_exhausted
    for trial_id in "wxyz1":
        _end(again, trial_id, 0.5)
    states = [trial.state for trial in again.study.get_trials()]
    assert states == [TrialState.COMPLETE] * 6


def _drawn(folder: Path, n_trials: int, score: Callable[[str], float], seed: int = 0) -> list[str]:
    search = _search(folder, n_trials, seed)
    families = []
    for number in range(n_trials):
        configuration = search.suggest(f"id{number}")
        assert configuration is not None
        families.append(configuration["family"])
        _end(search, f"id{number}", score(families[-1]))
    return families


def test_families_take_turns_before_tpe_begins(tmp_path: Path) -> None:
    families = _drawn(tmp_path, 30, lambda family: 0.9 if family == "cnn1d" else 0.1)
    assert families[:10] == [*FAMILIES] * 5


def test_tpe_draws_the_family_with_the_best_trials(tmp_path: Path) -> None:
    later = _drawn(tmp_path, 40, lambda family: 0.9 if family == "cnn1d" else 0.1, 2**32 - 1)[10:]
    assert later.count("cnn1d") > 20


def test_an_interrupted_search_draws_what_an_undisturbed_one_draws(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = _search(tmp_path / "whole", n_trials=15)
    undisturbed = []
    for number in range(15):
        configuration = whole.suggest(f"w{number}")
        assert configuration is not None
        undisturbed.append(configuration)
        _end(whole, f"w{number}", _score(configuration))

    disturbed = []
    for number in range(15):
        # A new process every time, killed right after the trial was handed out and run again.
        killed = _search(tmp_path / "parts", n_trials=15).suggest(f"k{number}")
        search = _search(tmp_path / "parts", n_trials=15)
        configuration = search.suggest(f"p{number}")
        assert configuration == killed
        assert configuration is not None
        disturbed.append(configuration)
        _end(search, f"p{number}", _score(configuration))
    assert disturbed == undisturbed


def test_another_seed_draws_other_settings(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = _search(tmp_path / "a", seed=0), _search(tmp_path / "b", seed=1)
    drawn = [[s.suggest(f"{number}") for number in range(6)] for s in (one, other)]
    assert drawn[0][:2] == drawn[1][:2]
    assert drawn[0][2:] != drawn[1][2:]


def test_a_finished_study_is_extended_by_more_trials(tmp_path: Path) -> None:
    search = _search(tmp_path, n_trials=2)
    for trial_id in "ab":
        search.suggest(trial_id)
        _end(search, trial_id, 0.5)
    longer = _search(tmp_path, n_trials=4)
    assert not longer.is_exhausted
    more = [longer.suggest(trial_id) for trial_id in "cd"]
    assert [c["trial"] for c in more if c] == [2, 3]
    assert longer.is_exhausted


def test_no_study_starves_another(tmp_path: Path) -> None:
    searches = {}
    for name, n_trials in (("small", 3), ("large", 9)):
        (tmp_path / name).mkdir()
        space = Space(("boosting",), fixed={"task": name})
        searches[name] = StudySearch(
            tmp_path / name / "s.journal", name, space, metric="accuracy", n_trials=n_trials
        )
    portfolio = Portfolio(searches, n_slots=2)
    order = []
    for number in range(12):
        configuration = portfolio.suggest(f"{number}")
        order.append(configuration["task"])
        assert portfolio.n_left == 11 - number
        for name, planned in (("small", 3), ("large", 9)):
            assert portfolio.waits(name) == (order.count(name) < planned)
        portfolio.on_trial_complete(f"{number}", _result(0.5))
    assert portfolio.suggest("more") == Searcher.FINISHED
    assert order[:2] == ["small", "large"]
    for end in range(1, 13):
        assert abs(order[:end].count("small") - end / 4) <= 1


def test_no_more_is_handed_out_than_can_run(tmp_path: Path) -> None:
    portfolio = Portfolio({"t": _search(tmp_path)}, n_slots=2)
    assert portfolio.suggest("a")["trial"] == 0
    assert portfolio.suggest("b")["trial"] == 1
    assert portfolio.suggest("c") is None
    portfolio.on_trial_complete("a", _result(0.5))
    assert portfolio.suggest("c")["trial"] == 2


def test_a_study_whose_trials_all_failed_waits_no_longer(tmp_path: Path) -> None:
    portfolio = Portfolio({"t": _search(tmp_path)}, n_slots=1)
    for number in range(portfolio.n_left):
        assert portfolio.waits("t")
        portfolio.suggest(f"{number}")
        portfolio.on_trial_complete(f"{number}", error=True)
    assert not portfolio.waits("t")


def test_starting_points_are_settings_of_the_space_the_study_first() -> None:
    own = {**get_family("cnn1d").default(), "width": 64}
    points = starting_points(FAMILIES, Reference("a study", 0.5, "cnn1d", own))
    for point in points:
        configuration = Space(FAMILIES)(optuna.trial.FixedTrial(point))
        assert configuration["family"] == point["family"]
        assert len(configuration["params"]) == len(point) - 1
    assert [point["family"] for point in points] == ["cnn1d", *FAMILIES]
    assert points[0]["cnn1d.width"] == 64


def test_a_study_that_is_the_default_is_tried_once_and_another_family_s_not_at_all() -> None:
    default = Reference("a study", 0.5, "boosting", get_family("boosting").default())
    assert len(starting_points(FAMILIES, default)) == len(FAMILIES)
    assert starting_points(("cnn1d",), default) == starting_points(("cnn1d",))


def test_the_only_trial_of_a_search_is_not_spent_on_the_study() -> None:
    own = Reference("a study", 0.5, "cnn1d", {**get_family("cnn1d").default(), "dropout": 0.1})
    assert len(starting_points(("cnn1d",), own, n_trials=2)) == 2
    assert starting_points(("cnn1d",), own, n_trials=1) == starting_points(("cnn1d",))


def test_a_costly_published_setting_is_tried_where_there_is_a_gpu() -> None:
    costly = Reference("a study", 0.5, "cnn1d", {"width": 64}, is_costly=True)
    assert starting_points(("cnn1d",), costly, {"CPU": 8.0}) == starting_points(("cnn1d",))
    assert len(starting_points(("cnn1d",), costly, {"CPU": 8.0, "GPU": 1.0})) == 2


def test_a_driver_that_was_killed_while_it_wrote_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    study = open_study(path, "t")
    holds_the_lock = (
        "import signal, sys; from optuna.storages.journal import JournalFileOpenLock; "
        "JournalFileOpenLock(sys.argv[1]).acquire(); print('held', flush=True); signal.pause()"
    )
    with running(
        [sys.executable, "-c", holds_the_lock, str(path)], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        driver.send_signal(signal.SIGKILL)
    started = time.monotonic()
    assert study.ask().number == 0
    # By default Optuna waits half a minute for a lock whose owner is dead.
    assert time.monotonic() - started < 20
    assert [trial.number for trial in open_study(path, "t").trials] == [0]
