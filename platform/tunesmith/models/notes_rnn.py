"""Recurrent networks over the notes inside a chunk, one way or both."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, Recipe, adamw

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "NoteAugment", "NotesRnn"]

_ROWS_PER_STEP = 4096
_HIGHEST = 128


class NoteAugment:
    """Transpose, stretch and play louder or softer at random.

    Parameters
    ----------
    semitones
        Farthest transposition either way; notes that would leave the range stay at its end.
    loudness, tempo
        Velocities and times are multiplied by a factor in ``1 ± loudness`` and ``1 ± tempo``.
    """

    def __init__(self, semitones: int, loudness: float, tempo: float) -> None:
        self.semitones = semitones
        self.loudness = loudness
        self.tempo = tempo

    def __call__(
        self, rows: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """Return changed copies of ``uint8 [rows, notes, 4]``."""
        is_note = rows[:, :, 0] > 0
        values = rows.astype(np.float32)
        shift = rng.integers(-self.semitones, self.semitones + 1, (len(rows), 1))
        values[:, :, 0] = np.clip(values[:, :, 0] + shift, 1, _HIGHEST)
        values[:, :, 1:3] *= rng.uniform(1 - self.tempo, 1 + self.tempo, (len(rows), 1, 1))
        loudness = rng.uniform(1 - self.loudness, 1 + self.loudness, (len(rows), 1))
        values[:, :, 3] = np.clip(values[:, :, 3] * loudness, 1, 127)
        changed = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return np.where(is_note[:, :, None], changed, 0).astype(np.uint8)


class NotesRnn(NetworkFamily):
    """Pitch embedding and logarithms of times, a convolution that shortens, LSTM or GRU."""

    name = "notes_rnn"
    view = "notes"
    resources = Resources(cpus=1, gpu_fraction=0.25, memory_bytes=1_500_000_000)
    max_steps = 20
    patience = 6
    step_unit = f"epoch of at most {_ROWS_PER_STEP} chunks"
    rows_per_step = _ROWS_PER_STEP

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest cell, directions, layers, sizes, augmentation and optimisation."""
        return {
            "cell": trial.suggest_categorical("cell", ["lstm", "gru"]),
            "both_ways": trial.suggest_categorical("both_ways", [False, True]),
            "layers": trial.suggest_int("layers", 1, 2),
            "units": trial.suggest_categorical("units", [32, 64, 96, 128]),
            "stride": trial.suggest_categorical("stride", [1, 2, 4]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 8e-3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True),
            "batch": trial.suggest_categorical("batch", [32, 64, 128]),
            "transpose_semitones": trial.suggest_int("transpose_semitones", 0, 6),
            "loudness": trial.suggest_float("loudness", 0.0, 0.5),
            "tempo": trial.suggest_float("tempo", 0.0, 0.3),
            "balance": trial.suggest_float("balance", 0.0, 1.0),
            "by_item": trial.suggest_float("by_item", 0.0, 1.0),
        }

    def default(self) -> Params:
        """Return one LSTM of 64 both ways over every fourth step of a convolution."""
        return {
            "cell": "lstm",
            "both_ways": True,
            "layers": 1,
            "units": 64,
            "stride": 4,
            "dropout": 0.2,
            "learning_rate": 3e-3,
            "weight_decay": 1e-2,
            "batch": 64,
            "transpose_semitones": 5,
            "loudness": 0.2,
            "tempo": 0.1,
            "balance": 0.5,
            "by_item": 0.5,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for notes ``uint8 [rows, notes, 4]``, zeros before the notes."""
        layers, ops = keras.layers, keras.ops
        inputs = keras.Input(x.shape[1:], dtype="uint8", name=self.view)
        pitch = ops.cast(inputs[:, :, 0], "int32")
        amounts = ops.cast(inputs[:, :, 1:], "float32")
        present = ops.cast(pitch > 0, "float32")[:, :, None]
        h = layers.Concatenate()(
            [
                layers.Embedding(_HIGHEST + 1, 32)(pitch),
                # Of the pitch class alone: an octave is the same harmony.
                layers.Embedding(13, 16)(ops.where(pitch > 0, ops.mod(pitch - 1, 12) + 1, 0)),
                ops.log(amounts + 1.0) / 4.0,
            ]
        )
        h = h * present
        h = layers.Conv1D(
            96, 5, strides=params["stride"], padding="same", activation="relu", use_bias=False
        )(h)
        h = layers.SpatialDropout1D(params["dropout"] / 2)(h)
        cells = {"lstm": layers.LSTM, "gru": layers.GRU}
        for _ in range(params["layers"]):
            cell = cells[params["cell"]](params["units"], return_sequences=True)
            h = layers.Bidirectional(cell)(h) if params["both_ways"] else cell(h)
        h = layers.Concatenate()(
            [layers.GlobalAveragePooling1D()(h), layers.GlobalMaxPooling1D()(h)]
        )
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return AdamW on a cosine schedule with random transposition, loudness and tempo."""
        return Recipe(
            optimizer=adamw(keras, params["learning_rate"], params["weight_decay"]),
            batch=params["batch"],
            rows_per_step=self.rows_per_step,
            augment=NoteAugment(params["transpose_semitones"], params["loudness"], params["tempo"]),
        )


FAMILY = NotesRnn()
