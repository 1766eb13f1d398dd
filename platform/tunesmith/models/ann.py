"""The plain networks of the studies: dense ReLU layers, dropout, softmax.

The space holds everything they tried: one to seven layers, Adam, RMSprop, plain stochastic descent,
descent with momentum, and descent on all rows at once; min-max or standard scaling.
"""

from typing import TYPE_CHECKING, Any

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, Recipe, centred
from tunesmith.models.support.scaling import min_max_scale, standard_scale

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "Ann"]

_ALL_ROWS = 1_000_000_000


class Ann(NetworkFamily):
    """Dense layers on scaled features, a constant learning rate."""

    name = "ann"
    view = "features"
    resources = Resources(gpu_fraction=0.2, memory_bytes=1_200_000_000)
    max_steps = 60
    patience = 10
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest layers and the units of each, dropout, optimizer, rate, batch and scaling."""
        n_layers = trial.suggest_int("layers", 1, 7)
        params: dict[str, Any] = {"layers": n_layers}
        for layer in range(n_layers):
            name = f"units_{layer}"
            params[name] = trial.suggest_int(name, 8, 256, log=True)
        params["dropout"] = trial.suggest_float("dropout", 0.0, 0.6)
        if n_layers > 1:
            places = ["all", "first"]
            params["dropout_after"] = trial.suggest_categorical("dropout_after", places)
        optimizers = ["adam", "rmsprop", "sgd", "momentum", "descent"]
        params["optimizer"] = trial.suggest_categorical("optimizer", optimizers)
        params["learning_rate"] = trial.suggest_float("learning_rate", 1e-4, 0.2, log=True)
        if params["optimizer"] != "descent":
            sizes = [10, 20, 32, 64, 100, 256]
            params["batch"] = trial.suggest_categorical("batch", sizes)
        params["scaling"] = trial.suggest_categorical("scaling", ["minmax", "standard"])
        return params

    def default(self) -> Params:
        """Return one hidden layer of 128 with Adam."""
        return {
            "layers": 1,
            "units_0": 128,
            "dropout": 0.2,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "batch": 64,
            "scaling": "standard",
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for rows ``float32 [rows, features]``."""
        layers = keras.layers
        scale = min_max_scale if params["scaling"] == "minmax" else standard_scale
        mean, spread = scale(x)
        inputs = keras.Input(x.shape[1:], dtype="float32", name=self.view)
        h = centred(keras, inputs, mean, spread)
        for layer in range(params["layers"]):
            h = layers.Dense(params[f"units_{layer}"], activation="relu")(h)
            if layer == 0 or params["dropout_after"] == "all":
                h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return the optimizer as it is called in the studies."""
        rate = params["learning_rate"]
        makers = {
            "adam": lambda: keras.optimizers.Adam(rate),
            "rmsprop": lambda: keras.optimizers.RMSprop(rate),
            "sgd": lambda: keras.optimizers.SGD(rate),
            "momentum": lambda: keras.optimizers.SGD(rate, momentum=0.9),
            "descent": lambda: keras.optimizers.SGD(rate),
        }
        return Recipe(
            optimizer=lambda _: makers[params["optimizer"]](),
            batch=params.get("batch", _ALL_ROWS),
        )


FAMILY = Ann()
