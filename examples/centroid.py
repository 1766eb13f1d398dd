"""The class with the nearest mean, as a softmax of distances."""

from pathlib import Path

import numpy as np
import optuna

from tunesmith.models import (
    FittedLinear,
    Params,
    SingleStepFamily,
    standard_scale,
    standardise,
)
from tunesmith.tasks import Examples


class Centroid(SingleStepFamily):
    """Nearest class mean of standardised features."""

    name = "centroid"
    view = "features"

    def space(self, trial: optuna.Trial) -> Params:
        """Suggest how fast the probability falls with the distance."""
        return {"sharpness": trial.suggest_float("sharpness", 0.01, 10.0, log=True)}

    def default(self) -> Params:
        """Return a moderate sharpness."""
        return {"sharpness": 0.5}

    def fit_once(
        self, params: Params, train: Examples, *, seed: int, threads: int = 1
    ) -> FittedLinear:
        """Compute the means; the squared distance less |x|² is linear in x."""
        del seed, threads
        view = train.view(self.view)
        y = train.y[view.item]
        mean, scale = standard_scale(view.x)
        x = standardise(view.x, mean, scale)
        centres = np.zeros((len(train.classes), x.shape[1]))
        for label in np.unique(y):
            centres[label] = x[y == label].mean(axis=0)
        sharpness = params["sharpness"]
        arrays = {
            "mean": mean,
            "scale": scale,
            "weight": (2 * sharpness * centres.T).astype(np.float32),
            "bias": (-sharpness * (centres**2).sum(axis=1)).astype(np.float32),
        }
        return FittedLinear(arrays, self.view, train.classes)

    def load(self, folder: Path) -> FittedLinear:
        """Return the model in `folder`."""
        return FittedLinear.load(folder)


FAMILY = Centroid()
