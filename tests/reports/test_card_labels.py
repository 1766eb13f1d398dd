"""The labels to check on the data card, with the evidence for each link."""

import html
import re

import numpy as np
import pytest

from tests.in_process import ingest_in_process
from tests.midi.material import event, midi_file
from tunesmith.artifacts.store import Store
from tunesmith.artifacts.suspicions import Evidence
from tunesmith.datasets.reader import open_dataset
from tunesmith.ingestion import pipeline
from tunesmith.reports.card_labels import NO_LABEL, mixed_labels
from tunesmith.reports.data_card import render_card


def melody(seed: int, shift: int = 0, ticks: int = 120) -> bytes:
    """Return 200 notes of a random melody, shifted by semitones."""
    pitches = np.random.default_rng(seed).integers(50, 80, 200).tolist()
    return midi_file(
        b"".join(
            event(0, 0x90, pitch + shift, 80) + event(ticks, 0x80, pitch + shift, 0)
            for pitch in pitches
        )
    )


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A version with the same music under two labels, twice, and once under none and one."""
    root = tmp_path_factory.mktemp("corpus") / "all"
    files = {
        "Bach/a.mid": melody(1),
        "Liszt/higher.mid": melody(1, shift=3),
        "Bach/b.mid": melody(2),
        # The same notes in other bytes.
        "Liszt/same.mid": melody(2) + b"\0",
        "Zelenka/c.mid": melody(3),
        "Zelenca/d.mid": melody(4),
        "unknown/e.mid": melody(3, shift=-2),
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(root)], "mixed")
    return open_dataset(store, "mixed")


def test_each_two_labels_of_a_cluster_have_their_strongest_link(mixed):
    rows = mixed_labels(mixed, mixed.pieces())
    assert [(row.label, row.other, row.evidence.kind, row.links) for row in rows] == [
        ("Bach", "Liszt", "same notes", 1),
        ("Bach", "Liszt", "same music", 1),
    ]
    files = [(row.path.rpartition("/")[2], row.other_path.rpartition("/")[2]) for row in rows]
    assert files == [("b.mid", "same.mid"), ("a.mid", "higher.mid")]
    assert rows[1].evidence.semitones == 3
    assert rows[1].evidence.in_order > 150
    assert rows[0].evidence.words == "same notes"


def test_a_piece_without_a_label_between_two_labels_is_shown(mixed):
    pieces = mixed.pieces()
    cluster = pieces.set_index("path")["cluster"]
    wanted = [path for path in cluster.index if path.endswith(("/c.mid", "/e.mid"))]
    assert cluster[wanted].nunique() == 1
    # As if another piece with another label were in the cluster.
    pieces.loc[pieces["path"].str.endswith("/d.mid"), "cluster"] = cluster[wanted[0]]
    pairs = {(row.label, row.other) for row in mixed_labels(mixed, pieces)}
    assert (NO_LABEL, "Zelenka") in pairs


def test_the_card_shows_the_evidence_and_the_files_of_notices(mixed):
    page = render_card(mixed)
    text = html.unescape(" ".join(re.sub("<[^>]+>", " ", page.split("<main>")[1]).split()))
    for words in (
        "2 duplicate clusters contain more than one label",
        "Bach Liszt a.mid higher.mid same music:",
        "onsets (100%) in the same order, 100% of the fingerprint shared, 3 semitones higher",
        "Zelenca (1) and Zelenka (1) may be one label",
        "Zelenca: 1 file all/Zelenca/d.mid",
        "Zelenka: 1 file all/Zelenka/c.mid",
        "2 clusters of the same music hold more than one label",
    ):
        assert words in text
    assert "<details>" in page


SAME = {"kind": "same music", "shared": 0.375}


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"kind": "same bytes", "shared": 1.0}, "same bytes"),
        (SAME, "same music: 38% of the fingerprint shared"),
        (SAME | {"semitones": -1}, "same music: 38% of the fingerprint shared, 1 semitone lower"),
        (SAME | {"semitones": 0}, "same music: 38% of the fingerprint shared, in the same key"),
    ],
)
def test_evidence_is_told_in_words(evidence, words):
    assert Evidence(**evidence).words == words


def test_onsets_in_order_are_told_as_a_share():
    told = Evidence(**SAME, in_order=1200.4, onsets=1500).words
    assert told.startswith("same music: 1,200 of 1,500 onsets (80%) in the same order, 38% of")
    # Chains may count an onset beyond those covered.
    assert "100 of 100 onsets (100%)" in Evidence(**SAME, in_order=101.5, onsets=100).words
