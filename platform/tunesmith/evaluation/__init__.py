"""Measuring a model: metrics with intervals, comparisons, leak checks, robustness."""

from tunesmith.evaluation.evaluator import Evaluation, evaluate
from tunesmith.evaluation.metrics import compare, score

__all__ = ["Evaluation", "compare", "evaluate", "score"]
