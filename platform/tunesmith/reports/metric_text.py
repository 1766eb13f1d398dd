"""Metrics in words and numbers, as pages and sentences show them."""

from markupsafe import Markup

from tunesmith.artifacts.reports import Interval

__all__ = ["interval", "metric_inside", "metric_name", "metric_order"]

_METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "log_loss": "Log loss",
    "ece": "Calibration error",
}


def metric_name(metric: str) -> str:
    """Return a metric's name for people, such as ``Top-3 accuracy``."""
    if metric.startswith("top_"):
        return f"Top-{metric.split('_')[1]} accuracy"
    return _METRICS.get(metric, metric)


def metric_order(metric: str) -> float:
    """Return the place of a metric in tables, whatever the order of a file's keys."""
    order = [*_METRICS]
    return order.index(metric) if metric in order else order.index("log_loss") - 0.5


def interval(value: Interval, sign: str = "") -> Markup:
    """Return a value with its interval, for tables."""
    texts = (f"{number:{sign}.3f}" for number in (value.value, value.low, value.high))
    middle, low, high = (text.replace("-", "\N{MINUS SIGN}") for text in texts)
    return Markup("{} <small>[{}, {}]</small>").format(middle, low, high)


def metric_inside(metric: str) -> str:
    """Return a metric's name as it stands inside a sentence, such as ``macro F1``."""
    name = metric_name(metric)
    return name[0].lower() + name[1:]
