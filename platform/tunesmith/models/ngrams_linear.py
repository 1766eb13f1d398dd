"""Multinomial logistic regression on the n-grams of a piece.

What it reads does not depend on key, tempo, loudness or the grid of a file, so that it hears the
same in a score and in a performance of it. It is often a little behind trees of musical features in
the collection that it learned from, and ahead of them elsewhere; an ensemble of both has the better
of each.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources, SingleStepFamily, class_weights
from tunesmith.models.support.numeric import Graph, GraphModel, at_most, softmax_regression

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "FittedNgramsLinear", "NgramsLinear"]

_SMALLEST_NORM = 1e-6
_BLOCK_ROWS = 1024


class FittedNgramsLinear(GraphModel):
    """A weight for every slot and class; ``weight`` ``[slots, classes]``, ``bias`` ``[classes]``.

    The logarithms of the counts are scaled to a row of length 1: a long piece has no more to say
    than a short one.
    """

    view_type = Graph.UINT8

    @property
    def n_features(self) -> int:
        """Slots of the counts."""
        return len(self.arrays["weight"])

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the scaled rows times the weights."""
        parts = [
            _scaled(x[begin : begin + _BLOCK_ROWS]) @ self.arrays["weight"]
            for begin in range(0, len(x), _BLOCK_ROWS)
        ]
        empty = np.empty((0, len(self.classes)), dtype=np.float32)
        return np.concatenate([empty, *parts]) + self.arrays["bias"]

    def logits_graph(self, graph: Graph) -> str:
        """Add the same."""
        counts = graph.add("Cast", graph.view, to=graph.FLOAT)
        logs = graph.add("Log", graph.add("Add", counts, graph.constant(1.0)))
        norm = graph.add("ReduceL2", logs, axes=[1], keepdims=1)
        rows = graph.add("Div", logs, graph.add("Max", norm, graph.constant(_SMALLEST_NORM)))
        a = self.arrays
        return graph.add("Gemm", rows, graph.constant(a["weight"]), graph.constant(a["bias"]))


class NgramsLinear(SingleStepFamily):
    """Logistic regression with an L2 penalty on scaled counts; a single step."""

    name = "ngrams_linear"
    view = "ngrams"
    resources = Resources(memory_bytes=800_000_000)

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest the penalty and how far classes are evened out."""
        return {
            "C": trial.suggest_float("C", 3, 300, log=True),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return a weak penalty: rows have length 1."""
        return {"C": 50.0, "balance": 0.5}

    def fit_once(
        self, params: Params, train: "Examples", *, seed: int, threads: int = 1
    ) -> FittedNgramsLinear:
        """Fit once with L-BFGS."""
        del seed
        view = train.view(self.view)
        y = train.y[view.item]
        n_classes = len(train.classes)
        with at_most(threads):
            weight, bias = softmax_regression(
                _sparse(view.x),
                y,
                n_classes,
                C=params["C"],
                sample_weight=class_weights(y, n_classes, params["balance"]),
            )
        arrays = {"weight": weight, "bias": bias}
        return FittedNgramsLinear(arrays, self.view, train.classes)

    def load(self, folder: Path) -> FittedNgramsLinear:
        """Return the model in `folder`."""
        return FittedNgramsLinear.load(folder)


def _scaled(counts: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the logarithms of counts, each row of length 1."""
    logs = np.log1p(counts, dtype=np.float32)
    norm: npt.NDArray[np.float32] = np.linalg.norm(logs, axis=1, keepdims=True)
    return np.asarray(logs / np.maximum(norm, _SMALLEST_NORM), dtype=np.float32)


def _sparse(counts: npt.NDArray[np.uint8]) -> Any:
    """Return the scaled counts as a sparse matrix, block by block: most are 0."""
    from scipy import sparse

    blocks = [
        sparse.csr_matrix(_scaled(counts[begin : begin + _BLOCK_ROWS]))
        for begin in range(0, len(counts), _BLOCK_ROWS)
    ]
    return sparse.vstack(blocks, format="csr")


FAMILY = NgramsLinear()
