"""Composer of a piece among all that have enough of them: the seed study's sweep of thresholds.

The study counted the folder of augmented files as one of its composers, and trained its 14-class
and 2-class models on the 49-class frame by mistake. Here augmentation happens while training, and
every threshold has data of its own.
"""

from tunesmith.store import Store
from tunesmith.tasks._midi import read_pieces
from tunesmith.tasks.contract import Reference, Request, Task, TaskData

__all__ = ["TASK"]

_LEAST_PIECES = 10


def _read(store: Store, request: Request) -> TaskData:
    return read_pieces(store, request, _LEAST_PIECES)


TASK = Task(
    name="composer_all",
    title="Composer of a piece of music, among all composers of a collection",
    kind="midi",
    families=("svm", "boosting_segments", "linear", "boosting", "cnn1d", "notes_rnn", "cnn2d"),
    metric="accuracy",
    unit="piece",
    licence=(
        "that of each MIDI file: the music may be in the public domain, a transcription of it has "
        "an author; the dataset's own source says more"
    ),
    protocol="by duplicate cluster: pieces that share bytes, notes or most intervals on one side",
    read=_read,
    ensemble=True,
    reference=Reference("study: 2-D CNN, 49 classes with 0.1 % of the chunks or more", 0.4953),
)
