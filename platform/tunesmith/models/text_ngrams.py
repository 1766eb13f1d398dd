"""Words and pairs of words in a bag: fastText (Joulin et al., 2017).

The mean of an embedding for each word and for each hashed pair of neighbours, then one softmax. No
order beyond pairs, yet hard to beat on reviews.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.models._keras import NetworkFamily
from tunesmith.models.contract import Resources

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "TextNgrams"]

_MULTIPLIER = 31_337


class TextNgrams(NetworkFamily):
    """Embedding bags of words and hashed pairs."""

    name = "text_ngrams"
    view = "tokens"
    resources = Resources(cpus=1, gpu_fraction=0.25, memory_bytes=1_500_000_000)
    max_steps = 8
    patience = 2
    step_unit = "epoch"

    def space(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Suggest width, table of pairs, dropout and rate."""
        return {
            "width": trial.suggest_categorical("width", [16, 32, 64]),
            "pairs": trial.suggest_categorical("pairs", [0, 100_000, 300_000]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "word_dropout": trial.suggest_float("word_dropout", 0.0, 0.3),
            "learning_rate": trial.suggest_float("learning_rate", 1e-3, 2e-2, log=True),
            "batch": trial.suggest_categorical("batch", [32, 64, 128]),
        }

    def default(self) -> dict[str, Any]:
        """Return a width of 32 with 300,000 slots for pairs."""
        return {
            "width": 32,
            "pairs": 300_000,
            "dropout": 0.2,
            "word_dropout": 0.1,
            "learning_rate": 5e-3,
            "batch": 64,
        }

    def build(
        self, keras: Any, params: Mapping[str, Any], x: Any, n_classes: int
    ) -> tuple[Any, Any]:
        """Return the network for token ids ``int32 [rows, length]``, 0 where there is none."""
        layers, ops = keras.layers, keras.ops
        n_words = int(x.max()) + 1
        inputs = keras.Input(x.shape[1:], dtype="int32", name=self.view)
        known = ops.minimum(inputs, n_words - 1)
        bags = [_bag(keras, known, n_words, params)]
        if params["pairs"]:
            before, after = known[:, :-1], known[:, 1:]
            slot = ops.mod(before * _MULTIPLIER + after, params["pairs"] - 1) + 1
            slot = ops.where(ops.logical_and(before > 0, after > 0), slot, 0)
            bags.append(_bag(keras, slot, params["pairs"], params))
        h = layers.Add()(bags) if len(bags) > 1 else bags[0]
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model


def _bag(keras: Any, ids: Any, n_ids: int, params: Mapping[str, Any]) -> Any:
    """Return the mean embedding of ids that are not 0, ``[rows, width]``."""
    layers, ops = keras.layers, keras.ops
    present = ops.cast(ids > 0, "float32")[:, :, None]
    embedded = layers.Embedding(n_ids, params["width"])(ids)
    shape = (None, None, 1)
    embedded = layers.Dropout(params["word_dropout"], noise_shape=shape)(embedded)
    total = ops.sum(embedded * present, axis=1)
    return total / ops.maximum(ops.sum(present, axis=1), 1.0)


FAMILY = TextNgrams()
