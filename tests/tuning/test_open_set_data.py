"""A detector of music by others, on real pieces."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tunesmith.artifacts.open_set import Exposure
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.others import Others
from tunesmith.inference.open_set import OpenSet
from tunesmith.inference.pieces import read_piece
from tunesmith.midi.features import musical_features
from tunesmith.midi.made_up import MADE_UP
from tunesmith.tuning.open_set import learn_detector
from tunesmith.tuning.trial_data import TrialData

pytestmark = pytest.mark.data

CLASSES = ("bach", "chopin")
MET = ("schubert", "vivaldi", "brahms", "satie")


def features(archive: zipfile.ZipFile, composer: str, n: int) -> list[np.ndarray]:
    """Return the features of pieces by a composer, spread over the archive's."""
    every = archive.namelist()
    names = sorted(name for name in every if Path(name).name.startswith(f"{composer}-"))
    chosen = names[:: max(len(names) // n, 1)][:n]
    return [read_piece(archive.read(name)).features for name in chosen]


def made_up(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [musical_features(make(rng)) for make in MADE_UP.values() for _ in range(10)]


def test_notes_from_rules_are_recognised_and_pieces_of_the_classes_are_not(data_dir: Path) -> None:
    with zipfile.ZipFile(data_dir / "midi-classical.zip") as archive:
        known = [features(archive, name, 60) for name in CLASSES]
        met = [features(archive, name, 10) for name in MET]
    y = np.repeat([0, 1], [len(rows) for rows in known])
    x = np.concatenate(known)
    held_out = np.arange(len(y)) % 4 == 0
    learned = np.flatnonzero(~held_out)
    examples = Examples(
        y[learned], CLASSES, np.arange(len(learned)), learned.astype(str).tolist(),
        {"features": View.one_row_each(x[learned])},
    )  # fmt: skip
    rows = [*(row for rows in met for row in rows), *made_up(0)]
    label = [name for name, rows in zip(MET, met, strict=True) for _ in rows]
    label += [""] * (len(rows) - len(label))
    others = Others(
        np.stack(rows), np.array(label), np.zeros(len(rows), dtype=bool),
        (Exposure(source="met", items=len(rows), labels=len(MET)),),
    )  # fmt: skip
    data = TrialData(examples, ((0, len(learned)),), "accuracy")
    detection = learn_detector(data, others, seed=0)
    detector = OpenSet(detection.graph, detection.facts, CLASSES)

    def share(rows: np.ndarray, answered: np.ndarray) -> float:
        return float(detector.judge(rows, np.eye(2)[answered]).is_unknown.mean())

    # 5 % of 30 pieces are promised.
    assert share(x[held_out], y[held_out]) <= 0.2
    assert share(np.stack(made_up(1)), np.zeros(40, dtype=int)) > 0.7
    assert detection.facts.auroc is not None
    assert detection.facts.auroc > 0.6
