"""Recurrent networks over words: LSTM or GRU, one way or both."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, Recipe, adamw

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "TextRnn"]


class TextRnn(NetworkFamily):
    """Embedding and one recurrent layer over the last words of a text."""

    name = "text_rnn"
    view = "tokens"
    resources = Resources(cpus=1, gpu_fraction=0.25, memory_bytes=2_000_000_000)
    max_steps = 3
    patience = 3
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest cell, directions, what is taken of its states, sizes and optimisation."""
        return {
            "cell": trial.suggest_categorical("cell", ["lstm", "gru"]),
            "both_ways": trial.suggest_categorical("both_ways", [False, True]),
            "summary": trial.suggest_categorical("summary", ["last", "maximum"]),
            "units": trial.suggest_categorical("units", [32, 64, 128]),
            "embedding": trial.suggest_categorical("embedding", [32, 64, 128]),
            "words": trial.suggest_categorical("words", [150, 200, 300, 500]),
            "masked": trial.suggest_categorical("masked", [True, False]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
            "cooled": trial.suggest_categorical("cooled", [True, False]),
            "batch": trial.suggest_categorical("batch", [32, 64, 128]),
        }

    def default(self) -> Params:
        """Return a GRU both ways over the last 300 words, the strongest of its states."""
        return {
            "cell": "gru",
            "both_ways": True,
            "summary": "maximum",
            "units": 64,
            "embedding": 64,
            "words": 300,
            "masked": True,
            "dropout": 0.5,
            "learning_rate": 2e-3,
            "cooled": True,
            "batch": 64,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for token ids ``int32 [rows, length]``, 0s before the text."""
        layers, ops = keras.layers, keras.ops
        n_words = int(x.max()) + 1
        length = min(params["words"], x.shape[1])
        inputs = keras.Input(x.shape[1:], dtype="int32", name=self.view)
        words = ops.minimum(inputs, n_words - 1)[:, -length:]
        h = layers.Embedding(n_words, params["embedding"])(words)
        if params["masked"]:
            # Zeros in place of padding, which stands before the text, leave an LSTM's state all but
            # untouched, and unlike a mask they keep the exported graph one native operation.
            h = h * ops.cast(words > 0, "float32")[:, :, None]
        h = layers.SpatialDropout1D(params["dropout"] / 2)(h)
        is_maximum = params["summary"] == "maximum"
        cells = {"lstm": layers.LSTM, "gru": layers.GRU}
        cell = cells[params["cell"]](params["units"], return_sequences=is_maximum)
        h = layers.Bidirectional(cell)(h) if params["both_ways"] else cell(h)
        if is_maximum:
            h = layers.GlobalMaxPooling1D()(h)
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return Adam, its rate constant as in the tutorial or cooled along a cosine."""
        constant = super().recipe(keras, params)
        if not params["cooled"]:
            return constant
        return replace(constant, optimizer=adamw(keras, params["learning_rate"], 0.0))


FAMILY = TextRnn()
