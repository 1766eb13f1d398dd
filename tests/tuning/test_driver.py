"""A whole search on a real Ray: what it publishes, and what it does when it cannot."""

import copy
import errno
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest

from tunesmith import plugins
from tunesmith.artifacts.searches import TrialResult
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.inference.runs import load_open_set
from tunesmith.tasks import get_task
from tunesmith.tuning import SearchRequest, search
from tunesmith.tuning.optuna_search import StudySearch
from tunesmith.tuning.progress import Watch
from tunesmith.tuning.scheduler import EarlyStopping

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


class _Recorded(EarlyStopping):
    """The scheduler of a search, and what it knew before its first trial."""

    made: ClassVar[list["_Recorded"]] = []

    def __init__(self, cluster: Mapping[str, float]) -> None:
        super().__init__(cluster)
        self.at_first: Any = {}
        self.made.append(self)

    def replay(self, task: str, results: Sequence[TrialResult]) -> None:
        super().replay(task, results)
        self.at_first = known(self)


def known(scheduler: EarlyStopping) -> dict[Any, Any]:
    """Return what a scheduler judges by, by task and family."""
    return {
        key: (sorted(family._curves.values()), sorted(family._ends.values()), family._gains)
        for key, family in copy.deepcopy(scheduler._families).items()
    }


