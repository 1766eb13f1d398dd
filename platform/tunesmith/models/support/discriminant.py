"""Linear discriminant analysis on more labels than it answers with: each stands for a class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.support.numeric import Graph, GraphModel, at_most, softmax
from tunesmith.models.support.scaling import standard_scale, standardise

__all__ = ["FittedDiscriminant", "fit_discriminant"]

# Deviations at which a column counts as far away; one wild value must not decide.
_FARTHEST = 4.0
_LEAST = 1e-9
# Share of the covariance that is replaced by its mean variance: columns are many, and alike.
_SHRUNK = 0.1
# Columns are not normally distributed: differences of logarithms are about three times too large.
_SHARPNESS = 0.3


class FittedDiscriminant(GraphModel):
    """The probability of a class is the sum of those of its labels.

    ``weight`` ``[features, labels]``, ``bias`` ``[labels]``, and ``stands_for`` ``[labels,
    classes]``, which has a 1 at the class of each label.
    """

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the logarithms of the sums."""
        arrays = self.arrays
        rows = _scaled(x, arrays["mean"], arrays["scale"])
        of_labels = softmax(rows @ arrays["weight"] + arrays["bias"])
        summed = of_labels @ arrays["stands_for"]
        return np.asarray(np.log(np.maximum(summed, np.float32(_LEAST))))

    def logits_graph(self, graph: Graph) -> str:
        """Add the same."""
        arrays = self.arrays
        scaled = graph.standardised(arrays["mean"], arrays["scale"])
        rows = graph.add("Clip", scaled, graph.constant(-_FARTHEST), graph.constant(_FARTHEST))
        weight, bias = graph.constant(arrays["weight"]), graph.constant(arrays["bias"])
        of_labels = graph.add("Softmax", graph.add("Gemm", rows, weight, bias), axis=1)
        summed = graph.add("MatMul", of_labels, graph.constant(arrays["stands_for"]))
        return graph.add("Log", graph.add("Max", summed, graph.constant(_LEAST)))


def fit_discriminant(
    x: npt.NDArray[Any],
    label: npt.NDArray[np.int64],
    class_of: Sequence[int],
    prior: npt.ArrayLike,
    *,
    view: str,
    classes: tuple[str, ...],
    threads: int = 1,
) -> FittedDiscriminant:
    """Tell labels apart by their means and the covariance that they have in common.

    There is no training by steps: it takes a fraction of a second where logistic regression on a
    hundred labels takes half a minute.

    Parameters
    ----------
    x, label
        Rows ``[rows, features]`` and the label of each; NaN is the mean of its column. A label
        without a row is taken for one in their middle.
    class_of
        Class that each label stands for.
    prior
        Probability of each class, shared evenly by its labels. Numbers of rows count for nothing.
    view
        Name of the view that the rows are of.
    classes
        Names of the classes.
    threads
        Threads of training.
    """
    mean, scale = standard_scale(x)
    stands_for = np.eye(len(classes), dtype=np.float32)[np.asarray(class_of)]
    with at_most(threads):
        rows = _scaled(x, mean, scale).astype(np.float64)
        is_of_label = np.eye(len(class_of))[label]
        means = (is_of_label.T @ rows) / np.maximum(is_of_label.sum(axis=0), 1)[:, None]
        rows -= means[label]
        covariance = rows.T @ rows / max(len(rows) - len(class_of), 1)
        variance = max(np.trace(covariance) / len(covariance), _LEAST)
        covariance = (1 - _SHRUNK) * covariance + _SHRUNK * variance * np.eye(len(covariance))
        weight = np.linalg.solve(covariance, means.T)
    weight *= _SHARPNESS
    of_label = stands_for @ (np.asarray(prior) / stands_for.sum(axis=0))
    bias = np.log(of_label) - (means.T * weight).sum(axis=0) / 2
    arrays = {
        "mean": mean,
        "scale": scale,
        "weight": weight.astype(np.float32),
        "bias": bias.astype(np.float32),
        "stands_for": stands_for,
    }
    return FittedDiscriminant(arrays, view, classes)


def _scaled(
    x: npt.NDArray[Any], mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    clipped = np.clip(standardise(x, mean, scale), -_FARTHEST, _FARTHEST)
    return np.asarray(clipped, dtype=np.float32)
