"""The distance of rows from training rows, as the probability of being near them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.support.numeric import Graph, GraphModel
from tunesmith.models.support.scaling import standard_scale, standardise

__all__ = ["FittedDistance", "fit_distance"]

# Deviations at which a column counts as far away; one wild value must not decide.
_FARTHEST = 5.0
_MOST_COMPONENTS = 60
_ROWS_PER_COMPONENT = 5
_SMALLEST = 1e-6


class FittedDistance(GraphModel):
    """Nearness to training rows: 1 at their mean, 1/2 at their usual distance, 0 far away.

    The distance is Mahalanobis's in the space of the first principal components of the standardised
    columns. It needs no rows of another kind: what is unlike the training rows in any direction is
    far away, even if nothing like it was met.
    """

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the logarithms of nearness and its opposite, up to a constant."""
        arrays = self.arrays
        rows = np.clip(standardise(x, arrays["mean"], arrays["scale"]), -_FARTHEST, _FARTHEST)
        squared = ((rows @ arrays["components"] - arrays["centre"]) ** 2).mean(axis=1)
        far = np.log(np.maximum(squared, np.float32(_SMALLEST)))
        return np.column_stack([np.zeros_like(far), far])

    def logits_graph(self, graph: Graph) -> str:
        """Add the same arithmetic to a graph."""
        arrays = self.arrays
        scaled = graph.standardised(arrays["mean"], arrays["scale"])
        ends = graph.constant(-_FARTHEST), graph.constant(_FARTHEST)
        clipped = graph.add("Clip", scaled, *ends)
        turned = graph.add("MatMul", clipped, graph.constant(arrays["components"]))
        centred = graph.add("Sub", turned, graph.constant(arrays["centre"]))
        squared = graph.add("Mul", centred, centred)
        mean = graph.add("ReduceMean", squared, axes=[1], keepdims=1)
        far = graph.add("Log", graph.add("Max", mean, graph.constant(_SMALLEST)))
        none = graph.add("Mul", far, graph.constant(0.0))
        return graph.add("Concat", none, far, axis=1)


def fit_distance(x: npt.NDArray[Any], view: str, classes: tuple[str, str]) -> FittedDistance:
    """Return the distance from rows.

    Parameters
    ----------
    x
        Training rows, ``float [rows, columns]``; NaN is the mean of its column.
    view
        Name of the view that they are of.
    classes
        Names for near and far.
    """
    mean, scale = standard_scale(x)
    rows = np.clip(standardise(x, mean, scale), -_FARTHEST, _FARTHEST).astype(np.float64)
    centre = rows.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(rows.T, bias=True).reshape(len(centre), -1))
    deviations, axes = np.sqrt(np.maximum(variances[::-1], 0.0)), axes[:, ::-1]
    kept = min(
        _MOST_COMPONENTS,
        max(len(rows) // _ROWS_PER_COMPONENT, 1),
        max(int((deviations > 1e-3 * deviations[0]).sum()), 1),
    )
    components = axes[:, :kept] / np.maximum(deviations[:kept], _SMALLEST)
    arrays = {
        "mean": mean,
        "scale": scale,
        "components": components.astype(np.float32),
        "centre": (centre @ components).astype(np.float32),
    }
    return FittedDistance(arrays, view, classes)
