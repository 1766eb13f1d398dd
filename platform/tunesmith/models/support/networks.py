"""Everything the Keras families share: quiet start-up, the training loop, saving and export.

TensorFlow is imported by `keras_in` alone, in the process of a trial and never in one that serves
or drives a search.
"""

import json
import logging
import os
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import JoinedRows, joined_name, names_of_views
from tunesmith.errors import ModelError
from tunesmith.models.contract import Family, Fitted, Params, Probabilities, Step, class_weights
from tunesmith.models.support.onnx_graphs import OPSET, finish

if TYPE_CHECKING:
    from tunesmith.datasets.examples import Examples

__all__ = [
    "Augment",
    "Network",
    "NetworkFamily",
    "Recipe",
    "adamw",
    "centred",
    "keras_in",
    "load_network",
]

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
    """A Keras model from the raw rows of its views to probabilities, preprocessing inside."""

    def __init__(self, model: Any, view: str, classes: tuple[str, ...]) -> None:
        self.model = model
        self.views = names_of_views(view)
        self.classes = classes

    def predict_proba(self, x: Any) -> Probabilities:
        """Return class probabilities of the view's rows, a few hundred at a time."""
        batches = [
            np.asarray(self.model.predict_on_batch(_given(x[first : first + _PREDICT_ROWS])))
            for first in range(0, len(x), _PREDICT_ROWS)
        ]
        empty = np.zeros((0, len(self.classes)), dtype=np.float32)
        return np.concatenate([empty, *batches]).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``model.keras`` (JSON and HDF5 in a zip) and the names."""
        self.model.save(folder / "model.keras")
        about = {"view": joined_name(self.views), "classes": self.classes}
        (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")

    def export_onnx(self, path: Path) -> None:
        """Write the network through tf2onnx."""
        import onnx

        # Keras exports only what was called; a model that came straight from training was not.
        row = [
            np.zeros((1, *(size or 1 for size in given.shape[1:])), dtype=given.dtype)
            for given in self.model.inputs
        ]
        self.model.predict_on_batch(row if len(row) > 1 else row[0])
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            raw = Path(folder) / "raw.onnx"
            # Keras's adapter probes NumPy for an alias that NumPy announces to change.
            warnings.simplefilter("ignore", FutureWarning)
            self.model.export(raw, format="onnx", opset_version=OPSET, verbose=False)
            model = onnx.load(raw)
        finish(
            model,
            path,
            inputs=_views_of([given.name for given in model.graph.input], self.views),
            output=model.graph.output[0].name,
            n_classes=len(self.classes),
        )


def _given(x: Any) -> Any:
    """Return rows as Keras takes them: an array, or one of each view by its name."""
    return dict(x.arrays) if isinstance(x, JoinedRows) else np.asarray(x)


def _views_of(names: Sequence[str], views: Sequence[str]) -> dict[str, str]:
    """Return the view of each input of an exported graph.

    Raises
    ------
    ModelError
        When the inputs do not begin with the names of several views.
    """
    if len(names) == len(views) == 1:
        return {names[0]: views[0]}
    matches = {name: [view for view in views if name.split(":")[0] == view] for name in names}
    if len(names) != len(views) or not all(len(match) == 1 for match in matches.values()):
        message = f"The exported graph has the inputs {names}, the views are {list(views)}."
        raise ModelError(message)
    return {name: match[0] for name, match in matches.items()}


def load_network(folder: Path) -> Network:
    """Return the network that `Network.save` wrote into `folder`."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    model = keras_in(1).models.load_model(folder / "model.keras", compile=False)
    return Network(model, about["view"], tuple(about["classes"]))


@dataclass(frozen=True)
class Recipe:
    """Training settings of a network.

    Attributes
    ----------
    optimizer
        Makes the optimizer, given the number of batches of the whole training, which schedules are
        laid out for.
    batch
        Rows a batch.
    rows_per_step
        A step is one pass over the rows, or this many of them where there are more: the next step
        goes on where it ended.
    augment
        Changes a batch of rows, given a generator.
    """

    optimizer: Callable[[int], Any]
    batch: int
    rows_per_step: int | None = None
    augment: Augment | None = None


