"""A multi-layer perceptron as tables want it today.

Numbers are encoded piecewise linearly over their quantiles (Gorishniy et al., 2022), which lets a
network bend a single number as trees do, and several members share all weights but a scale of their
inputs and their last layer (TabM, Gorishniy et al., 2025), each trained on its own loss.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, Recipe, adamw, centred
from tunesmith.models.support.scaling import standard_scale

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "Mlp", "answers_of_members", "quantile_bins"]

# Of a column's standard deviation.
_LEAST_WIDTH = 1e-3


class Mlp(NetworkFamily):
    """Quantile encoding, shared layers, one or more members."""

    name = "mlp"
    view = "features"
    resources = Resources(gpu_fraction=0.2, memory_bytes=1_500_000_000)
    max_steps = 30
    patience = 8
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest encoding, shape, members, regularisation and optimisation."""
        return {
            "bins": trial.suggest_categorical("bins", [0, 8, 16, 32]),
            "members": trial.suggest_categorical("members", [1, 4, 8]),
            "layers": trial.suggest_int("layers", 1, 4),
            "units": trial.suggest_int("units", 64, 384, step=64),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-5, 0.3, log=True),
            "batch": trial.suggest_categorical("batch", [64, 128, 256]),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return two layers of 256 for four members on 16 bins."""
        return {
            "bins": 16,
            "members": 4,
            "layers": 2,
            "units": 256,
            "dropout": 0.3,
            "learning_rate": 2e-3,
            "weight_decay": 0.02,
            "batch": 128,
            "balance": 0.0,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for rows ``float32 [rows, features]``, and its members."""
        layers = keras.layers
        mean, spread = standard_scale(x)
        inputs = keras.Input(x.shape[1:], dtype="float32", name=self.view)
        h = centred(keras, inputs, mean, spread)
        if params["bins"]:
            h = layers.Concatenate()([h, _encoded(keras, inputs, x, params["bins"])])
        answers = answers_of_members(keras, h, params, n_classes)
        model = keras.Model(inputs, layers.GlobalAveragePooling1D()(answers))
        return model, keras.Model(inputs, answers)

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return AdamW on a cosine schedule."""
        return Recipe(
            optimizer=adamw(keras, params["learning_rate"], params["weight_decay"]),
            batch=params["batch"],
        )


def answers_of_members(keras: Any, h: Any, params: Params, n_classes: int) -> Any:
    """Return the probabilities that members give for rows, ``[rows, members, classes]``.

    `params` has ``members``, ``layers``, ``units`` and ``dropout``.
    """
    layers, members = keras.layers, params["members"]
    h = layers.RepeatVector(members)(h)
    if members > 1:
        # Each member sees the inputs scaled its own way; elsewhere the weights are shared.
        h = layers.EinsumDense(
            "rmf,mf->rmf",
            output_shape=(members, h.shape[-1]),
            kernel_initializer=keras.initializers.RandomNormal(1.0, 0.3),
        )(h)
    for _ in range(params["layers"]):
        h = layers.Dense(params["units"], activation="relu")(h)
        h = layers.Dropout(params["dropout"])(h)
    logits = layers.EinsumDense("rmf,mfc->rmc", output_shape=(members, n_classes), bias_axes="mc")
    return layers.Softmax()(logits(h))


def quantile_bins(
    x: npt.NDArray[Any], n_bins: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the lower edge and width of each column's quantile bins, ``[features, bins]``.

    A column of few values has bins without width; there the encoding is a steep ramp.
    """
    edges = np.nan_to_num(np.nanquantile(x, np.linspace(0, 1, n_bins + 1), axis=0).T)
    _, spread = standard_scale(x)
    width = np.maximum(np.diff(edges, axis=1), _LEAST_WIDTH * spread[:, None])
    return edges[:, :-1].astype(np.float32), width.astype(np.float32)


def _encoded(keras: Any, inputs: Any, x: npt.NDArray[Any], n_bins: int) -> Any:
    """Return how far each number has come through each of its bins, 0 to 1; 0 where missing."""
    layers, ops = keras.layers, keras.ops
    lower, width = quantile_bins(x, n_bins)
    repeated = ops.repeat(ops.expand_dims(inputs, -1), n_bins, axis=-1)
    through = layers.ReLU(max_value=1.0)(centred(keras, repeated, lower, width))
    return layers.Flatten()(through)


FAMILY = Mlp()
