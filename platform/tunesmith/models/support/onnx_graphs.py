"""Putting exported graphs into the one shape that bundles promise.

Inputs carry the names of the views, the only output is ``probabilities`` float32 [rows, classes],
and the opset is fixed, so that whatever reads a bundle needs to know nothing about who wrote it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.errors import ModelError

__all__ = ["ML_OPSET", "OPSET", "OUTPUT", "beside", "finish", "merge", "pool_odds", "pooled_odds"]

# The newest that every converter in use can write; graphs of one opset can be merged.
OPSET = 15
# Of the operators for classical models, the one that the converters of trees write.
ML_OPSET = 1
OUTPUT = "probabilities"
# Probabilities nearer to 0 or 1 count as this near: no member decides alone.
_LEAST_POOLED = 1e-5
_POOLED = ("last", "kept", "rest", "odds", "log")
_ROWS = "rows"


def finish(
    model: Any, path: Path, *, inputs: Mapping[str, str], output: str, n_classes: int
) -> None:
    """Rename inputs and output, drop every other output, check the graph and write it.

    The graph may use ONNX's own operators whether it came with any or not: boosted trees come
    without, and what is put around them later, such as weights or a temperature, needs them.

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
        value.type.tensor_type.shape.dim[0].dim_param = _ROWS
    probabilities = onnx.helper.make_tensor_value_info(
        OUTPUT, onnx.TensorProto.FLOAT, [_ROWS, n_classes]
    )
    del graph.output[:]
    graph.output.append(probabilities)
    _drop_unused(graph)
    if not any(entry.domain in {"", "ai.onnx"} for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
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
            needed.update(_reads(node))
            keep.append(node)
    del graph.node[:]
    graph.node.extend(reversed(keep))


def _reads(node: Any) -> set[str]:
    """Return the values that a node reads; the body of a loop also reads those around it."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names |= _reads(inner)
    return names


def merge(members: Sequence[tuple[bytes, float]]) -> bytes:
    """Put models into one graph whose answer is the weighted sum of theirs.

    Members that read the same view share its input. Inputs of different views need as many rows, or
    one row that then stands beside every row of the others.

    Parameters
    ----------
    members
        Models as `finish` writes them, and weights that sum to 1.

    Returns
    -------
    bytes
        The model, of the same shape as its members.
    """
    from onnx import helper, numpy_helper

    joined = _Joined([content for content, _ in members])
    shares = []
    for number, (name, (_, weight)) in enumerate(zip(joined.outputs, members, strict=True)):
        factor, share = f"weight_{number}", f"share_{number}"
        joined.nodes.append(helper.make_node("Mul", [name, factor], [share]))
        joined.constants.append(numpy_helper.from_array(np.array(weight, dtype=np.float32), factor))
        shares.append(share)
    joined.nodes.append(helper.make_node("Sum", shares, [OUTPUT]))
    return joined.model(joined.widths[0])


def beside(members: Sequence[bytes]) -> bytes:
    """Put models into one graph whose output has the columns of all of theirs, side by side.

    Parameters
    ----------
    members
        Models as `finish` writes them, which read the same view.

    Returns
    -------
    bytes
        The model. Each row of its output sums to the number of members.
    """
    from onnx import helper

    joined = _Joined(members)
    joined.nodes.append(helper.make_node("Concat", joined.outputs, [OUTPUT], axis=1))
    return joined.model(sum(joined.widths))


def pooled_odds(members: Sequence[bytes]) -> bytes:
    """Put models into one graph that says how probable the last of their classes is.

    The logarithm of its odds against all other classes is the mean of those of the members.

    Parameters
    ----------
    members
        Models as `finish` writes them, which read the same view. They may tell other classes apart,
        as long as the last one is the same.

    Returns
    -------
    bytes
        The model. Its output has two columns: any other class, and the last.
    """
    from onnx import helper, numpy_helper

    joined = _Joined(members)
    for number, name in enumerate(joined.outputs):
        last, kept, rest, odds, log = (f"{of}_{number}" for of in _POOLED)
        joined.nodes += [
            helper.make_node("Gather", [name, "end"], [last], axis=1),
            helper.make_node("Clip", [last, "least", "most"], [kept]),
            helper.make_node("Sub", ["one", kept], [rest]),
            helper.make_node("Div", [kept, rest], [odds]),
            helper.make_node("Log", [odds], [log]),
        ]
    logs = [f"{_POOLED[-1]}_{number}" for number in range(len(members))]
    joined.nodes += [
        helper.make_node("Mean", logs, ["mean_log"]),
        helper.make_node("Sigmoid", ["mean_log"], ["pooled"]),
        helper.make_node("Sub", ["one", "pooled"], ["any_other"]),
        helper.make_node("Concat", ["any_other", "pooled"], [OUTPUT], axis=1),
    ]
    numbers = {"least": _LEAST_POOLED, "most": 1.0 - _LEAST_POOLED, "one": 1.0}
    joined.constants += [
        numpy_helper.from_array(np.array(value, dtype=np.float32), name)
        for name, value in numbers.items()
    ]
    joined.constants.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "end"))
    return joined.model(2)


def pool_odds(answers: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return what the graph of `pooled_odds` answers where its members answer so.

    Parameters
    ----------
    answers
        Probabilities of each member, ``float32 [rows, classes]``.

    Returns
    -------
    numpy.ndarray
        ``float32 [rows, 2]``.
    """
    least = np.float32(_LEAST_POOLED)
    last = [np.clip(p[:, -1], least, np.float32(1.0) - least) for p in answers]
    log = np.mean([np.log(p / (np.float32(1.0) - p)) for p in last], axis=0)
    pooled = (1.0 / (1.0 + np.exp(-log))).astype(np.float32)
    return np.column_stack([np.float32(1.0) - pooled, pooled])


class _Joined:
    """Graphs put beside each other, with the inputs of one name as one."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        import onnx
        from onnx import compose

        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs: list[str] = []
        self.widths: list[int] = []
        self._inputs: dict[str, Any] = {}
        self._imports: dict[str, Any] = {}
        for number, content in enumerate(contents):
            model = onnx.load_from_string(content)
            graph = compose.add_prefix(model, f"m{number}/", rename_inputs=False).graph
            for value in graph.input:
                value.type.tensor_type.shape.dim[0].dim_param = f"{value.name}_rows"
                self._inputs.setdefault(value.name, value)
            self._imports |= {entry.domain: entry for entry in model.opset_import}
            self.nodes += graph.node
            self.constants += graph.initializer
            self.outputs.append(graph.output[0].name)
            self.widths.append(graph.output[0].type.tensor_type.shape.dim[1].dim_value)

    def model(self, width: int) -> bytes:
        """Return the model whose output has `width` columns."""
        import onnx
        from onnx import helper

        output = helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [_ROWS, width])
        inputs = list(self._inputs.values())
        graph = helper.make_graph(self.nodes, "joined", inputs, [output], self.constants)
        merged = helper.make_model(graph, opset_imports=list(self._imports.values()), ir_version=8)
        onnx.checker.check_model(merged)
        return bytes(merged.SerializeToString())
