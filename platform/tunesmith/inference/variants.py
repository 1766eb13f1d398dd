"""A smaller model beside the model: 8 or 16 bits, kept only where that is worth it."""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.inference.classifier import Classifier

__all__ = ["LEAST_SPEEDUP", "VARIANTS", "eight_bit", "half_precision", "time_of_batch_s"]

LEAST_SPEEDUP = 1.1
"""A variant that is not at least this many times as fast is not worth keeping."""

# Trees are not made of these; quantising them would change nothing.
_QUANTISABLE = {"Conv", "Gemm", "LSTM", "MatMul"}
_REPEATS = 30


def eight_bit(model: bytes) -> bytes | None:
    """Return the model with weights in 8 bits, activations quantised as they come.

    Parameters
    ----------
    model
        ONNX, serialised.

    Returns
    -------
    bytes | None
        None where the graph has no matrices to quantise.
    """
    import onnx

    proto = onnx.load_model_from_string(model)
    if not _has_matrices(proto):
        return None
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Merged graphs may import the same operators twice, which the quantiser refuses.
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    del proto.opset_import[:]
    proto.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in versions.items())
    with tempfile.TemporaryDirectory(prefix="tunesmith-variant-") as folder:
        path = Path(folder) / "model.onnx"
        before = logging.root.manager.disable
        # Its advice is about models that lack shapes; exported ones have them.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(proto, str(path), weight_type=QuantType.QUInt8)
        finally:
            logging.disable(before)
        return path.read_bytes()


def half_precision(model: bytes) -> bytes | None:
    """Return the model that computes in 16-bit floating point, inputs and output as they were.

    A processor without such arithmetic converts back and forth and is slower; a GPU is faster.

    Parameters
    ----------
    model
        ONNX, serialised.

    Returns
    -------
    bytes | None
        None where the graph has no matrices.
    """
    import onnx

    proto = onnx.load_model_from_string(model)
    if not _has_matrices(proto):
        return None
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    for number, node in enumerate(proto.graph.node):
        # The converter knows nodes by their names, which exporters leave empty.
        node.name = f"{node.op_type}_{number}"
    with warnings.catch_warnings():
        # Of numbers too small or too large; what that costs is measured.
        warnings.simplefilter("ignore")
        halved = OnnxModel(convert_float_to_float16(proto, keep_io_types=True))
    # It appends the conversion of an input behind the nodes that read it, which ONNX forbids.
    halved.topological_sort()
    return bytes(halved.model.SerializeToString())


def _has_matrices(proto: Any) -> bool:
    return bool({node.op_type for node in proto.graph.node} & _QUANTISABLE)


VARIANTS: Mapping[str, Callable[[bytes], bytes | None]] = {
    "int8": eight_bit,
    "float16": half_precision,
}
"""Functions that make each variant from a model."""


def time_of_batch_s(classifier: Classifier, inputs: Mapping[str, npt.NDArray[Any]]) -> float:
    """Return the seconds of one prediction, the best of thirty."""
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        classifier.predict(inputs)
        times.append(time.perf_counter() - began)
    return float(np.min(times))
