"""The Gaussian kernel of support vector machines, in NumPy and as a part of an ONNX graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.support.numeric import Graph

__all__ = ["gaussian_kernel", "kernel_graph"]


def gaussian_kernel(
    rows: npt.NDArray[np.float32], support: npt.NDArray[np.float32], gamma: Any
) -> npt.NDArray[np.float32]:
    """Return ``exp(-gamma * squared distance)``, ``[rows, support vectors]``."""
    squared = (rows**2).sum(axis=1, keepdims=True) + (support**2).sum(axis=1)
    return np.asarray(np.exp(-gamma * np.maximum(squared - 2 * rows @ support.T, 0)))


def kernel_graph(graph: Graph, rows: str, arrays: Mapping[str, npt.NDArray[np.float32]]) -> str:
    """Add the kernel between rows and support vectors, times the weights; return the logits.

    Parameters
    ----------
    graph
        The graph.
    rows
        Name of the scaled rows.
    arrays
        ``support`` ``[support vectors, features]``, ``gamma``, ``weight``
        ``[support vectors, classes]`` and ``bias`` ``[classes]``.
    """
    support = arrays["support"]
    own = graph.add("ReduceSumSquare", rows, axes=[1], keepdims=1)
    products = graph.add("MatMul", rows, graph.constant(-2 * support.T))
    theirs = graph.constant((support**2).sum(axis=1))
    squared = graph.add("Relu", graph.add("Add", graph.add("Add", own, products), theirs))
    kernel = graph.add("Exp", graph.add("Mul", squared, graph.constant(-arrays["gamma"])))
    weight, bias = graph.constant(arrays["weight"]), graph.constant(arrays["bias"])
    return graph.add("Gemm", kernel, weight, bias)
