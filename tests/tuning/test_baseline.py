"""The simple baseline, trained without a search, as a run that can be promoted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import artefacts
from tunesmith.api.promotion import promote_run
from tunesmith.artifacts.runs import latest_run_id, open_run
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.registry import Refused, champion
from tunesmith.reports import publishing
from tunesmith.tasks import Request, get_task
from tunesmith.tuning.baseline import baseline_run

RUN = "20300101T000000-aaaa"


def _songs(path: Path) -> dict[str, str]:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 400)
    columns = {f"band_{i}": random.normal(size=400) + (y == i % 2) for i in range(4)}
    frame = pd.DataFrame(columns).assign(genre=np.array(["pop", "rock"])[y])
    frame.to_csv(path, index=False)
    return {"csv": str(path), "target": "genre"}


@pytest.fixture
def searched(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store with a run on a table whose model guesses by a single column."""
    monkeypatch.setattr(publishing, "draw", lambda evaluation: {})
    options = _songs(tmp_path / "songs.csv")
    data = get_task("genre").read(store, Request(options=options))
    examples = data.examples
    weights = np.zeros((4, 2))
    weights[0, 0] = 1
    model = artefacts.feature_model(weights)
    artefacts.write_run(store, examples, model, task="genre", run_id=RUN)
    split = pd.DataFrame(
        {
            "id": list(examples.ids),
            "part": data.parts,
            "group": examples.groups,
            "label": [examples.classes[label] for label in examples.y],
        }
    )
    store.write_bytes(artefacts._parquet(split), "runs", "genre", RUN, "split.parquet")
    assert data.preparation is not None
    changes = {
        "kind": "table", "unit": "song", "metric": "accuracy", "request": {"options": options},
        "dataset": {"name": data.name, "version": data.version},
        "preparation": data.preparation.model_dump(mode="json"),
        "features": list(data.preparation.features),
    }  # fmt: skip
    record = store.read_json("runs", "genre", RUN, "run.json") | changes
    store.write_json(record, "runs", "genre", RUN, "run.json")
    return store


def _promote(store: Store, *, baseline: bool) -> None:
    promote_run(
        store, "genre", None, force=None, memory_mb=1000, baseline=baseline, say=lambda line: None
    )


def test_a_run_that_is_no_better_than_the_baseline_is_refused_and_the_baseline_promoted(
    searched: Store,
) -> None:
    with pytest.raises(Refused) as refusal:
        _promote(searched, baseline=False)
    (verdict,) = [v for v in refusal.value.verdicts if v.rule == "baseline"]
    assert verdict.passed is False
    assert "no better than the simple baseline beyond noise: accuracy -0." in verdict.message
    assert "tunesmith promote genre --baseline" in verdict.message
    assert champion(searched, "genre") is None
    _promote(searched, baseline=True)
    found = champion(searched, "genre")
    assert found is not None
    assert found.card.lineage is not None
    assert found.card.lineage.family == "linear"
    row = {f"band_{i}": 2.0 if i % 2 else -2.0 for i in range(4)}
    assert found.model().predict(row).label == "rock"


def test_the_baseline_is_a_run_on_the_same_split(searched: Store) -> None:
    run = open_run(searched, "genre", RUN)
    baseline = baseline_run(run)
    assert latest_run_id(searched, "genre") == baseline.run_id
    assert baseline.table("split").equals(run.table("split"))
    assert baseline.record.best.score > 0.7
    assert baseline_run(baseline) is baseline


def test_the_baseline_of_changed_data_is_refused(searched: Store, tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text(path.read_text() + "1,2,3,4,pop\n")
    with pytest.raises(SearchError, match="Search again: tunesmith tune genre"):
        baseline_run(open_run(searched, "genre", RUN))
