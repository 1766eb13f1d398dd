"""Convolution over words, then either the strongest answer of each filter or an LSTM."""

from typing import TYPE_CHECKING, Any

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "TextConv"]


class TextConv(NetworkFamily):
    """Embedding, convolution, global maximum or pooling and an LSTM."""

    name = "text_conv"
    view = "tokens"
    resources = Resources(cpus=1, gpu_fraction=0.25, memory_bytes=1_500_000_000)
    max_steps = 6
    patience = 2
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest what follows the convolution, shape, dropout and optimisation."""
        params: dict[str, Any] = {"top": trial.suggest_categorical("top", ["maximum", "lstm"])}
        if params["top"] == "lstm":
            params["lstm_units"] = trial.suggest_categorical("lstm_units", [32, 64, 100])
        return params | {
            "embedding": trial.suggest_categorical("embedding", [32, 64, 128]),
            "filters": trial.suggest_categorical("filters", [64, 128, 250]),
            "kernel_words": trial.suggest_int("kernel_words", 2, 6),
            "dropout": trial.suggest_float("dropout", 0.1, 0.6),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 5e-3, log=True),
            "batch": trial.suggest_categorical("batch", [32, 64, 128]),
        }

    def default(self) -> Params:
        """Return the strongest answer of 128 filters over five words."""
        return {
            "top": "maximum",
            "embedding": 64,
            "filters": 128,
            "kernel_words": 5,
            "dropout": 0.4,
            "learning_rate": 1e-3,
            "batch": 64,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for token ids ``int32 [rows, length]``, 0 where there is none."""
        layers, ops = keras.layers, keras.ops
        n_words = int(x.max()) + 1
        inputs = keras.Input(x.shape[1:], dtype="int32", name=self.view)
        h = layers.Embedding(n_words, params["embedding"])(ops.minimum(inputs, n_words - 1))
        h = layers.SpatialDropout1D(params["dropout"] / 2)(h)
        h = layers.Conv1D(
            params["filters"], params["kernel_words"], padding="same", activation="relu"
        )(h)
        if params["top"] == "maximum":
            h = layers.GlobalMaxPooling1D()(h)
        else:
            h = layers.LSTM(params["lstm_units"])(layers.MaxPooling1D(4)(h))
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model


FAMILY = TextConv()
