"""Multinomial logistic regression on one row of numbers an item.

On a few hundred pieces a well-regularised linear model of global features is hard to beat.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources, SingleStepFamily, class_weights
from tunesmith.models.support.numeric import ArrayModel, at_most, softmax_regression
from tunesmith.models.support.onnx_graphs import ML_OPSET, OPSET, finish
from tunesmith.models.support.scaling import standard_scale, standardise

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "FittedLinear", "Linear"]


class FittedLinear(ArrayModel):
    """A linear model of scaled features: weights, and the scaling, which is part of the model.

    Its arrays are ``mean`` and ``scale`` ``[features]``, ``weight`` ``[features, classes]`` and
    ``bias`` ``[classes]``. A missing value counts as the mean.
    """

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the scaled rows times the weights."""
        a = self.arrays
        return standardise(x, a["mean"], a["scale"]) @ a["weight"] + a["bias"]

    def export_onnx(self, path: Path) -> None:
        """Write scaling, filling of missing values and regression through skl2onnx."""
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        view = self.views[0]
        model = to_onnx(
            self._pipeline(),
            initial_types=[(view, FloatTensorType([None, self.n_features]))],
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            options={"zipmap": False},
        )
        n_classes = len(self.classes)
        finish(model, path, inputs={view: view}, output="probabilities", n_classes=n_classes)

    def _pipeline(self) -> Any:
        """Return the same model as scikit-learn's own objects."""
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        mean, scale, weight, bias = (
            self.arrays[name].astype(np.float64) for name in ("mean", "scale", "weight", "bias")
        )
        scaler = StandardScaler()
        scaler.mean_, scaler.scale_, scaler.var_ = mean, scale, scale**2
        scaler.n_features_in_ = self.n_features
        # A missing value becomes the mean, which is 0 after scaling.
        zeros = np.zeros((1, self.n_features), dtype=np.float32)
        imputer = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
        imputer.fit(zeros)
        regression = LogisticRegression()
        regression.classes_ = np.arange(len(self.classes))
        regression.n_features_in_ = self.n_features
        regression.coef_, regression.intercept_ = weight.T, bias
        if len(self.classes) == 2:
            # One row of coefficients: the log odds of the second class.
            regression.coef_ = weight.T[1:] - weight.T[:1]
            regression.intercept_ = bias[1:] - bias[:1]
        return make_pipeline(scaler, imputer, regression)


class Linear(SingleStepFamily):
    """Logistic regression with an L2 penalty; a single step."""

    name = "linear"
    view = "features"
    resources = Resources(memory_bytes=400_000_000)

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest the penalty and how far classes are evened out."""
        return {
            "C": trial.suggest_float("C", 1e-4, 30, log=True),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return a strong penalty."""
        return {"C": 0.03, "balance": 0.5}

    def fit_once(
        self, params: Params, train: "Examples", *, seed: int, threads: int = 1
    ) -> FittedLinear:
        """Fit once with L-BFGS."""
        del seed
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
        return FittedLinear(arrays, self.view, train.classes)

    def load(self, folder: Path) -> FittedLinear:
        """Return the model in `folder`."""
        return FittedLinear.load(folder)


FAMILY = Linear()
