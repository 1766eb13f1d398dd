"""Temperature scaling inside the graph: raw inputs in, calibrated probabilities out."""

import math

from tunesmith.errors import ModelError
from tunesmith.inference.classifier import OUTPUT

__all__ = ["with_temperature"]

_RAW = "uncalibrated_probabilities"
_SMALLEST = 1e-12
# What the families' exporters write; every runtime of today reads it.
_OPSET = 15


def with_temperature(model: bytes, temperature: float) -> bytes:
    """Return the model with its probabilities softened or sharpened.

    Probabilities are the softmax of logits up to a constant that softmax ignores, so
    ``softmax(log(p) / temperature)`` scales the logits of any family (Guo et al., 2017).

    Parameters
    ----------
    model
        ONNX with the output ``probabilities``, serialised.
    temperature
        Above 1 answers become less sure. With 1 the model comes back unchanged.

    Raises
    ------
    ModelError
        When the temperature is not positive or the graph has no such output.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        message = f"A temperature must be a positive number, got {temperature!r}."
        raise ModelError(message)
    if temperature == 1.0:
        return model
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    if OUTPUT not in {value.name for value in graph.output}:
        message = f"The graph has no output {OUTPUT!r} to calibrate."
        raise ModelError(message)
    if not any(entry.domain in {"", "ai.onnx"} for entry in proto.opset_import):
        # A graph of trees alone imports only the operators of machine learning.
        proto.opset_import.append(helper.make_opsetid("", _OPSET))
    for node in graph.node:
        node.input[:] = [_RAW if name == OUTPUT else name for name in node.input]
        node.output[:] = [_RAW if name == OUTPUT else name for name in node.output]
    constants = {"calibration_smallest": _SMALLEST, "calibration_rate": 1.0 / temperature}
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.float32), name))
    graph.node.extend(
        [
            helper.make_node("Max", [_RAW, "calibration_smallest"], ["calibration_positive"]),
            helper.make_node("Log", ["calibration_positive"], ["calibration_logits"]),
            helper.make_node(
                "Mul", ["calibration_logits", "calibration_rate"], ["calibration_scaled"]
            ),
            helper.make_node("Softmax", ["calibration_scaled"], [OUTPUT], axis=1),
        ]
    )
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())
