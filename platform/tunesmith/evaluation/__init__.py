"""How good a model is, how sure that is, and whether the figure can be trusted."""

from tunesmith.evaluation.evaluator import Report, ensure_report, evaluate, open_report
from tunesmith.evaluation.metrics import Comparison, Interval, compare, score

__all__ = [
    "Comparison",
    "Interval",
    "Report",
    "compare",
    "ensure_report",
    "evaluate",
    "open_report",
    "score",
]