@pytest.fixture(scope="module")
def searched(
    ray_cluster: dict[str, float], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Store, list[dict[str, Any]], list[str]]:
    """Two tasks on one cluster."""
    store = Store(tmp_path_factory.mktemp("store"))
    lines: list[str] = []
    families = ("boosting",)
    requests = [
        SearchRequest("noise", trials=5, families=families),
        SearchRequest("digits", trials=2, families=families),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tunesmith.tuning.driver.EarlyStopping", _Recorded)
        return store, search(store, requests, say=lines.append), lines


def test_every_trial_is_accounted_for(searched: Any) -> None:
    _, runs, _ = searched
    for run, planned in zip(runs, (5, 2), strict=True):
        table = run.table("trials")
        counts = run.record.counts
        assert counts.planned == planned
        assert counts.completed + counts.pruned + counts.failed + counts.not_started == planned
        assert table["trial"].tolist() == list(range(planned))
        assert set(table["state"]) <= {"COMPLETE", "PRUNED"}
        assert table["error"].isna().all()
        history = run.table("history")
        assert not history.duplicated(["trial", "step"]).any()
        best = history.groupby("trial")["score"].max()
        np.testing.assert_allclose(table.set_index("trial")["score"], best)
        assert history.groupby("trial")["score"].apply(lambda s: s.is_monotonic_increasing).all()


def test_a_search_that_is_extended_judges_by_what_the_first_had_seen(
    searched: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (run, _), _ = searched
    (first,) = _Recorded.made
    copied = Store(tmp_path)
    shutil.copytree(store.local_path("runs"), copied.local_path("runs"))
    monkeypatch.setattr("tunesmith.tuning.driver.EarlyStopping", _Recorded)
    (extended,) = search(copied, [SearchRequest("noise", trials=6, extend=True)], say=str)
    assert extended.record.counts.planned == 6
    kind = ("noise", "boosting")
    curves, ends, _ = known(first)[kind]
    assert (len(curves), len(ends)) == (5, run.record.counts.completed)
    assert ends
    assert _Recorded.made[1].at_first == {kind: known(first)[kind]}
    assert len(known(_Recorded.made[1])[kind][0]) == 6


def test_the_run_can_tell_items_of_no_class_and_has_limits_of_sets(searched: Any) -> None:
    _, runs, _ = searched
    for run in runs:
        detector = load_open_set(run)
        assert detector is not None
        assert run.record.no_detector is None
        examples = get_task(run.task).load(run.store)
        rows = np.asarray(examples.view("features").x)
        odd = np.full_like(rows[:5], rows.max() * 50)
        answered = np.eye(len(run.classes))[:1].repeat(5, axis=0)
        assert detector.judge(odd, answered).is_unknown.all()
        sets = run.record.label_sets
        assert set(sets.least) == set(run.classes)
        assert sum(sets.calibrated_on.values()) > 0


def test_the_run_says_what_it_is(searched: Any) -> None:
    store, (run, _), _ = searched
    latest = store.read_json("runs", "noise", "latest.json")
    assert latest == {"run_id": run.run_id, "schema_version": 1}
    facts = store.read_json("runs", "noise", run.run_id, "run.json")
    assert facts == run.record.json_object()
    assert facts["status"] == "finished"
    assert facts["best"]["family"] == "boosting"
    assert facts["views"] == ["features"]
    assert facts["metric"] == get_task("noise").metric
    assert {"python", "ray", "optuna", "xgboost"} <= set(facts["versions"])
    split = run.table("split")
    assert split["part"].value_counts().to_dict() == {
        "test": 2000, "train": 1000, "validation": 1000,
    }  # fmt: skip


def test_the_exported_winner_answers_as_the_trained_one(searched: Any) -> None:
    store, runs, _ = searched
    for run in runs:
        folder = store.local_path(*run.parts, "model")
        with np.load(folder / "reference.npz", allow_pickle=False) as arrays:
            rows, expected = arrays["features"], arrays["probabilities"]
        assert len(rows) >= 200
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        (answers,) = session.run(None, {"features": rows})
        np.testing.assert_allclose(answers, expected, atol=1e-5)
        assert list((folder / "native").iterdir())


def test_progress_names_tasks_trials_and_the_best(searched: Any) -> None:
    _, _, lines = searched
    text = "\n".join(lines)
    for expected in ("noise: 4000 rows", "digits: 1797 images", "best", "refitting", "published"):
        assert expected in text


def test_a_search_out_of_time_still_ends_with_a_model(
    ray_cluster: dict[str, float], store: Store
) -> None:
    lines: list[str] = []
    # Refitting it takes little, however busy the machine is.
    request = SearchRequest("noise", trials=1000, families=("linear",))
    (run,) = search(store, [request], time_budget_s=40, say=lines.append)
    counts = run.record.counts
    assert counts.not_started > 0
    assert counts.completed + counts.pruned + counts.not_started == 1000
    assert any("time budget" in line for line in lines)
    assert run.model_bytes()


def test_a_search_where_every_trial_fails_says_why(
    ray_cluster: dict[str, float], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.models.boosting import Boosting

    monkeypatch.setattr(Boosting, "default", lambda self: {"learning_rate": 0.1})
    monkeypatch.setattr(
        Boosting,
        "space",
        lambda self, trial: {"max_depth": trial.suggest_int("max_depth", -3, -2)},
    )
    request = SearchRequest("noise", trials=2, families=("boosting",))
    with pytest.raises(SearchError, match=r"No trial of noise gave a score: .*max_depth"):
        search(store, [request])
    assert not store.exists("runs", "noise", "latest.json")


# A family whose process is killed at its first step, as the kernel does when memory runs out.
KILLED = """
import os, signal
from tunesmith.models.linear import Linear

class Killed(Linear):
    name = "killed"
    def fit(self, params, train, **options):
        os.kill(os.getpid(), signal.SIGKILL)
        yield from ()

FAMILY = Killed()
"""


def test_a_process_that_is_killed_is_a_failed_trial_in_one_line(
    ray_cluster: dict[str, float], store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "killed.py"
    plugin.write_text(KILLED)
    lines: list[str] = []
    with plugins.using([plugin]):
        request = SearchRequest("noise", trials=2, families=("killed", "linear"))
        (run,) = search(store, [request], say=lines.append)
    table = run.table("trials").set_index("family")
    assert table["state"].to_dict() == {"killed": "FAILED", "linear": "COMPLETE"}
    assert "as the system does when memory runs out" in table["error"]["killed"]
    assert sum("failed:" in line for line in lines) == 1
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert len(printed.splitlines()) < 5


@pytest.mark.parametrize(("kind", "name"), [(Watch, "on_trial_result"), (StudySearch, "suggest")])
def test_a_search_that_cannot_write_says_how_to_go_on(
    ray_cluster: dict[str, float],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    kind: type,
    name: str,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    request = SearchRequest("noise", trials=3, families=("linear",))
    with monkeypatch.context() as patch:
        patch.setattr(kind, name, refuse)
        with pytest.raises(SearchError, match=r"No space left .* tunesmith tune noise --resume"):
            search(store, [request])
    (run,) = search(store, [replace(request, resume=True)])
    assert sorted(run.table("trials")["trial"]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "at least one"),
        ([SearchRequest("noise"), SearchRequest("noise")], "Every task once"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_runs(
    ray_cluster: dict[str, float], store: Store, requests: list[SearchRequest], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        search(store, requests)
    assert not store.exists("runs")


def test_nothing_to_resume_is_said(ray_cluster: dict[str, float], store: Store) -> None:
    with pytest.raises(SearchError, match="no unfinished search"):
        search(store, [SearchRequest("noise", resume=True)])
