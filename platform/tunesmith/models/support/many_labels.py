"""Logistic regression on more labels than it answers with: each stands for one of the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.support.numeric import Graph, GraphModel, at_most, softmax, softmax_regression
from tunesmith.models.support.scaling import standard_scale, standardise

__all__ = ["FittedManyLabels", "fit_many_labels"]

# Deviations at which a column counts as far away; one wild value must not decide.
_FARTHEST = 4.0
_LEAST = 1e-9
# Divided by the number of columns, for so much do the squares of a row sum up to.
_WEIGHT_OF_ROWS = 10.0
_MOST_ITERATIONS = 120


class FittedManyLabels(GraphModel):
    """The probability of a class is the sum of those of its labels.

    ``weight`` ``[features, labels]``, ``bias`` ``[labels]``, and ``stands_for`` ``[labels,
    classes]``, which has a 1 at the class of each label.
    """

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the logarithms of the sums."""
        arrays = self.arrays
        rows = _scaled(x, arrays["mean"], arrays["scale"])
        of_labels = softmax(rows @ arrays["weight"] + arrays["bias"])
        return np.log(np.maximum(of_labels @ arrays["stands_for"], np.float32(_LEAST)))

    def logits_graph(self, graph: Graph) -> str:
        """Add the same."""
        arrays = self.arrays
        scaled = graph.standardised(arrays["mean"], arrays["scale"])
        rows = graph.add("Clip", scaled, graph.constant(-_FARTHEST), graph.constant(_FARTHEST))
        weight, bias = graph.constant(arrays["weight"]), graph.constant(arrays["bias"])
        of_labels = graph.add("Softmax", graph.add("Gemm", rows, weight, bias), axis=1)
        summed = graph.add("MatMul", of_labels, graph.constant(arrays["stands_for"]))
        return graph.add("Log", graph.add("Max", summed, graph.constant(_LEAST)))


def fit_many_labels(
    x: npt.NDArray[Any],
    label: npt.NDArray[np.int64],
    class_of: Sequence[int],
    view: str,
    classes: tuple[str, ...],
    *,
    threads: int = 1,
) -> FittedManyLabels:
    """Fit a label's weights with a strong penalty, for rows are few and labels many.

    Parameters
    ----------
    x, label
        Rows ``[rows, features]`` and the label of each; NaN is the mean of its column.
    class_of
        Class that each label stands for.
    view
        Name of the view that the rows are of.
    classes
        Names of the classes.
    threads
        Threads of training.
    """
    mean, scale = standard_scale(x)
    with at_most(threads):
        weight, bias = softmax_regression(
            _scaled(x, mean, scale),
            label,
            len(class_of),
            C=_WEIGHT_OF_ROWS / x.shape[1],
            max_iter=_MOST_ITERATIONS,
        )
    stands_for = np.eye(len(classes), dtype=np.float32)[np.asarray(class_of)]
    arrays = {
        "mean": mean, "scale": scale, "weight": weight, "bias": bias, "stands_for": stands_for,
    }  # fmt: skip
    return FittedManyLabels(arrays, view, classes)


def _scaled(
    x: npt.NDArray[Any], mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    clipped = np.clip(standardise(x, mean, scale), -_FARTHEST, _FARTHEST)
    return np.asarray(clipped, dtype=np.float32)
