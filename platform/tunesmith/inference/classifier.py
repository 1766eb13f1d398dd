"""Running an ONNX classifier: named arrays in, class probabilities out.

This module needs onnxruntime and NumPy alone, and onnxruntime only once a model is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.layout import OUTPUT
from tunesmith.errors import ModelError

__all__ = ["OUTPUT", "Classifier", "InputSchema"]

# What onnxruntime calls a tensor type, and what NumPy calls it.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


@dataclass(frozen=True)
class InputSchema:
    """Name, type and shape of one input of a model.

    Attributes
    ----------
    dtype
        NumPy's name of the element type.
    shape
        Size of each axis; None where the model takes any, as for the first, the rows.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the schema as a card holds it."""
        return {"dtype": self.dtype, "shape": list(self.shape)}

    def check(self, name: str, array: npt.NDArray[Any]) -> None:
        """Refuse an array that the model would misread.

        Raises
        ------
        ModelError
            When the element type, the number of axes or a fixed axis differs.
        """
        sizes = zip(self.shape, array.shape, strict=False)
        fits = array.ndim == len(self.shape) and all(want in (None, got) for want, got in sizes)
        if array.dtype != np.dtype(self.dtype) or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in self.shape)
            got = ", ".join(map(str, array.shape))
            message = (
                f"Input {name!r} wants {self.dtype} [{wanted}] and got {array.dtype} [{got}]. "
                "Prepare it with the parameters in the model's card."
            )
            raise ModelError(message)


class Classifier:
    """A loaded model.

    Parameters
    ----------
    model
        The ONNX model, serialised.
    card
        Facts about the model; `classes` are its ``labels``.
    classes
        Names of the output's columns; the card's ``labels`` by default.
    threads
        Threads of one prediction; 0 lets onnxruntime take every core.

    Raises
    ------
    ModelError
        When onnxruntime refuses the model, or its inputs or output are not a classifier's.
    """

    def __init__(
        self,
        model: bytes,
        card: Mapping[str, Any] | None = None,
        *,
        classes: Sequence[str] | None = None,
        threads: int = 1,
    ) -> None:
        self.card = dict(card or {})
        self.classes = tuple(classes if classes is not None else self.card.get("labels", ()))
        self._session = _session(model, threads)
        self.inputs = {node.name: _schema(node) for node in self._session.get_inputs()}
        self._check_output()

    def _check_output(self) -> None:
        outputs = {node.name: node for node in self._session.get_outputs()}
        if OUTPUT not in outputs:
            message = f"The model has no output {OUTPUT!r}; it has {', '.join(outputs)}."
            raise ModelError(message)
        schema = _schema(outputs[OUTPUT])
        width = schema.shape[-1] if len(schema.shape) == 2 else -1
        if schema.dtype != "float32" or width not in (None, len(self.classes)):
            message = (
                f"Output {OUTPUT!r} is {schema.dtype} {list(schema.shape)}; "
                f"{len(self.classes)} labels need float32 [rows, {len(self.classes)}]."
            )
            raise ModelError(message)

    def predict(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each row.

        Parameters
        ----------
        inputs
            One array for each of `Classifier.inputs`, with as many rows each.

        Returns
        -------
        numpy.ndarray
            ``float32 [rows, classes]``.

        Raises
        ------
        ModelError
            When an input is missing, unknown, or of another type or shape.
        """
        if inputs.keys() != self.inputs.keys():
            message = (
                f"The model wants the inputs {', '.join(sorted(self.inputs))} "
                f"and got {', '.join(sorted(inputs)) or 'none'}."
            )
            raise ModelError(message)
        for name, schema in self.inputs.items():
            schema.check(name, inputs[name])
        rows = {name: len(array) for name, array in inputs.items()}
        if len(set(rows.values())) != 1:
            message = f"Every input needs as many rows: {rows}."
            raise ModelError(message)
        if not next(iter(rows.values())):
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        try:
            (answer,) = self._session.run([OUTPUT], dict(inputs))
        except _refusals() as error:
            message = f"The model cannot answer these inputs: {error}"
            raise ModelError(message) from error
        return np.asarray(answer, dtype=np.float32)


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads must sleep: a replica shares its cores with others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _refusals() as error:
        message = f"onnxruntime refuses the model: {error}"
        raise ModelError(message) from error


def _refusals() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises; its errors share no base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
    )
    return (RuntimeError, ValueError, *(getattr(state, name) for name in names))


def _schema(node: Any) -> InputSchema:
    dtype = _DTYPES.get(node.type)
    if dtype is None:
        message = f"{node.name!r} is {node.type}; a classifier takes tensors of numbers."
        raise ModelError(message)
    sizes = (size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return InputSchema(dtype, tuple(sizes))
