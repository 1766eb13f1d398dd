"""Putting exported graphs into the one shape that bundles promise.

Inputs carry the names of the views, the only output is ``probabilities`` float32 [rows, classes],
and the opset is fixed, so that whatever reads a bundle needs to know nothing about who wrote it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.errors import ModelError

__all__ = ["OPSET", "OUTPUT", "finish"]

# The newest that every converter in use can write; graphs of one opset can be merged.
OPSET = 15
OUTPUT = "probabilities"


def finish(
    model: Any, path: Path, *, inputs: Mapping[str, str], output: str, n_classes: int
) -> None:
    """Rename inputs and output, drop every other output, check the graph and write it.

    Parameters
    ----------
    model
        `onnx.ModelProto` as a converter made it.
    path
        Where to write it.
    inputs
        New name of each input by its present name.
    output
        Present name of the output that holds probabilities.
    n_classes
        Number of columns of that output.

    Raises
    ------
    ModelError
        When the graph lacks one of these names or ONNX's checker refuses it.
    """
    import onnx

    graph = model.graph
    present = {value.name for value in graph.input} | {value.name for value in graph.output}
    missing = {*inputs, output} - present
    if missing:
        message = f"The exported graph has no {', '.join(sorted(missing))}; it has {present}."
        raise ModelError(message)
    names = {**inputs, output: OUTPUT}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in graph.input:
        value.name = names.get(value.name, value.name)
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    probabilities = onnx.helper.make_tensor_value_info(
        OUTPUT, onnx.TensorProto.FLOAT, ["rows", n_classes]
    )
    del graph.output[:]
    graph.output.append(probabilities)
    _drop_unused(graph)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        message = f"The exported graph is not valid ONNX: {error}"
        raise ModelError(message) from error
    onnx.save_model(model, str(path))


def _drop_unused(graph: Any) -> None:
    """Remove nodes that nothing reads any more, such as those of predicted labels."""
    needed = {value.name for value in graph.output}
    keep = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            keep.append(node)
    del graph.node[:]
    graph.node.extend(reversed(keep))
