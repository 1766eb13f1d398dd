"""The label doctor on made-up features: which labels it suspects, and that none helps itself."""

import numpy as np
import pandas as pd
import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.corrections import AppliedCorrections, CorrectionRow, Outcome
from tunesmith.artifacts.store import Store
from tunesmith.artifacts.suspicions import accepted_corrections
from tunesmith.datasets.reader import open_dataset
from tunesmith.errors import DatasetError, UsageError
from tunesmith.evaluation import label_doctor
from tunesmith.evaluation.label_doctor import Labelling, diagnose, find_suspicions, judge
from tunesmith.evaluation.label_matches import matches_of
from tunesmith.ingestion import pipeline


def labelling(labels, clusters=None, features=None, seed=0):
    """Return pieces whose features tell the true class, which is A for the first half."""
    n = len(labels)
    rng = np.random.default_rng(seed)
    if features is None:
        features = rng.normal(size=(n, 40)).astype(np.float32)
        features[: n // 2] += 4
    clusters = np.arange(n) if clusters is None else np.asarray(clusters)
    votes = [
        [labels[j] for j in np.flatnonzero(clusters == clusters[i]) if j != i] for i in range(n)
    ]
    return Labelling(labels, clusters, features, votes)


def suspected(pieces, family="linear"):
    judgement = judge(pieces, family=family)
    return find_suspicions(pieces, judgement), judgement


def test_planted_labels_are_found_by_the_model_alone():
    labels = ["A"] * 40 + ["B"] * 40
    labels[3], labels[50] = "B", "A"
    found, judgement = suspected(labelling(labels))
    assert set(found) == {3, 50}
    assert [judgement.classes[judgement.suggested[i]] for i in sorted(found)] == ["A", "B"]
    assert judgement.is_confident[[3, 50]].all()


@pytest.mark.parametrize("family", ["linear", "boosting"])
def test_a_wrong_label_does_not_help_itself_through_its_copies(family):
    # Three copies of one piece, all wrong: a model that had seen one would call the others right.
    labels = ["A"] * 40 + ["B"] * 40
    pieces = labelling(labels)
    copies = [4, 5, 6]
    pieces.features[copies] = pieces.features[4]
    # Nothing else is like them, but they sound like A.
    pieces.features[copies, 1] = 25
    wrong = ["B" if i in copies else label for i, label in enumerate(labels)]
    clusters = np.arange(80)
    clusters[copies] = 4
    apart = labelling(wrong, None, pieces.features)
    together = labelling(wrong, clusters, pieces.features)
    opinion = {
        name: judge(p, family=family).by_model[copies, 1].mean()
        for name, p in (("apart", apart), ("together", together))
    }
    assert opinion["together"] < opinion["apart"]
    assert opinion["together"] < 0.5


def test_of_two_labels_of_one_piece_the_model_says_which_is_wrong():
    labels = ["A"] * 40 + ["B"] * 40
    labels[7] = "B"
    clusters = np.arange(80)
    clusters[7] = 8
    found, judgement = suspected(labelling(labels, clusters))
    assert found == [7]
    assert judgement.wrong[7] > 0.9
    assert judgement.wrong[8] < 0.1


def test_rare_labels_are_compared_with_their_copies_alone():
    labels = ["A", "A", "A", "B"]
    pieces = labelling(labels, [0, 0, 0, 0])
    judgement = judge(pieces)
    assert not judgement.is_judged.any()
    assert judgement.n_errors is None
    # Three files say A, one says B.
    assert find_suspicions(pieces, judgement) == [3]


def test_one_of_two_copies_is_listed_even_if_neither_label_is_likely_wrong(monkeypatch):
    monkeypatch.setattr(label_doctor, "LISTED_FROM", 2.0)
    labels = ["A", "B"]
    pieces = labelling(labels, [0, 0])
    assert find_suspicions(pieces, judge(pieces)) == [0]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, midi_factory):
    """A version in which one piece stands in two folders, and one file in two."""
    root = tmp_path_factory.mktemp("corpus")
    for label, seeds in {"Bach": range(4), "Chopin": range(10, 14)}.items():
        (root / label).mkdir()
        for seed in seeds:
            (root / label / f"{seed}.mid").write_bytes(midi_factory(seed=seed, n_notes=200))
    (root / "Chopin" / "again.mid").write_bytes(midi_factory(seed=1, n_notes=200, bpm=150))
    (root / "Bach" / "same.mid").write_bytes(midi_factory(seed=12, n_notes=200))
    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(root)], "mixed")
    return open_dataset(store, "mixed")


def test_a_diagnosis_names_the_matching_files(mixed):
    diagnosis = diagnose(mixed)
    assert diagnosis.pieces == 9
    assert diagnosis.judged == 0
    assert diagnosis.family == ""
    assert diagnosis.labels_too_rare == ["Bach", "Chopin"]
    assert [s.number for s in diagnosis.suspicions] == [1, 2]
    kinds = {s.matches[0].kind: s for s in diagnosis.suspicions}
    assert set(kinds) == {"same bytes", "same music"}
    names = {"1.mid", "again.mid"}
    near = kinds["same music"]
    assert {near.path.rsplit("/", 1)[-1], near.matches[0].path.rsplit("/", 1)[-1]} == names
    assert near.matches[0].shared > 0.9
    assert near.matches[0].semitones == 0
    assert "same music as " in near.reason
    assert "onsets (100%) in the same order, " in near.reason
    assert near.reason.endswith("in the same key)")


def test_a_copy_without_a_label_says_nothing(mixed):
    pieces = mixed.pieces()
    name = pieces["piece_id"][0]
    copies = pd.DataFrame({"path": ["a.mid", "b.mid"], "piece_id": name, "label": ["Liszt", None]})
    matches, votes = matches_of(mixed, pieces.iloc[:1], copies)
    assert [match.path for match in matches[0]] == ["a.mid"]
    assert votes == [["Liszt"]]


def test_accepted_suspicions_become_a_table_that_keeps_earlier_rows(mixed):
    diagnosis = diagnose(mixed)
    first = diagnosis.suspicions[0]
    earlier = AppliedCorrections(
        table="t.csv",
        rows=[
            CorrectionRow(
                path=path, label_before="X", label_after="Y", outcome=outcome, label_found="X"
            )
            for path, outcome in (
                ("gone.mid", Outcome.NO_SUCH_FILE),
                ("kept.mid", Outcome.APPLIED),
                (first.path, Outcome.APPLIED),
            )
        ],
    )
    rows = {row.path: row for row in accepted_corrections(diagnosis, [1], earlier)}
    assert set(rows) == {"kept.mid", first.path, *first.copies}
    assert rows["kept.mid"].label_after == "Y"
    # The sources still say X.
    assert (rows[first.path].label_before, rows[first.path].label_after) == ("X", first.suggested)
    with pytest.raises(UsageError, match="There is no suspicion 7, 9"):
        accepted_corrections(diagnosis, [1, 9, 7], None)


def test_one_label_cannot_be_judged(tmp_path, midi_factory, monkeypatch):
    ingest_in_process(monkeypatch)
    (tmp_path / "in" / "Bach").mkdir(parents=True)
    (tmp_path / "in" / "Bach" / "1.mid").write_bytes(midi_factory(seed=1))
    store = Store(tmp_path / "store")
    pipeline.ingest(store, [str(tmp_path / "in")], "one")
    with pytest.raises(DatasetError, match="at least 2"):
        diagnose(open_dataset(store, "one"))
