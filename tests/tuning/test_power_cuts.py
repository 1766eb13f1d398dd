"""Power cuts at every moment of a search: readers see the former run or the new, no trial is lost.

The study's journal, the history and the answers grow while trials run; then the run is written,
named and published.
"""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests import artefacts
from tests.in_process import search_in_process
from tests.power_cuts import Disk, recorded
from tunesmith import plugins
from tunesmith.artifacts import owners
from tunesmith.artifacts.preparation import NumberColumn, TablePreparation
from tunesmith.artifacts.runs import open_run
from tunesmith.artifacts.searches import unfinished_plans
from tunesmith.artifacts.store import Store
from tunesmith.cli.leaderboard import main as leaderboard
from tunesmith.datasets.examples import Examples
from tunesmith.inference.smoke import Smoke
from tunesmith.registry import champion, promote, promotion
from tunesmith.reports import publishing
from tunesmith.reports.publishing import make_report
from tunesmith.tasks import PARTS, Request, Task, TaskData
from tunesmith.tuning import SearchRequest, search, studies
from tunesmith.tuning.continuation import unfinished_note

TRIALS = 3


def _read(store: Store, request: Request) -> TaskData:
    del store, request
    made = artefacts.make_examples(90)
    examples = Examples(
        y=made.y, classes=made.classes, groups=made.groups, ids=made.ids,
        views={"features": made.view("features")},
    )  # fmt: skip
    columns = [
        NumberColumn(name=f"f{index}", low=-9, usual=0, high=9)
        for index in range(artefacts.N_FEATURES)
    ]
    return TaskData(
        examples,
        np.array(PARTS)[made.groups // len(made.classes) % 3],
        name="tiny",
        version="0123456789ab",
        preparation=TablePreparation(columns=tuple(columns)),
    )


@pytest.fixture
def searched(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a run of the task; trials run in this process."""
    task = Task(
        name="tiny", title="Tiny", kind="synthetic", families=("linear", "svm"),
        metric="accuracy", unit="row", licence="none", read=_read, ensemble=True,
    )  # fmt: skip
    plugins.added_objects("task")["tiny"] = task
    search_in_process(monkeypatch)
    monkeypatch.setattr(owners, "_BEAT_S", 3600.0)
    monkeypatch.setattr(publishing, "draw", lambda evaluation: {})
    facts = {"load_s": 0.0, "predict_s": 0.0, "peak_bytes": 1, "rows": 1}
    monkeypatch.setattr(promotion, "try_out", lambda *_: Smoke(None, facts=facts))
    search(store, [SearchRequest("tiny", trials=TRIALS)], cluster={"CPU": 1.0})
    return store


def check(disk: Disk, place: Path, former: str, new: str) -> str:
    """Return the run that readers see after a cut; every command goes on from there."""
    after = Store(disk.write(place))
    seen = open_run(after, "tiny")
    assert seen.run_id in {former, new}
    assert seen.model_bytes()
    assert len(seen.table("trials")) >= TRIALS
    unfinished_note(after, "tiny")
    options = ["--by", "run", "--store", after.uri, "--json"]
    listed = CliRunner().invoke(leaderboard, ["tiny", *options])
    assert listed.exit_code == 0, listed.output
    assert seen.run_id in listed.output
    if seen.run_id == former:
        begun = unfinished_plans(after, "tiny")
        request = SearchRequest("tiny", resume=bool(begun), trials=TRIALS)
        (run,) = search(after, [request], cluster={"CPU": 1.0})
        assert run.run_id == new or not begun
        table = run.table("trials")
        trials = table[table["family"] != "ensemble"]
        assert trials["trial"].tolist() == list(range(TRIALS))
        assert set(trials["state"]) == {"COMPLETE"}
        history = run.table("history")
        assert not history.duplicated(["trial", "step"]).any()
        assert set(history["trial"]) == set(table["trial"])
    assert not unfinished_plans(after, "tiny")
    make_report(after, "tiny")
    promoted = promote(after, "tiny", force="after the cut")
    bundle = champion(after, "tiny")
    assert bundle is not None
    assert bundle.version == promoted.version
    bundle.load()
    return str(seen.run_id)


@pytest.mark.parametrize(
    "every",
    [pytest.param(1, marks=pytest.mark.long), pytest.param(10, marks=pytest.mark.slow)],
    ids=["at-every-moment", "at-every-tenth"],
)
# A lock that the cut left behind is waited for as briefly as can be.
@pytest.mark.filterwarnings("ignore:The value of `grace_period`")
def test_after_a_cut_in_a_search_the_former_run_is_read_or_the_new(
    searched: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    former = open_run(searched, "tiny").run_id
    with recorded(Path(searched.uri)) as disks:
        (run,) = search(searched, [SearchRequest("tiny", trials=TRIALS)], cluster={"CPU": 1.0})
    # After a cut the machine begins anew: no process of before runs on it.
    monkeypatch.setattr(owners, "_place", lambda: "after the cut")
    monkeypatch.setattr(owners, "_SILENCE_S", 0.0)
    monkeypatch.setattr(studies, "_ABANDONED_LOCK_S", 0.01)
    assert len(disks) > 100
    seen = [
        check(disk, tmp_path / f"disk {number}", former, run.run_id)
        for number, disk in enumerate([*disks[:-1:every], disks[-1]])
    ]
    assert (seen[0], seen[-1]) == (former, run.run_id)
