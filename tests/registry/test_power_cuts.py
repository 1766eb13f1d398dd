"""Power cuts at every moment of a promotion and a rollback: the old champion answers or the new."""

from pathlib import Path

import pytest

from tests import artefacts
from tests.power_cuts import Disk, recorded
from tunesmith.artifacts.store import Store
from tunesmith.inference.smoke import Smoke
from tunesmith.registry import aliases, champion, history, promote, promotion, rollback
from tunesmith.serving.champions import Champions
from tunesmith.serving.metrics import Metrics


@pytest.fixture
def two_runs(store, add_run, monkeypatch):
    """Two runs, the first of them champion; trying a model out writes nothing and is left out."""
    facts = {"load_s": 0.0, "predict_s": 0.0, "peak_bytes": 1, "rows": 1}
    monkeypatch.setattr(promotion, "try_out", lambda *_: Smoke(None, facts=facts))
    for number in (1, 2):
        add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
    promote(store, "composer", "r1", force="a drill")
    return store


def check(disk: Disk, place: Path, former: tuple[str, ...]) -> str:
    """Return which run answers after a cut; every command goes on from there."""
    after = Store(disk.write(place))
    bundle = champion(after, "composer")
    assert bundle is not None
    bundle.load()
    run_id = str(bundle.card.run_id)
    assert run_id in former
    assert history(after, "composer")[0].champion == bundle.version
    served = Champions(after, 60.0, Metrics(), only=["composer"])
    served.refresh()
    assert served.get("composer").version == bundle.version
    promote(after, "composer", "r2", force="after the cut")
    assert champion(after, "composer").card.run_id == "r2"
    rollback(after, "composer", reason="after the cut")
    assert aliases(after, "composer").champion is not None
    return run_id


def test_after_a_cut_in_a_promotion_the_old_champion_answers_or_the_new(two_runs, tmp_path):
    with recorded(Path(two_runs.uri)) as disks:
        promote(two_runs, "composer", "r2", force="a drill")
    answers = [check(disk, tmp_path / f"disk {n}", ("r1", "r2")) for n, disk in enumerate(disks)]
    assert len(disks) > 10
    assert {answers[0], answers[-1]} == {"r1", "r2"}


def test_after_a_cut_in_a_rollback_the_old_champion_answers_or_the_new(two_runs, tmp_path):
    promote(two_runs, "composer", "r2", force="a drill")
    with recorded(Path(two_runs.uri)) as disks:
        rollback(two_runs, "composer", reason="a drill")
    answers = [check(disk, tmp_path / f"disk {n}", ("r1", "r2")) for n, disk in enumerate(disks)]
    assert {answers[0], answers[-1]} == {"r1", "r2"}
