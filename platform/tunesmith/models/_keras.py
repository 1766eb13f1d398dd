"""Everything the Keras families share: quiet start-up, the training loop, saving and export.

TensorFlow is imported by `keras_in` alone, in the process of a trial and never in one that serves
or drives a search.
"""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.models._onnx import OPSET, finish
from tunesmith.models.contract import Fitted, Probabilities, Step

__all__ = ["Network", "Recipe", "keras_in", "load_network", "train_network"]

_PREDICT_ROWS = 256
Augment = Callable[[Any, np.random.Generator], Any]


@cache
def keras_in(threads: int) -> Any:
    """Import Keras on TensorFlow, quietly, with at most `threads` threads in each pool.

    The first call of a process decides: TensorFlow sizes its pools once. GPU memory grows as it is
    needed, so that several trials share a card.

    Returns
    -------
    module
        ``keras``.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    import tensorflow as tf

    if not tf.executing_eagerly():
        tf.compat.v1.enable_eager_execution()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for card in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(card, enable=True)
    except RuntimeError:
        # TensorFlow is in use already in this process: its pools stay as they were laid out.
        logging.getLogger(__name__).debug("TensorFlow keeps its threads")
    import keras

    return keras


class Network(Fitted):
    """A Keras model from one view's raw rows to probabilities, preprocessing inside."""

    def __init__(self, model: Any, view: str, classes: tuple[str, ...]) -> None:
        self.model = model
        self.views = (view,)
        self.classes = classes

    def predict_proba(self, x: Any) -> Probabilities:
        """Return class probabilities of the view's rows, a few hundred at a time."""
        batches = [
            np.asarray(self.model.predict_on_batch(np.asarray(x[first : first + _PREDICT_ROWS])))
            for first in range(0, len(x), _PREDICT_ROWS)
        ]
        empty = np.zeros((0, len(self.classes)), dtype=np.float32)
        return np.concatenate([empty, *batches]).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``model.keras`` (JSON and HDF5 in a zip) and the names."""
        self.model.save(folder / "model.keras")
        about = {"view": self.views[0], "classes": self.classes}
        (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")

    def export_onnx(self, path: Path) -> None:
        """Write the network through tf2onnx."""
        import onnx

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            raw = Path(folder) / "raw.onnx"
            # Keras's adapter probes NumPy for an alias that NumPy announces to change.
            warnings.simplefilter("ignore", FutureWarning)
            self.model.export(raw, format="onnx", opset_version=OPSET, verbose=False)
            model = onnx.load(raw)
        finish(
            model,
            path,
            inputs={model.graph.input[0].name: self.views[0]},
            output=model.graph.output[0].name,
            n_classes=len(self.classes),
        )


def load_network(folder: Path) -> Network:
    """Return the network that `Network.save` wrote into `folder`."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    model = keras_in(1).models.load_model(folder / "model.keras", compile=False)
    return Network(model, about["view"], tuple(about["classes"]))


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimizer
        A compiled model's optimizer is made from it: ``optimizer(n_batches)`` with the number of
        batches of the whole training, which schedules are laid out for.
    batch
        Rows a batch.
    max_steps
        Most steps.
    rows_per_step
        A step is one pass over the rows, or this many of them where there are more: the next step
        goes on where it ended.
    augment
        Changes a batch of rows, given a generator.
    """

    optimizer: Callable[[int], Any]
    batch: int
    max_steps: int
    rows_per_step: int | None = None
    augment: Augment | None = None


def train_network(
    network: Network,
    x: Any,
    y: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float32],
    *,
    recipe: Recipe,
    seed: int,
) -> Iterator[Step]:
    """Train `network` on rows, yielding after every step.

    Parameters
    ----------
    network
        Built and not compiled.
    x
        Rows, ``[rows, ...]``.
    y
        Class of each row, ``int [rows]``.
    weight
        Weight of each row in the loss, ``float32 [rows]``.
    recipe
        How to train.
    seed
        Fixes order and augmentation.

    Yields
    ------
    Step
        With the mean training loss of the step.
    """
    rng = np.random.default_rng(seed)
    rows = min(len(y), recipe.rows_per_step or len(y))
    batch = min(recipe.batch, rows)
    n_batches = max(rows // batch, 1)
    model = network.model
    model.compile(
        optimizer=recipe.optimizer(n_batches * recipe.max_steps),
        loss="sparse_categorical_crossentropy",
    )
    order = _order(len(y), rng)
    for step in range(1, recipe.max_steps + 1):
        losses = []
        for _ in range(n_batches):
            chosen = np.fromiter(order, dtype=np.int64, count=batch)
            inputs = x[chosen]
            if recipe.augment is not None:
                inputs = recipe.augment(inputs, rng)
            model.reset_metrics()
            losses.append(model.train_on_batch(inputs, y[chosen], sample_weight=weight[chosen]))
        yield Step(step, network, {"loss": float(np.mean(losses))})


def _order(n_rows: int, rng: np.random.Generator) -> Iterator[int]:
    """Return row indices without end, every row once before any comes again."""
    while True:
        yield from rng.permutation(n_rows)
