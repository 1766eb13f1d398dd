"""Gradient-boosted trees that also learn from random segments of the training pieces.

They are judged, and used, on whole pieces; the segments show the trees what chance there is in a
feature of few notes.
"""

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.models.boosting import Boosting, Rows
from tunesmith.models.contract import Params, class_weights

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "BoostingSegments"]


class BoostingSegments(Boosting):
    """`Boosting` on the pieces and on the views ``segments`` and ``segments_transposed``."""

    learns_from = ("segments", "segments_transposed")

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest what `Boosting` suggests, and which segments count how much."""
        return {
            **super().space(trial),
            "transposed": trial.suggest_categorical("transposed", [True, False]),
            "segment_weight": trial.suggest_float("segment_weight", 0.3, 3.0, log=True),
        }

    def default(self) -> Params:
        """Return `Boosting`'s default with segments that count as much as their piece."""
        return {**super().default(), "transposed": True, "segment_weight": 1.0}

    def training_rows(self, params: Params, train: "Examples") -> Rows:
        """Return the pieces' rows and their segments'."""
        whole = train.view(self.view)
        names = self.learns_from if params["transposed"] else self.learns_from[:1]
        views = [train.view(name) for name in names]
        item = np.concatenate([whole.item, *(view.item for view in views)])
        n_segments = len(item) - len(whole)
        of_segment = params["segment_weight"] * len(whole) / max(n_segments, 1)
        weight = np.where(np.arange(len(item)) < len(whole), 1.0, of_segment)
        y = train.y[item]
        by_class = class_weights(y, len(train.classes), params["balance"])
        return (
            np.concatenate([whole.x, *(view.x for view in views)]),
            y,
            np.asarray(weight * by_class, dtype=np.float32),
        )


FAMILY = BoostingSegments("boosting_segments", "features")
