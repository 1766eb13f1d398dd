"""The seed study's 2-D network on piano-roll chunks: 8,866,820 parameters for four classes."""

from typing import TYPE_CHECKING, Any

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.augment import RollAugment
from tunesmith.models.support.networks import NetworkFamily, Recipe

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "Cnn2d"]

_ROWS_PER_STEP = 2048


class Cnn2d(NetworkFamily):
    """Two 3 x 3 convolutions with pooling and dropout, a dense layer of 128."""

    name = "cnn2d"
    view = "chunks"
    resources = Resources(cpus=1, gpu_fraction=0.5, memory_bytes=2_500_000_000)
    max_steps = 24
    patience = 8
    is_slow_without_gpu = True
    step_unit = f"epoch of at most {_ROWS_PER_STEP} chunks"
    rows_per_step = _ROWS_PER_STEP

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest what the study searched, its augmentation, and the rates it left alone."""
        optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
        initializers = ["glorot_uniform", "he_normal"]
        return {
            "optimizer": optimizer,
            "initializer": trial.suggest_categorical("initializer", initializers),
            "dropout": trial.suggest_float("dropout", 0.2, 0.6),
            "batch": trial.suggest_categorical("batch", [20, 30, 64]),
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True),
            "transpose_semitones": trial.suggest_int("transpose_semitones", 0, 6),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
            "by_item": trial.suggest_float("by_item", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return the study's best setting with transposition, which pays most."""
        return {
            "optimizer": "adam",
            "initializer": "glorot_uniform",
            "dropout": 0.4,
            "batch": 30,
            "learning_rate": 1e-3,
            "transpose_semitones": 5,
            "balance": 0.5,
            "by_item": 0.5,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for chunks ``uint8 [rows, frames, pitches]``."""
        layers = keras.layers
        options = {"activation": "relu", "kernel_initializer": params["initializer"]}
        inputs = keras.Input(x.shape[1:], dtype="uint8", name=self.view)
        h = layers.Reshape((*x.shape[1:], 1))(layers.Rescaling(1 / 127)(inputs))
        for width in (32, 64):
            h = layers.Conv2D(width, 3, **options)(h)
            h = layers.MaxPooling2D(2)(h)
            h = layers.Dropout(params["dropout"])(h)
        h = layers.Dense(128, **options)(layers.Flatten()(h))
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return a constant learning rate, as the study had it."""
        kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
        return Recipe(
            optimizer=lambda _: kinds[params["optimizer"]](params["learning_rate"]),
            batch=params["batch"],
            rows_per_step=self.rows_per_step,
            augment=RollAugment(params["transpose_semitones"], 0.0),
        )


FAMILY = Cnn2d()
