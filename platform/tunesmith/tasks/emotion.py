"""Mood of a song from its audio features: Moodify, whose labels are another model's answers."""

from dataclasses import replace

import numpy as np

from tunesmith.artifacts.store import Store
from tunesmith.datasets.splits import split_pieces
from tunesmith.tasks.contract import TABLE_OPTIONS, Reference, Request, Task, TaskData
from tunesmith.tasks.support.songs import Songs, song_table
from tunesmith.tasks.support.tables import Table

__all__ = ["SONGS", "TASK"]

# The term project had happy and sad the wrong way round; this is the data set's own mapping.
_MOODS = {"0": "sad", "1": "happy", "2": "energetic", "3": "calm"}
_TEACHER = (
    "The labels were made by the data set's own LightGBM, not by listeners: "
    "a score is agreement with that model."
)

SONGS = Songs(
    files=("moodify_sample.csv", "278k_labelled_uri.csv", "278k_song_labelled.csv"),
    source="Kaggle, abdullahorzan/moodify-dataset, file 278k_labelled_uri.csv",
    table=Table(target="labels", names=_MOODS),
    sample_classes=("calm", "energetic", "happy", "sad"),
    sample_features=(
        "duration (ms)", "danceability", "energy", "loudness", "speechiness", "acousticness",
        "instrumentalness", "liveness", "valence", "tempo", "spec_rate",
    ),
)  # fmt: skip


def _read(store: Store, request: Request) -> TaskData:
    """Return the table, or the user's own, with a stratified fifth held out."""
    del store
    data, _ = song_table(SONGS, request)
    if not data.is_sample and not request.options.get("csv"):
        data = replace(data, notes=(_TEACHER, *data.notes))
    examples = data.examples
    labels = [examples.classes[index] for index in examples.y]
    shares = {"train": 0.64, "validation": 0.16, "test": 0.2}
    parts = split_pieces(labels, examples.groups, shares, request.seed)
    return replace(data, parts=np.asarray(parts))


TASK = Task(
    name="emotion",
    title="Mood of a song from its audio features",
    kind="table",
    families=("boosting", "mlp", "ann", "svm"),
    metric="accuracy",
    unit="song",
    licence=(
        "see its page on Kaggle; the numbers come from Spotify, whose terms hold for them. Of a "
        "table of your own, what holds for it"
    ),
    read=_read,
    options=TABLE_OPTIONS,
    folds=5,
    ensemble=True,
    reference=Reference(
        "term project: two layers of 16, descent with momentum, a fifth held out",
        0.8394,
        family="ann",
        params={
            "layers": 2,
            "units_0": 16,
            "units_1": 16,
            "dropout": 0.0,
            "dropout_after": "all",
            "optimizer": "momentum",
            "learning_rate": 5e-3,
            "batch": 32,
            "scaling": "standard",
        },
    ),
)
