"""Support vector machines on small grey pictures that were set upright, shifted and turned.

A slanted picture is sheared until its strokes stand upright, as far as a search finds good. A first
machine finds the support vectors; the second also learns from these, shifted and turned by a little
(Schölkopf, Burges and Vapnik, Incorporating Invariances in Support Vector Learning Machines, ICANN
1996; DeCoste and Schölkopf, Training Invariant Support Vector Machines, Machine Learning 46, 2002).
On a few thousand pictures that is a matter of seconds. The decision between two classes is taken as
the log odds of the first, and a class is as likely as it wins all of its pairs.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources, SingleStepFamily
from tunesmith.models.image_cnn import moved
from tunesmith.models.support.kernels import gaussian_kernel, kernel_graph
from tunesmith.models.support.numeric import Graph, GraphModel, at_most

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "FittedImageSvm", "ImageSvm"]

# Log odds of the first class at a decision of 1, the edge of the margin.
_SHARPNESS = 4.0
# Decision against a class that the training rows lack.
_NEVER_SEEN = 4.0
_BLOCK_ROWS = 512
# Of a picture's variance from top to bottom, in pixels squared; less is a line that lies flat.
_LEAST_VARIANCE = 0.1
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
Pixels = npt.NDArray[np.float32]


class FittedImageSvm(GraphModel):
    """Support vectors, and their weights in the decision between each pair of classes."""

    view_type = Graph.UINT8

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Height and width of a picture."""
        height, width = self.arrays["size"].astype(int).tolist()
        return height, width

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return for each class the log of the probability that it wins all of its pairs."""
        a = self.arrays
        parts = [np.empty((0, len(self.classes)), dtype=np.float32)]
        for begin in range(0, len(x), _BLOCK_ROWS):
            rows = _rows(np.asarray(x[begin : begin + _BLOCK_ROWS]), a["upright"], a["scale"])
            kernel = gaussian_kernel(rows, a["support"], a["gamma"])
            odds = np.float32(_SHARPNESS) * (kernel @ a["weight"] + a["bias"])
            first, second = _sides(len(self.classes))
            parts.append(-(np.logaddexp(0, -odds) @ first + np.logaddexp(0, odds) @ second))
        return np.concatenate(parts)

    def logits_graph(self, graph: Graph) -> str:
        """Add the shear, the kernel, the decisions and what they say of each class."""
        a = self.arrays
        height, width = self.row_shape
        pixels = graph.add("Cast", graph.view, to=graph.FLOAT)
        if a["upright"] > 0:
            pixels = _upright_graph(graph, pixels, height, width, float(a["upright"]))
        flat = graph.constant(np.array([-1, height * width], dtype=np.int64))
        rows = graph.add("Div", graph.add("Reshape", pixels, flat), graph.constant(a["scale"]))
        decisions = kernel_graph(graph, rows, a)
        terms = []
        for sign, side in zip((-_SHARPNESS, _SHARPNESS), _sides(len(self.classes)), strict=True):
            loss = graph.add("Softplus", graph.add("Mul", decisions, graph.constant(sign)))
            terms.append(graph.add("MatMul", loss, graph.constant(-side)))
        return graph.add("Add", *terms)


class ImageSvm(SingleStepFamily):
    """Machines of one class against another on upright pictures; a single step."""

    name = "image_svm"
    view = "image"
    resources = Resources(memory_bytes=800_000_000)

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest the shear, shifts and turns, the penalty and the kernel's width for a pixel."""
        return {
            "upright": trial.suggest_categorical("upright", [0.0, 0.5, 1.0]),
            "shift_pixels": trial.suggest_float("shift_pixels", 0.0, 1.5),
            "turn_degrees": trial.suggest_float("turn_degrees", 0.0, 15.0),
            "C": trial.suggest_float("C", 1, 100, log=True),
            "gamma": trial.suggest_float("gamma", 0.1, 10, log=True),
        }

    def default(self) -> Params:
        """Return half of the shear, and shifts by one pixel."""
        return {
            "upright": 0.5,
            "shift_pixels": 1.0,
            "turn_degrees": 10.0,
            "C": 10.0,
            "gamma": 1.5,
        }

    def fit_once(
        self, params: Params, train: "Examples", *, seed: int, threads: int = 1
    ) -> FittedImageSvm:
        """Fit a machine for every pair of classes, then again with changed support vectors."""
        del seed
        view = train.view(self.view)
        images, y = np.asarray(view.x), train.y[view.item]
        upright = np.float32(params["upright"])
        # The mean variance of a pixel becomes 1, so one range of widths suits any picture.
        spread = _rows(images, upright, np.float32(1)).std(axis=0, dtype=np.float64)
        scale = np.float32(max(float(np.sqrt((spread**2).mean())), 1e-6))
        machines = _Machines(
            images, y, params, upright, scale, np.float32(params["gamma"] / spread.size),
            len(train.classes),
        )  # fmt: skip
        with at_most(threads):
            support, weight, bias = machines.fitted()
        arrays = {
            "size": np.array(images.shape[1:], dtype=np.float32),
            "upright": np.asarray(upright),
            "scale": np.asarray(scale),
            "gamma": np.asarray(machines.gamma),
            "support": support,
            "weight": weight.astype(np.float32),
            "bias": bias.astype(np.float32),
        }
        return FittedImageSvm(arrays, self.view, train.classes)

    def load(self, folder: Path) -> FittedImageSvm:
        """Return the model in `folder`."""
        return FittedImageSvm.load(folder)


