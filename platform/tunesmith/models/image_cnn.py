"""Convolutional networks on small grey images, from the tutorial's to one that passes 0.994."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, Recipe, adamw

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "ImageCnn", "Jitter", "moved"]

_ROWS_PER_STEP = 20_000


class Jitter:
    """Shift and turn images at random.

    Parameters
    ----------
    shift_pixels
        Farthest shift along each axis.
    turn_degrees
        Farthest turn either way.
    """

    def __init__(self, shift_pixels: float, turn_degrees: float) -> None:
        self.shift_pixels = shift_pixels
        self.turn_degrees = turn_degrees

    def __call__(
        self, images: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """Return changed copies of ``uint8 [rows, height, width]``, bilinear, black outside."""
        if not self.shift_pixels and not self.turn_degrees:
            return images
        rows = len(images)
        turn = np.deg2rad(rng.uniform(-self.turn_degrees, self.turn_degrees, (rows, 1, 1)))
        shift = rng.uniform(-self.shift_pixels, self.shift_pixels, (2, rows, 1, 1))
        return np.asarray(np.rint(moved(images, turn, *shift)), dtype=np.uint8)


def moved(
    images: npt.NDArray[Any], turn: npt.ArrayLike, up: npt.ArrayLike, left: npt.ArrayLike
) -> npt.NDArray[np.float32]:
    """Return images turned about their middle and shifted, bilinear, black outside.

    Parameters
    ----------
    images
        ``[rows, height, width]``.
    turn
        Angle in radians, one number or ``[rows, 1, 1]``.
    up, left
        Shift in pixels, likewise.
    """
    rows, height, width = images.shape
    down, right = np.meshgrid(
        np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij"
    )
    # Where each pixel of the new image comes from in the old one.
    y = np.cos(turn) * down - np.sin(turn) * right + up + (height - 1) / 2
    x = np.sin(turn) * down + np.cos(turn) * right + left + (width - 1) / 2
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
    y, x = np.clip(y + 1, 0, height), np.clip(x + 1, 0, width)
    top, first = y.astype(np.intp), x.astype(np.intp)
    below, beside = (y - top).astype(np.float32), (x - first).astype(np.float32)
    row = np.arange(rows)[:, None, None]
    upper = padded[row, top, first] * (1 - beside) + padded[row, top, first + 1] * beside
    lower = padded[row, top + 1, first] * (1 - beside) + padded[row, top + 1, first + 1] * beside
    return np.asarray(upper * (1 - below) + lower * below, dtype=np.float32)


class ImageCnn(NetworkFamily):
    """Blocks of one or two 3 x 3 convolutions and pooling, a dense layer."""

    name = "image_cnn"
    view = "image"
    resources = Resources(cpus=1, gpu_fraction=0.25, memory_bytes=1_500_000_000)
    max_steps = 24
    # The rate falls to the end, and the score rises with it.
    patience = 24
    step_unit = f"epoch of at most {_ROWS_PER_STEP} images"
    rows_per_step = _ROWS_PER_STEP

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest shape, regularisation, jitter and optimisation."""
        return {
            "blocks": trial.suggest_int("blocks", 1, 3),
            "convolutions": trial.suggest_int("convolutions", 1, 2),
            "width": trial.suggest_int("width", 16, 48, step=16),
            "dense": trial.suggest_categorical("dense", [64, 128, 256]),
            "batch_norm": trial.suggest_categorical("batch_norm", [True, False]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
            "batch": trial.suggest_categorical("batch", [64, 128, 256]),
            "shift_pixels": trial.suggest_float("shift_pixels", 0.0, 3.0),
            "turn_degrees": trial.suggest_float("turn_degrees", 0.0, 15.0),
        }

    def default(self) -> Params:
        """Return three blocks of one convolution with batch norm and small shifts and turns."""
        return {
            "blocks": 3,
            "convolutions": 1,
            "width": 32,
            "dense": 128,
            "batch_norm": True,
            "dropout": 0.3,
            "learning_rate": 2e-3,
            "weight_decay": 1e-3,
            "batch": 128,
            "shift_pixels": 2.0,
            "turn_degrees": 8.0,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for images ``uint8 [rows, height, width]``."""
        layers = keras.layers
        inputs = keras.Input(x.shape[1:], dtype="uint8", name=self.view)
        scaled = layers.Rescaling(1 / max(float(x.max()), 1.0))(inputs)
        h = layers.Reshape((*x.shape[1:], 1))(scaled)
        for block in range(params["blocks"]):
            for _ in range(params["convolutions"]):
                h = layers.Conv2D(params["width"] << block, 3, padding="same")(h)
                if params["batch_norm"]:
                    h = layers.BatchNormalization(momentum=0.9)(h)
                h = layers.ReLU()(h)
            h = layers.MaxPooling2D(2)(h)
        h = layers.Dropout(params["dropout"])(layers.Flatten()(h))
        h = layers.Dense(params["dense"], activation="relu")(h)
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return AdamW on a cosine schedule with random shifts and turns."""
        return Recipe(
            optimizer=adamw(keras, params["learning_rate"], params["weight_decay"]),
            batch=params["batch"],
            rows_per_step=self.rows_per_step,
            augment=Jitter(params["shift_pixels"], params["turn_degrees"]),
        )


FAMILY = ImageCnn()
