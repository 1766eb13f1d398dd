"""Scores from Python."""

from pathlib import Path

import pytest

import tunesmith
from tests.in_process import score_in_process
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.store import Store


def test_scores_are_a_table_with_its_counts(
    store: Store, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_in_process(monkeypatch)
    monkeypatch.setattr("tunesmith.api.scoring.connect", lambda *_: None)
    write_bundle(store, inputs=("features",))
    lines: list[str] = []
    scores = tunesmith.score(
        corpus / "Bach", task="composer", out=tmp_path / "scores", store=store,
        progress=lines.append,
    )  # fmt: skip
    assert scores.summary.scored == len(scores.frame) == 14
    assert scores.frame["label"].value_counts().to_dict() == scores.summary.labels
    assert lines[-1] == "14 of 14 items"
    assert "composer, version 1: 14 of 14 scored" in repr(scores)
    assert "14 of 14" in scores._repr_html_()
    model = tunesmith.load_model("composer", store=store)
    row = scores.frame.iloc[3]
    alone = model.predict(corpus / row["path"])
    assert alone.label == row["label"]
    with pytest.raises(tunesmith.TunesmithError, match="both name the model"):
        tunesmith.score(corpus, task="composer", out="x", model=1, run="r", store=store)
