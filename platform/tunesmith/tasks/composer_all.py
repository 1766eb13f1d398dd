"""Composer of a piece among all that have enough of them: the seed study's sweep of thresholds.

The study counted the folder of augmented files as one of its composers, and trained its 14-class
and 2-class models on the 49-class frame by mistake. Here augmentation happens while training, and
every threshold has data of its own.
"""

from tunesmith.tasks.contract import PIECE_OPTIONS, Reference, Task
from tunesmith.tasks.support.eras import composers_by_era
from tunesmith.tasks.support.pieces import LICENCE, read_pieces

__all__ = ["TASK"]

TASK = Task(
    name="composer_all",
    title="Composer of a piece of music, among all composers of a collection",
    kind="midi",
    families=(
        "ngrams_linear",
        "linear",
        "piece_mlp",
        "svm",
        "boosting",
        "cnn1d",
        "notes_rnn",
        "cnn2d",
    ),
    metric="accuracy",
    unit="piece",
    licence=LICENCE,
    read=read_pieces,
    options=PIECE_OPTIONS,
    ensemble=True,
    class_groups=composers_by_era,
    reference=Reference("study: 2-D CNN, 49 classes with 0.1 % of the chunks or more", 0.4953),
)
