"""Composer of a piece, among the composers of a MIDI dataset: four in the seed study."""

from tunesmith.store import Store
from tunesmith.tasks._midi import read_pieces
from tunesmith.tasks.contract import Reference, Request, Task, TaskData

__all__ = ["TASK"]

_LEAST_PIECES = 10


def _read(store: Store, request: Request) -> TaskData:
    return read_pieces(store, request, _LEAST_PIECES)


TASK = Task(
    name="composer",
    title="Composer of a piece of music",
    kind="midi",
    families=("boosting_segments", "svm", "boosting", "cnn1d", "notes_rnn", "linear", "cnn2d"),
    metric="macro_f1",
    unit="piece",
    licence=(
        "that of each MIDI file: the music may be in the public domain, a transcription of it has "
        "an author; the dataset's own source says more"
    ),
    protocol="by duplicate cluster: pieces that share bytes, notes or most intervals on one side",
    read=_read,
    ensemble=True,
    reference=Reference(
        "study: 2-D CNN, 3-fold over chunks, pieces on both sides",
        0.7702,
        family="cnn2d",
        params={
            "optimizer": "adam",
            "initializer": "glorot_uniform",
            "dropout": 0.4,
            "batch": 30,
            "learning_rate": 1e-3,
            "transpose_semitones": 0,
            "balance": 0.0,
            "by_item": 0.0,
        },
        is_costly=True,
    ),
)
