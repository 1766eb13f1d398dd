"""Gradient-boosted trees on one row of numbers an item (XGBoost)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import (
    Family,
    Fitted,
    Params,
    Probabilities,
    Resources,
    Step,
    class_weights,
)
from tunesmith.models.support.onnx_graphs import OPSET, finish

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "Boosting", "FittedBoosting", "Rows"]

Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float32]]
# Settings that XGBoost itself knows.
_TREES = {
    "learning_rate", "max_depth", "min_child_weight", "subsample", "colsample_bytree",
    "colsample_bynode", "reg_lambda", "reg_alpha",
}  # fmt: skip


class FittedBoosting(Fitted):
    """A trained booster; missing values are NaN and go the way each tree learned for them."""

    def __init__(self, booster: Any, view: str, classes: tuple[str, ...]) -> None:
        self.booster = booster
        self.views = (view,)
        self.classes = classes

    def predict_proba(self, x: Any) -> Probabilities:
        """Return class probabilities of rows ``float32 [rows, features]``."""
        raw = self.booster.inplace_predict(np.ascontiguousarray(x, dtype=np.float32))
        answers = np.asarray(raw, dtype=np.float32)
        if len(self.classes) == 2 and answers.size == len(x):
            # The second class's alone.
            return np.column_stack([1 - answers, answers])
        return answers.reshape(len(x), len(self.classes))

    def save(self, folder: Path) -> None:
        """Write ``booster.ubj`` (XGBoost's own binary JSON) and the names."""
        self.booster.save_model(folder / "booster.ubj")
        about = {"view": self.views[0], "classes": self.classes}
        (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")

    def export_onnx(self, path: Path) -> None:
        """Write the trees as one ONNX ``TreeEnsembleClassifier``."""
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        shape = [None, self.booster.num_features()]
        model = convert_xgboost(
            self.booster,
            initial_types=[(self.views[0], FloatTensorType(shape))],
            target_opset=OPSET,
        )
        finish(
            model,
            path,
            inputs={self.views[0]: self.views[0]},
            output="probabilities",
            n_classes=len(self.classes),
        )


class Boosting(Family):
    """XGBoost, a block of rounds a step.

    Parameters
    ----------
    name, view
        Name of the family and the view it reads.
    rounds_per_step
        Trees of each class that a step adds.
    """

    resources = Resources(cpus=1, memory_bytes=400_000_000)
    max_steps = 40
    patience = 6

    def __init__(self, name: str, view: str, rounds_per_step: int = 25) -> None:
        self.name = name
        self.view = view
        self.rounds_per_step = rounds_per_step
        self.step_unit = f"{rounds_per_step} rounds"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest learning rate, tree shape, sampling, regularisation and class balance."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 9),
            "min_child_weight": trial.suggest_float("min_child_weight", 0.3, 20, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.1, 1.0, log=True),
            "colsample_bynode": trial.suggest_float("colsample_bynode", 0.3, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 20, log=True),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 2, log=True),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return a moderate rate with column sampling, which suits many weak features."""
        return {
            "learning_rate": 0.1,
            "max_depth": 5,
            "min_child_weight": 1.0,
            "subsample": 0.8,
            "colsample_bytree": 0.4,
            "colsample_bynode": 0.6,
            "reg_lambda": 1.0,
            "reg_alpha": 0.001,
            "balance": 0.5,
        }

    def fit(
        self,
        params: Params,
        train: "Examples",
        *,
        seed: int,
        max_steps: int | None = None,
        threads: int = 1,
    ) -> Iterator[Step]:
        """Add `rounds_per_step` rounds a step to the same booster."""
        import xgboost as xgb

        x, y, weight = self.training_rows(params, train)
        settings = {key: value for key, value in params.items() if key in _TREES}
        data = xgb.DMatrix(x, label=y, weight=weight, nthread=threads)
        n_classes = len(train.classes)
        # ONNX Runtime adds up two classes of trees wrongly; one tree for both is half the work.
        objective = (
            {"objective": "binary:logistic"}
            if n_classes == 2
            else {"objective": "multi:softprob", "num_class": n_classes}
        )
        fixed = {
            **objective,
            "tree_method": "hist",
            # Half the time of 256 at the same scores: most features are shares of a few notes.
            "max_bin": 64,
            "seed": seed,
            "nthread": threads,
        }
        booster = xgb.Booster({**settings, **fixed}, [data])
        for step in range(1, (max_steps or self.max_steps) + 1):
            first = (step - 1) * self.rounds_per_step
            for number in range(first, first + self.rounds_per_step):
                booster.update(data, number)
            yield Step(step, FittedBoosting(booster, self.view, train.classes))

    def training_rows(self, params: Params, train: "Examples") -> Rows:
        """Return rows, classes and weights to learn from."""
        view = train.view(self.view)
        y = train.y[view.item]
        weight = class_weights(y, len(train.classes), float(params.get("balance", 0.0)))
        return np.asarray(view.x, dtype=np.float32), y, weight

    def load(self, folder: Path) -> FittedBoosting:
        """Return the booster in `folder`."""
        import xgboost as xgb

        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        booster = xgb.Booster(model_file=folder / "booster.ubj")
        return FittedBoosting(booster, about["view"], tuple(about["classes"]))


FAMILY = Boosting("boosting", "features")
