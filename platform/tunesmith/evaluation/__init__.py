"""How good a model is, how sure that is, and whether the figure can be trusted."""

from tunesmith.evaluation.evaluator import Evaluation, evaluate
from tunesmith.evaluation.metrics import Comparison, Interval, compare, score

__all__ = ["Comparison", "Evaluation", "Interval", "compare", "evaluate", "score"]
