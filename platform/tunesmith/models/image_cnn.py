"""Convolutional networks on small grey images, from the tutorial's to one near MNIST's limit.

Sources: two 3 x 3 convolutions without padding a block, each with batch normalisation, after the
networks that An, Lee, Park, Yang and So trained on MNIST ("An Ensemble of Simple Convolutional
Neural Network Models for MNIST Digit Recognition", 2020), cut short by pooling to what a core can
train in minutes; elastic distortion after Simard, Steinkraus and Platt ("Best Practices for
Convolutional Neural Networks Applied to Visual Document Analysis", 2003).
"""

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources
from tunesmith.models.support.networks import NetworkFamily, Recipe, adamw

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "ImageCnn", "Jitter", "moved"]

_ROWS_PER_STEP = 20_000


@dataclass(frozen=True)
class Jitter:
    """Shift, turn, stretch, slant and bend images at random.

    Every image gets amounts of its own, drawn evenly up to these.

    Attributes
    ----------
    shift_pixels
        Farthest shift along each axis.
    turn_degrees
        Farthest turn either way.
    stretch
        Largest change of height and of width, each by itself: 0.1 is from 10 % smaller to larger.
    slant_degrees
        Farthest slant of upright lines either way.
    bend_pixels
        Standard deviation of how far a pixel moves on its own, together with its neighbours: the
        elastic distortion of Simard, Steinkraus and Platt (2003). Its field of random moves is
        smoothed over a seventh of the height, the 4 of 28 pixels of the paper.
    """

    shift_pixels: float = 0.0
    turn_degrees: float = 0.0
    stretch: float = 0.0
    slant_degrees: float = 0.0
    bend_pixels: float = 0.0

    def __call__(
        self, images: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """Return changed copies of ``uint8 [rows, height, width]``, bilinear, black outside."""
        if not any(astuple(self)):
            return images

        def drawn(most: float) -> npt.NDArray[Any]:
            return rng.uniform(-most, most, (len(images), 1, 1))

        down, right = _from_middle(images.shape[1:])
        slant = np.tan(np.deg2rad(drawn(self.slant_degrees)))
        taller, wider = (np.exp(drawn(np.log1p(self.stretch))) for _ in range(2))
        down, right = down * taller, right * wider + down * slant
        turn = np.deg2rad(drawn(self.turn_degrees))
        y, x = _turned(down, right, turn, drawn(self.shift_pixels), drawn(self.shift_pixels))
        if self.bend_pixels:
            y, x = (place + self.bend_pixels * _smooth_noise(images.shape, rng) for place in (y, x))
        return np.asarray(np.rint(_sampled(images, y, x)), dtype=np.uint8)


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
    return _sampled(images, *_turned(*_from_middle(images.shape[1:]), turn, up, left))


def _from_middle(shape: tuple[int, ...]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return how far each pixel is below the middle of an image, and to its right."""
    height, width = shape
    down, right = np.meshgrid(
        np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij"
    )
    return down, right


def _turned(
    down: npt.NDArray[Any],
    right: npt.NDArray[Any],
    turn: npt.ArrayLike,
    up: npt.ArrayLike,
    left: npt.ArrayLike,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return places seen from the middle of an image, turned about it and shifted."""
    y = np.cos(turn) * down - np.sin(turn) * right + up
    x = np.sin(turn) * down + np.cos(turn) * right + left
    return y, x


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return normal numbers ``[rows, height, width]`` of variance 1, alike in neighbours."""
    rows, *size = shape
    reach = max(size[0] / 7, 1e-3)
    by_height, by_width = (_smoothing(length, reach) for length in size)
    noise = rng.standard_normal((rows, *size), dtype=np.float32)
    return np.asarray(by_height @ noise @ by_width.T, dtype=np.float32)


def _smoothing(length: int, reach: float) -> npt.NDArray[np.float32]:
    """Return weights ``[length, length]``, Gaussian, each row with squares that sum to 1."""
    apart = np.subtract.outer(np.arange(length), np.arange(length))
    weight = np.exp(-0.5 * (apart / reach) ** 2)
    return np.asarray(weight / np.linalg.norm(weight, axis=1, keepdims=True), dtype=np.float32)


def _sampled(
    images: npt.NDArray[Any], y: npt.NDArray[Any], x: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Return what is at places of images, given from their middles, bilinear, black outside."""
    rows, height, width = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
    y = np.clip(y + (height - 1) / 2 + 1, 0, height)
    x = np.clip(x + (width - 1) / 2 + 1, 0, width)
    top, first = y.astype(np.intp), x.astype(np.intp)
    below, beside = (y - top).astype(np.float32), (x - first).astype(np.float32)
    row = np.arange(rows)[:, None, None]
    upper = padded[row, top, first] * (1 - beside) + padded[row, top, first + 1] * beside
    lower = padded[row, top + 1, first] * (1 - beside) + padded[row, top + 1, first + 1] * beside
    return np.asarray(upper * (1 - below) + lower * below, dtype=np.float32)


class ImageCnn(NetworkFamily):
    """Blocks of one or two 3 x 3 convolutions and pooling, a dense layer.

    Without padding a convolution sees whole neighbourhoods alone and makes the image smaller, which
    also saves a third of the time. Images that have become too small for it are padded.
    """

    name = "image_cnn"
    view = "image"
    resources = Resources(cpus=1, gpu_fraction=0.25, memory_bytes=1_500_000_000)
    max_steps = 66
    # The rate falls to the end, and the score rises with it.
    patience = 66
    step_unit = f"epoch of at most {_ROWS_PER_STEP} images"
    rows_per_step = _ROWS_PER_STEP

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest shape, regularisation, jitter and optimisation."""
        return {
            "blocks": trial.suggest_int("blocks", 1, 3),
            "convolutions": trial.suggest_int("convolutions", 1, 2),
            "width": trial.suggest_int("width", 16, 48, step=8),
            "padding": trial.suggest_categorical("padding", ["same", "valid"]),
            "dense": trial.suggest_categorical("dense", [64, 128, 256]),
            "batch_norm": trial.suggest_categorical("batch_norm", [True, False]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
            "batch": trial.suggest_categorical("batch", [64, 128, 256]),
            "shift_pixels": trial.suggest_float("shift_pixels", 0.0, 3.0),
            "turn_degrees": trial.suggest_float("turn_degrees", 0.0, 15.0),
            "stretch": trial.suggest_float("stretch", 0.0, 0.2),
            "slant_degrees": trial.suggest_float("slant_degrees", 0.0, 15.0),
            "bend_pixels": trial.suggest_float("bend_pixels", 0.0, 1.5),
        }

    def default(self) -> Params:
        """Return three blocks of two convolutions with batch norm, and every kind of change."""
        return {
            "blocks": 3,
            "convolutions": 2,
            "width": 24,
            "padding": "valid",
            "dense": 128,
            "batch_norm": True,
            "dropout": 0.3,
            "learning_rate": 2e-3,
            "weight_decay": 1e-3,
            "batch": 128,
            "shift_pixels": 2.0,
            "turn_degrees": 10.0,
            "stretch": 0.1,
            "slant_degrees": 8.0,
            "bend_pixels": 0.6,
        }

    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network for images ``uint8 [rows, height, width]``."""
        layers = keras.layers
        inputs = keras.Input(x.shape[1:], dtype="uint8", name=self.view)
        scaled = layers.Rescaling(1 / max(float(x.max()), 1.0))(inputs)
        h = layers.Reshape((*x.shape[1:], 1))(scaled)
        for block in range(params["blocks"]):
            for _ in range(params["convolutions"]):
                # An image of fewer than three pixels has room for padded convolutions alone.
                padding = params["padding"] if min(h.shape[1:3]) >= 3 else "same"
                h = layers.Conv2D(params["width"] << block, 3, padding=padding)(h)
                if params["batch_norm"]:
                    h = layers.BatchNormalization(momentum=0.9)(h)
                h = layers.ReLU()(h)
            h = layers.MaxPooling2D(2, padding="valid" if min(h.shape[1:3]) >= 2 else "same")(h)
        h = layers.Dropout(params["dropout"])(layers.Flatten()(h))
        h = layers.Dense(params["dense"], activation="relu")(h)
        h = layers.Dropout(params["dropout"])(h)
        model = keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(h))
        return model, model

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return AdamW on a cosine schedule, on images changed at random."""
        return Recipe(
            optimizer=adamw(keras, params["learning_rate"], params["weight_decay"]),
            batch=params["batch"],
            rows_per_step=self.rows_per_step,
            augment=Jitter(**{change.name: params[change.name] for change in fields(Jitter)}),
        )


FAMILY = ImageCnn()
