"""Support vector machines with a Gaussian kernel, one a class, made into probabilities together.

scikit-learn's own probabilities of several classes need an iterative coupling that ONNX has in one
runtime only. Here the machines' decisions on held-out thirds are calibrated by one softmax, so the
whole model is two matrix products and an exponential.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources, SingleStepFamily, class_weights
from tunesmith.models.support.kernels import gaussian_kernel, kernel_graph
from tunesmith.models.support.numeric import Graph, GraphModel, at_most, softmax_regression
from tunesmith.models.support.scaling import min_max_scale, standard_scale, standardise

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "FittedSvm", "Svm"]

_THIRDS = 3
_MOST_KERNEL_ROWS = 6_000
"""Rows whose kernel is computed once, 144 MB: sixteen machines of four classes share it."""
_BLOCK_ROWS = 500


class FittedSvm(GraphModel):
    """Support vectors of all classes, and their weights after calibration."""

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the kernel between rows and support vectors, times the weights."""
        a = self.arrays
        rows = standardise(x, a["mean"], a["scale"])
        kernel = gaussian_kernel(rows, a["support"], a["gamma"])
        return kernel @ a["weight"] + a["bias"]

    def logits_graph(self, graph: Graph) -> str:
        """Add the kernel and the product."""
        rows = graph.standardised(self.arrays["mean"], self.arrays["scale"])
        return kernel_graph(graph, rows, self.arrays)


class Svm(SingleStepFamily):
    """One-against-rest machines on standardised features; a single step."""

    name = "svm"
    view = "features"
    resources = Resources(memory_bytes=800_000_000)

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest the scaling, the penalty, the kernel's width for a feature and class balance."""
        return {
            "scaling": trial.suggest_categorical("scaling", ["standard", "minmax"]),
            "C": trial.suggest_float("C", 0.1, 100, log=True),
            "gamma": trial.suggest_float("gamma", 0.01, 10, log=True),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return scikit-learn's usual width with a larger penalty for errors."""
        return {"scaling": "standard", "C": 5.0, "gamma": 1.0, "balance": 0.5}

    def fit_once(
        self, params: Params, train: "Examples", *, seed: int, threads: int = 1
    ) -> FittedSvm:
        """Fit the machines on all rows, and the calibration on decisions for held-out thirds."""
        view = train.view(self.view)
        y = train.y[view.item]
        n_classes = len(train.classes)
        mean, scale = _scale(view.x, params["scaling"])
        rows = standardise(view.x, mean, scale)
        # Distances grow with the number of features; so one range of widths suits any table.
        gamma = np.float32(params["gamma"] / rows.shape[1])
        weights = class_weights(y, n_classes, params["balance"])
        machines = _Machines(rows, y, weights, params["C"], gamma, n_classes)
        with at_most(threads):
            slope, intercept = machines.calibration(seed)
            support, weight, bias = machines.fitted(np.ones(len(y), dtype=bool))
        arrays = {
            "mean": mean,
            "scale": scale,
            "gamma": np.asarray(gamma),
            "support": support,
            "weight": (weight @ slope).astype(np.float32),
            "bias": (bias @ slope + intercept).astype(np.float32),
        }
        return FittedSvm(arrays, self.view, train.classes)

    def load(self, folder: Path) -> FittedSvm:
        """Return the model in `folder`."""
        return FittedSvm.load(folder)


def _scale(
    x: npt.NDArray[Any], scaling: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what is subtracted from each column and what it is divided by.

    By its range instead of its deviation, a column that is nearly always the same, such as a pixel
    at the edge, stays small where it is not. The mean variance of the columns is 1 either way.
    """
    mean, deviation = standard_scale(x)
    if scaling == "standard":
        return mean, deviation
    _, spread = min_max_scale(x)
    mean_variance = float(((deviation / spread) ** 2).mean())
    return mean, (spread * np.sqrt(max(mean_variance, 1e-12))).astype(np.float32)


@dataclass(frozen=True)
class _Machines:
    """One-against-rest machines that share their rows."""

    rows: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    penalty: float
    gamma: np.float32
    n_classes: int

    def fitted(
        self, chosen: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return support vectors, their weight in each class and the biases."""
        from sklearn.svm import SVC

        rows, y, weights = self.rows[chosen], self.y[chosen], self.weights[chosen]
        inputs: npt.NDArray[Any] = rows
        if self._kernel is not None:
            places = np.flatnonzero(chosen)
            inputs = self._kernel[np.ix_(places, places)].astype(np.float64)
        kind = "rbf" if self._kernel is None else "precomputed"
        weight = np.zeros((len(rows), self.n_classes))
        bias = np.full(self.n_classes, -1.0)
        for label in range(self.n_classes):
            is_label = y == label
            if not is_label.any() or is_label.all():
                continue
            machine = SVC(C=self.penalty, kernel=kind, gamma=float(self.gamma), cache_size=500)
            machine.fit(inputs, is_label, sample_weight=weights)
            weight[machine.support_, label] = machine.dual_coef_[0]
            bias[label] = machine.intercept_[0]
        used = (weight != 0).any(axis=1)
        return rows[used], weight[used], bias

    @cached_property
    def _kernel(self) -> npt.NDArray[np.float32] | None:
        """Kernel between all rows; None where there are too many, and each machine has its own."""
        n_rows = len(self.rows)
        if n_rows > _MOST_KERNEL_ROWS:
            return None
        kernel = np.empty((n_rows, n_rows), dtype=np.float32)
        for start in range(0, n_rows, _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            kernel[block] = gaussian_kernel(self.rows[block], self.rows, self.gamma)
        return kernel

    def calibration(self, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the softmax regression from decisions to classes: weights and bias."""
        fold = np.random.default_rng(seed).permutation(len(self.rows)) % _THIRDS
        decisions = np.zeros((len(self.rows), self.n_classes))
        for number in range(_THIRDS):
            support, weight, bias = self.fitted(fold != number)
            held_out = fold == number
            kernel = gaussian_kernel(self.rows[held_out], support, self.gamma)
            decisions[held_out] = kernel @ weight + bias
        return softmax_regression(decisions, self.y, self.n_classes)


FAMILY = Svm()