@dataclass(frozen=True)
class _Machines:
    """Machines of every pair of classes that share their pictures."""

    images: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    params: Params
    upright: np.float32
    scale: np.float32
    gamma: np.float32
    n_classes: int

    def fitted(self) -> tuple[Pixels, npt.NDArray[Any], npt.NDArray[Any]]:
        """Return support vectors, their weight in each pair of classes and the biases."""
        images, y = self.images, self.y
        first, second = _sides(self.n_classes)
        seen = np.bincount(y, minlength=self.n_classes) > 0
        bias = _NEVER_SEEN * ((first @ seen) - (second @ seen))
        if seen.sum() < 2:
            rows = _rows(images[:1], self.upright, self.scale)
            return rows, np.zeros((len(rows), len(bias))), bias
        shift, turn = self.params["shift_pixels"], np.deg2rad(self.params["turn_degrees"])
        ways = [(0.0, down * shift, right * shift) for down, right in _SIDES] if shift else []
        ways += [(turn, 0.0, 0.0), (-turn, 0.0, 0.0)] if turn else []
        if ways:
            support = self._machine(_rows(images, self.upright, self.scale), y).support_
            images, y = images[support], y[support]
        views = [images, *(moved(images, angle, down, right) for angle, down, right in ways)]
        rows = np.concatenate([_rows(view, self.upright, self.scale) for view in views])
        machine = self._machine(rows, np.tile(y, len(views)))
        weight = np.zeros((len(machine.support_), len(bias)))
        coefficients = machine.dual_coef_
        begin = np.cumsum([0, *machine.n_support_])
        place = {pair: at for at, pair in enumerate(combinations(range(self.n_classes), 2))}
        # Of two classes scikit-learn gives the decision for the second, of more that for the first.
        sign = -1.0 if len(machine.classes_) == 2 else 1.0
        for number, (a, b) in enumerate(combinations(range(len(machine.classes_)), 2)):
            column = place[int(machine.classes_[a]), int(machine.classes_[b])]
            of_a, of_b = slice(begin[a], begin[a + 1]), slice(begin[b], begin[b + 1])
            weight[of_a, column] = sign * coefficients[b - 1, of_a]
            weight[of_b, column] = sign * coefficients[a, of_b]
            bias[column] = sign * machine.intercept_[number]
        return rows[machine.support_], weight, bias

    def _machine(self, rows: Pixels, y: npt.NDArray[np.int64]) -> Any:
        from sklearn.svm import SVC

        return SVC(C=self.params["C"], gamma=float(self.gamma), cache_size=500).fit(rows, y)


