"""Two LSTM layers over windows of a few numbers: the seed study's second network."""

from typing import TYPE_CHECKING, Any

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, centred
from tunesmith.models.support.scaling import standard_scale

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "WindowsLstm"]


class WindowsLstm(NetworkFamily):
    """LSTM, dropout, a smaller LSTM, dropout, softmax: 116,740 parameters for two numbers."""

    name = "windows_lstm"
    view = "windows"
    resources = Resources(gpu_fraction=0.2, memory_bytes=1_200_000_000)
    max_steps = 50
    patience = 10
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest units, dropout, rate and batch."""
        return {
            "units_0": trial.suggest_categorical("units_0", [32, 64, 128]),
            "units_1": trial.suggest_categorical("units_1", [16, 32, 64]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "batch": trial.suggest_categorical("batch", [16, 32, 64]),
        }

    def default(self) -> Params:
        """Return the study's setting."""
        return {"units_0": 128, "units_1": 64, "dropout": 0.2, "learning_rate": 1e-3, "batch": 32}

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for windows ``float32 [rows, steps, numbers]``."""
        layers = keras.layers
        mean, spread = standard_scale(x.reshape(-1, x.shape[-1]))
        inputs = keras.Input(x.shape[1:], dtype="float32", name=self.view)
        h = centred(keras, inputs, mean, spread)
        h = layers.LSTM(params["units_0"], return_sequences=True)(h)
        h = layers.Dropout(params["dropout"])(h)
        h = layers.LSTM(params["units_1"])(h)
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model


FAMILY = WindowsLstm()
