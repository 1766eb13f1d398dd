"""A multi-layer perceptron on the musical features of a piece and its n-grams together.

Trees of features know a collection best, n-grams hear the same in a score and in a performance of
it; a network that learns from both, and from simulated copies, weighs them against each other in
every piece. As in `tunesmith.models.mlp`, several members share all weights but a scale of their
inputs and their last layer (TabM, Gorishniy et al., 2025).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources
from tunesmith.models.mlp import answers_of_members
from tunesmith.models.support.networks import NetworkFamily, Recipe, adamw, centred
from tunesmith.models.support.scaling import standard_scale

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import JoinedRows

__all__ = ["FAMILY", "PieceMlp"]

# Numbers that the hashed slots are added up to: a network of all slots learns no better and takes
# eight times as long.
_FOLDED = 2048
_SMALLEST_NORM = 1e-6
# Standard deviations: music from elsewhere has features far outside those of the training pieces.
_FARTHEST = 5.0


class PieceMlp(NetworkFamily):
    """Shared layers, one or more members, on standardised features and folded n-grams."""

    name = "piece_mlp"
    view = "features+ngrams"
    resources = Resources(gpu_fraction=0.2, memory_bytes=1_800_000_000)
    max_steps = 20
    patience = 8
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest shape, members, regularisation and optimisation."""
        return {
            "members": trial.suggest_categorical("members", [2, 4, 8]),
            "layers": trial.suggest_int("layers", 1, 3),
            "units": trial.suggest_int("units", 64, 256, step=64),
            "dropout": trial.suggest_float("dropout", 0.2, 0.7),
            "input_dropout": trial.suggest_float("input_dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
            "batch": trial.suggest_categorical("batch", [64, 128, 256]),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return two layers of 128 for four members, strongly regularised."""
        return {
            "members": 4,
            "layers": 2,
            "units": 128,
            "dropout": 0.5,
            "input_dropout": 0.2,
            "learning_rate": 2e-3,
            "weight_decay": 0.02,
            "batch": 128,
            "balance": 0.5,
        }

    def build(self, keras: Any, params: Params, x: "JoinedRows", n_classes: int) -> tuple[Any, Any]:
        """Return the network for the rows of both views, and its members on `training_rows`."""
        layers, ops = keras.layers, keras.ops
        rows = self.training_rows(x)
        mean, spread = standard_scale(rows)
        inputs = keras.Input(rows.shape[1:], dtype="float32")
        h = ops.clip(centred(keras, inputs, mean, spread), -_FARTHEST, _FARTHEST)
        h = layers.Dropout(params["input_dropout"])(h)
        members = keras.Model(inputs, answers_of_members(keras, h, params, n_classes))
        features = keras.Input(x.arrays["features"].shape[1:], dtype="float32", name="features")
        counts = keras.Input(x.arrays["ngrams"].shape[1:], dtype="uint8", name="ngrams")
        logs = ops.log(ops.cast(counts, "float32") + 1.0)
        norm = ops.sqrt(ops.sum(ops.square(logs), axis=1, keepdims=True))
        scaled = logs / ops.maximum(norm, _SMALLEST_NORM)
        folded = ops.sum(ops.reshape(scaled, (-1, counts.shape[1] // _FOLDED, _FOLDED)), axis=1)
        answers = members(layers.Concatenate()([features, folded]))
        model = keras.Model([features, counts], layers.GlobalAveragePooling1D()(answers))
        return model, members

    def training_rows(self, x: "JoinedRows") -> npt.NDArray[np.float32]:
        """Return the features beside the folded n-grams, ``float32 [rows, numbers]``.

        The logarithms of the counts are scaled to a row of length 1, and slots that are a multiple
        of the folded length apart are added up.
        """
        folded = [_folded(x.arrays["ngrams"][row]) for row in range(len(x))]
        return np.column_stack([x.arrays["features"].astype(np.float32), np.stack(folded)])

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return AdamW on a cosine schedule."""
        return Recipe(
            optimizer=adamw(keras, params["learning_rate"], params["weight_decay"]),
            batch=params["batch"],
        )


def _folded(counts: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the folded n-grams of one row."""
    logs = np.log(counts.astype(np.float32) + 1)
    scaled = logs / max(float(np.linalg.norm(logs)), _SMALLEST_NORM)
    folded: npt.NDArray[np.float32] = scaled.reshape(-1, _FOLDED).sum(axis=0)
    return folded


FAMILY = PieceMlp()
