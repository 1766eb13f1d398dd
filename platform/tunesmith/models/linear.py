"""Multinomial logistic regression on one row of numbers an item.

On a few hundred pieces a well-regularised linear model of global features is hard to beat.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from tunesmith.models.contract import Family, Resources, Step, class_weights
from tunesmith.models.support.numeric import ArrayModel, Graph, at_most, softmax_regression
from tunesmith.models.support.scaling import standard_scale, standardise

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "FittedLinear", "Linear"]


class FittedLinear(ArrayModel):
    """Weights, and the scaling of the features that is part of the model."""

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the scaled rows times the weights."""
        a = self.arrays
        return standardise(x, a["mean"], a["scale"]) @ a["weight"] + a["bias"]

    def logits_graph(self, graph: Graph) -> str:
        """Add one matrix product."""
        a = self.arrays
        rows = graph.standardised(a["mean"], a["scale"])
        return graph.add("Gemm", rows, graph.constant(a["weight"]), graph.constant(a["bias"]))


class Linear(Family):
    """Logistic regression with an L2 penalty; a single step."""

    name = "linear"
    view = "features"
    resources = Resources(memory_bytes=400_000_000)

    def space(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Suggest the penalty and how far classes are evened out."""
        return {
            "C": trial.suggest_float("C", 1e-4, 30, log=True),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> dict[str, Any]:
        """Return a strong penalty."""
        return {"C": 0.03, "balance": 0.5}

    def fit(
        self,
        params: Mapping[str, Any],
        train: "Examples",
        *,
        seed: int,
        max_steps: int | None = None,
        threads: int = 1,
    ) -> Iterator[Step]:
        """Fit once with L-BFGS."""
        del max_steps, seed
        view = train.view(self.view)
        y = train.y[view.item]
        n_classes = len(train.classes)
        mean, scale = standard_scale(view.x)
        with at_most(threads):
            weight, bias = softmax_regression(
                standardise(view.x, mean, scale),
                y,
                n_classes,
                C=params["C"],
                sample_weight=class_weights(y, n_classes, params["balance"]),
            )
        arrays = {"mean": mean, "scale": scale, "weight": weight, "bias": bias}
        yield Step(1, FittedLinear(arrays, self.view, train.classes))

    def load(self, folder: Path) -> FittedLinear:
        """Return the model in `folder`."""
        return FittedLinear.load(folder)


FAMILY = Linear()