def _sides(n_classes: int) -> tuple[Pixels, Pixels]:
    """Return the first and the second class of each pair as 0 and 1, ``[pairs, classes]``."""
    pairs = np.array([*combinations(range(n_classes), 2)])
    every = np.eye(n_classes, dtype=np.float32)
    return every[pairs[:, 0]], every[pairs[:, 1]]


def _rows(images: npt.NDArray[Any], upright: Any, scale: Any) -> Pixels:
    """Return upright pictures ``[rows, height, width]`` as rows of scaled numbers."""
    pixels = images.astype(np.float32)
    if upright > 0:
        pixels = _upright(pixels, np.float32(upright))
    return np.asarray(pixels.reshape(len(pixels), -1) / scale, dtype=np.float32)


def _upright(pixels: Pixels, amount: np.float32) -> Pixels:
    """Return pictures sheared along their rows by a share of their slant, about their centre.

    The slant is the covariance of the places of ink across and down, divided by the variance down
    (LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998).
    """
    height, width = pixels.shape[1:]
    down, right = _places(height, width)
    ink = np.maximum(pixels.sum(axis=(1, 2)), np.float32(1e-6))
    centre = (pixels * down).sum(axis=(1, 2)) / ink
    off_centre = down - centre[:, None, None]
    variance = (pixels * off_centre**2).sum(axis=(1, 2)) / ink
    together = (pixels * off_centre * right).sum(axis=(1, 2)) / ink
    slant = amount * together / np.maximum(variance, np.float32(_LEAST_VARIANCE))
    # A pixel comes from between two of its row, each counted by its distance.
    source = right + slant[:, None, None] * off_centre
    share = np.maximum(1 - np.abs(source[..., None] - right[0]), 0)
    return np.asarray((share * pixels[:, :, None, :]).sum(axis=3), dtype=np.float32)


def _places(height: int, width: int) -> tuple[Pixels, Pixels]:
    """Return how far pixels lie below and right of the middle: ``[height, 1]``, ``[1, width]``."""
    down = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    right = np.arange(width, dtype=np.float32)[None] - np.float32((width - 1) / 2)
    return down, right


def _upright_graph(graph: Graph, pixels: str, height: int, width: int, amount: float) -> str:
    """Add the computation of `_upright`."""
    places, across = _places(height, width)
    down, right = graph.constant(places), graph.constant(across)

    def mean(values: str) -> str:
        total = graph.add("ReduceSum", values, axes, keepdims=1)
        return graph.add("Div", total, ink)

    axes = graph.constant(np.array([1, 2], dtype=np.int64))
    total = graph.add("ReduceSum", pixels, axes, keepdims=1)
    ink = graph.add("Max", total, graph.constant(1e-6))
    off_centre = graph.add("Sub", down, mean(graph.add("Mul", pixels, down)))
    variance = mean(graph.add("Mul", pixels, graph.add("Mul", off_centre, off_centre)))
    together = mean(graph.add("Mul", graph.add("Mul", pixels, off_centre), right))
    least = graph.add("Max", variance, graph.constant(_LEAST_VARIANCE))
    slant = graph.add("Div", graph.add("Mul", together, graph.constant(amount)), least)
    source = graph.add("Add", graph.add("Mul", slant, off_centre), right)
    last = graph.constant(np.array([3], dtype=np.int64))
    distance = graph.add("Sub", graph.add("Unsqueeze", source, last), graph.constant(across[0]))
    share = graph.add("Relu", graph.add("Sub", graph.constant(1.0), graph.add("Abs", distance)))
    beside = graph.add("Unsqueeze", pixels, graph.constant(np.array([2], dtype=np.int64)))
    return graph.add("ReduceSum", graph.add("Mul", share, beside), last, keepdims=0)


FAMILY = ImageSvm()