class NetworkFamily(Family):
    """A family of Keras networks: subclasses say how one is built and trained."""

    @abstractmethod
    def build(self, keras: Any, params: Params, x: Any, n_classes: int) -> tuple[Any, Any]:
        """Return the network and what is trained in its place.

        Parameters
        ----------
        keras
            The module.
        params
            Settings.
        x
            Training rows, for shapes and scaling.
        n_classes
            Number of classes.

        Returns
        -------
        tuple
            The model from raw rows to ``[rows, classes]``, and the model that is trained: the same
            one, or one that shares its layers and answers ``[rows, members, classes]``.
        """

    def training_rows(self, x: Any) -> Any:
        """Return rows as the model that is trained takes them."""
        return np.asarray(x)

    def recipe(self, keras: Any, params: Params) -> Recipe:
        """Return how the network is trained: Adam at a constant rate, unless a family differs."""
        return Recipe(
            optimizer=lambda _: keras.optimizers.Adam(params["learning_rate"]),
            batch=params["batch"],
        )

    def fit(
        self,
        params: Params,
        train: "Examples",
        *,
        seed: int,
        max_steps: int | None = None,
        threads: int = 1,
    ) -> Iterator[Step]:
        """Build the network and train it, an epoch or a part of one a step."""
        keras = keras_in(threads)
        keras.utils.set_random_seed(seed)
        view = train.view(self.view)
        y = train.y[view.item]
        n_classes = len(train.classes)
        model, trainer = self.build(keras, params, view.x, n_classes)
        network = Network(model, self.view, train.classes)
        x = self.training_rows(view.x)
        weight = class_weights(
            y, n_classes, params.get("balance", 0.0), view.item, params.get("by_item", 0.0)
        )
        recipe = self.recipe(keras, params)
        n_steps = max_steps or self.max_steps
        if recipe.augment is None and recipe.rows_per_step is None:
            losses = _epochs(trainer, recipe, n_steps, (x, y, weight))
        else:
            losses = _batches(trainer, recipe, n_steps, (x, y, weight), seed)
        for number, loss in enumerate(losses, start=1):
            yield Step(number, network, {"loss": loss})

    def load(self, folder: Path) -> Network:
        """Return the network in `folder`."""
        return load_network(folder)


Rows = tuple[Any, npt.NDArray[np.int64], npt.NDArray[np.float32]]


def _compile(model: Any, recipe: Recipe, n_batches: int, **options: Any) -> None:
    model.compile(
        optimizer=recipe.optimizer(n_batches), loss="sparse_categorical_crossentropy", **options
    )


def _for_members(model: Any, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a value a row, once for each member where the model answers for several."""
    if len(model.output_shape) == 2:
        return values
    return np.repeat(values[:, None], model.output_shape[1], axis=1)


def _epochs(model: Any, recipe: Recipe, n_steps: int, rows: Rows) -> Iterator[float]:
    """Train whole epochs with Keras's own loop; yield the loss of each."""
    x, y, weight = rows
    batch = min(recipe.batch, len(y))
    n_batches = -(-len(y) // batch)
    # Small networks spend most of their time between batches: let TensorFlow loop over some.
    _compile(model, recipe, n_batches * n_steps, steps_per_execution=min(16, n_batches))
    targets, weight = _for_members(model, y), _for_members(model, weight)
    for _ in range(n_steps):
        history = model.fit(
            x, targets, sample_weight=weight, batch_size=batch, epochs=1, shuffle=True, verbose=0
        )
        yield float(history.history["loss"][0])


def _batches(model: Any, recipe: Recipe, n_steps: int, rows: Rows, seed: int) -> Iterator[float]:
    """Train on batches that are gathered, and changed, one at a time; yield each step's loss."""
    x, y, weight = rows
    rng = np.random.default_rng(seed)
    step_rows = min(len(y), recipe.rows_per_step or len(y))
    batch = min(recipe.batch, step_rows)
    n_batches = max(step_rows // batch, 1)
    _compile(model, recipe, n_batches * n_steps)
    targets, weight = _for_members(model, y), _for_members(model, weight)
    order = _order(len(y), rng)
    for _ in range(n_steps):
        losses = []
        for _ in range(n_batches):
            chosen = np.fromiter(order, dtype=np.int64, count=batch)
            inputs = x[chosen]
            if recipe.augment is not None:
                inputs = recipe.augment(inputs, rng)
            model.reset_metrics()
            loss = model.train_on_batch(inputs, targets[chosen], sample_weight=weight[chosen])
            losses.append(loss)
        yield float(np.mean(losses))


def _order(n_rows: int, rng: np.random.Generator) -> Iterator[int]:
    """Return row indices without end, every row once before any comes again."""
    while True:
        yield from rng.permutation(n_rows)


def centred(keras: Any, inputs: Any, centre: npt.NDArray[Any], width: npt.NDArray[Any]) -> Any:
    """Return ``(inputs - centre) / width``, 0 where `inputs` is NaN.

    Subtracting first is exact for values near the centre, so every runtime gets the same answer;
    and plain constants, unlike those of a normalisation layer, stay constants when exported.
    """
    layers, ops = keras.layers, keras.ops
    shifted = layers.Rescaling(1.0, offset=(-centre).tolist())(inputs)
    scaled = layers.Rescaling((1.0 / width).tolist())(shifted)
    return ops.where(ops.isnan(scaled), 0.0, scaled)


def adamw(keras: Any, learning_rate: float, weight_decay: float) -> Callable[[int], Any]:
    """Return a maker of AdamW that warms up for a twentieth of the training, then cools to 2 %."""

    def make(n_batches: int) -> Any:
        schedule = keras.optimizers.schedules.CosineDecay(
            0.1 * learning_rate,
            n_batches,
            alpha=0.02,
            warmup_target=learning_rate,
            warmup_steps=max(n_batches // 20, 1),
        )
        return keras.optimizers.AdamW(schedule, weight_decay=weight_decay)

    return make
