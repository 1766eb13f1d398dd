"""Each field of an answer is a column, whether models give it or not."""

import numpy as np

from tunesmith.inference.predictions import Prediction
from tunesmith.midi.score import Transcription
from tunesmith.scoring.columns import Counts, Fault, Scored, score_table

CLASSES = ("Bach", "Chopin")
SHARES = np.array([0.25, 0.75], np.float32)


def test_answers_of_models_with_and_without_a_detector_share_their_columns() -> None:
    detected = Prediction(
        CLASSES, SHARES, known=0.5, none_of_these=True, labels_90=("Bach", "Chopin"),
        transcription=Transcription(certainty=0.5, heard_s=30),
    )  # fmt: skip
    items = [
        Scored("a.mid", detected, sha256="aa", same_music_as="bwv846.mid"),
        Scored("b.mid", Prediction(CLASSES, SHARES)),
        Scored("t.csv", Fault("invalid", "The row lacks x."), row=3, id="seven"),
    ]
    table = score_table(items, CLASSES, has_ids=True)
    assert table.to_pylist() == [
        {
            "path": "a.mid", "row": None, "id": None, "label": "Chopin", "probability": 0.75,
            "none_of_these": True, "known": 0.5, "labels_90": ["Bach", "Chopin"],
            "certainty": 0.5, "same_music_as": "bwv846.mid", "p_Bach": 0.25, "p_Chopin": 0.75,
            "reason": None, "error": None, "sha256": "aa",
        },
        {
            "path": "b.mid", "row": None, "id": None, "label": "Chopin", "probability": 0.75,
            "none_of_these": None, "known": None, "labels_90": None, "certainty": None,
            "same_music_as": None, "p_Bach": 0.25, "p_Chopin": 0.75, "reason": None,
            "error": None, "sha256": None,
        },
        {
            "path": "t.csv", "row": 3, "id": "seven", "label": None, "probability": None,
            "none_of_these": None, "known": None, "labels_90": None, "certainty": None,
            "same_music_as": None, "p_Bach": None, "p_Chopin": None,
            "reason": "invalid", "error": "The row lacks x.", "sha256": None,
        },
    ]  # fmt: skip
    alone = score_table(items[2:], CLASSES, has_ids=True)
    assert alone.schema == table.schema
    counts = Counts.of(table)
    assert (dict(counts.labels), dict(counts.failures)) == ({"Chopin": 2}, {"invalid": 1})
    assert counts.same_music == 1
