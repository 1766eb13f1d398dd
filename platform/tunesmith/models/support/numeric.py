"""Models that are a few arrays, and ONNX graphs of plain arithmetic."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Fitted, Probabilities
from tunesmith.models.support.onnx_graphs import OPSET, OUTPUT, finish

__all__ = ["ArrayModel", "Graph", "GraphModel", "at_most", "softmax", "softmax_regression"]

_ARRAYS = "arrays.npz"
_ABOUT = "model.json"
_NEVER_SEEN = -30.0
Arrays = Mapping[str, npt.NDArray[np.float32]]


class Graph:
    """An ONNX graph put together one operation at a time.

    Parameters
    ----------
    view
        Name of the input, ``[rows, *row_shape]``.
    row_shape
        Sizes of one row of the input: ``(features,)``, or height and width of a picture.
    n_classes
        Columns of the output.
    view_type
        Type of the input's values.
    """

    FLOAT, UINT8, INT32, INT64 = 1, 2, 6, 7
    """Types of values, as `onnx.TensorProto` numbers them."""

    def __init__(
        self, view: str, row_shape: Sequence[int], n_classes: int, view_type: int = FLOAT
    ) -> None:
        self.view = view
        self._view_type = view_type
        self._shape: list[str | int | None] = ["rows", *row_shape]
        self._n_classes = n_classes
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: npt.ArrayLike) -> str:
        """Add a constant, float32 or int64, and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        array = np.asarray(value)
        if array.dtype != np.int64:
            array = array.astype(np.float32)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operation: str, *inputs: str, output: str | None = None, **options: Any) -> str:
        """Add an operation on named values and return the name of its first output."""
        from onnx import helper

        name = output or f"value_{len(self._nodes)}"
        outputs = [name, f"{name}_index"] if operation == "TopK" else [name]
        self._nodes.append(helper.make_node(operation, list(inputs), outputs, **options))
        return name

    def standardised(self, mean: npt.ArrayLike, scale: npt.ArrayLike) -> str:
        """Return the input less `mean`, divided by `scale`, 0 where it is NaN."""
        centred = self.add("Sub", self.view, self.constant(mean))
        scaled = self.add("Div", centred, self.constant(scale))
        missing = self.add("IsNaN", scaled)
        return self.add("Where", missing, self.constant(0.0), scaled)

    def finish(self, logits: str) -> Any:
        """Return the model whose output is the softmax of `logits`."""
        from onnx import TensorProto, helper

        self.add("Softmax", logits, output=OUTPUT, axis=1)
        graph = helper.make_graph(
            self._nodes,
            "tunesmith",
            [helper.make_tensor_value_info(self.view, self._view_type, self._shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", self._n_classes])],
            self._constants,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )


class ArrayModel(Fitted):
    """A trained model that is nothing but arrays; subclasses compute logits and export it."""

    def __init__(self, arrays: Arrays, view: str, classes: tuple[str, ...]) -> None:
        self.arrays = dict(arrays)
        self.views = (view,)
        self.classes = classes

    @abstractmethod
    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the logarithms of unscaled probabilities, ``[rows, classes]``."""

    @property
    def n_features(self) -> int:
        """Columns of the view."""
        return len(self.arrays["mean"])

    def predict_proba(self, x: Any) -> Probabilities:
        """Return class probabilities of rows ``[rows, features]``."""
        return softmax(self.logits(x))

    def save(self, folder: Path) -> None:
        """Write the arrays and the names."""
        arrays: dict[str, Any] = self.arrays
        np.savez(folder / _ARRAYS, **arrays)
        about = {"view": self.views[0], "classes": self.classes}
        (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the model that `save` wrote into `folder`."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        with np.load(folder / _ARRAYS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(arrays, about["view"], tuple(about["classes"]))


class GraphModel(ArrayModel):
    """An `ArrayModel` that no converter knows: subclasses write its ONNX graph, too."""

    view_type = Graph.FLOAT

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Sizes of one row of the view."""
        return (self.n_features,)

    @abstractmethod
    def logits_graph(self, graph: Graph) -> str:
        """Add the computation of `logits` to `graph` and return the name of its result."""

    def export_onnx(self, path: Path) -> None:
        """Write the arithmetic as a graph."""
        view, n_classes = self.views[0], len(self.classes)
        graph = Graph(view, self.row_shape, n_classes, self.view_type)
        model = graph.finish(self.logits_graph(graph))
        finish(model, path, inputs={view: view}, output=OUTPUT, n_classes=n_classes)


def softmax(logits: npt.NDArray[Any]) -> Probabilities:
    """Return probabilities of logits ``[rows, classes]``."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=0.0))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)


def softmax_regression(
    x: npt.NDArray[Any], y: npt.NDArray[np.int64], n_classes: int, **options: Any
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Fit scikit-learn's logistic regression.

    Parameters
    ----------
    x, y
        Rows and their classes; a class without rows gets a logit of -30.
    n_classes
        Number of classes.
    **options
        ``sample_weight``, and settings of `sklearn.linear_model.LogisticRegression`.

    Returns
    -------
    tuple
        Weights ``[features, classes]`` and bias ``[classes]``.
    """
    from sklearn.linear_model import LogisticRegression

    sample_weight = options.pop("sample_weight", None)
    model = LogisticRegression(max_iter=500, **options).fit(x, y, sample_weight=sample_weight)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # Two classes have one row of coefficients: the log odds of the second.
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    weight = np.zeros((x.shape[1], n_classes), dtype=np.float32)
    bias = np.full(n_classes, _NEVER_SEEN, dtype=np.float32)
    weight[:, model.classes_] = coefficients.T
    bias[model.classes_] = intercepts
    return weight, bias


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Keep NumPy and scikit-learn to a number of threads inside a ``with`` block."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(threads):
        yield
