"""Model bundles: ONNX and a card, numbered, aliased, promoted through a gate and rolled back."""

from tunesmith.registry.bundles import Aliases, Bundle, aliases, bundles, champion, open_bundle
from tunesmith.registry.classifier import Classifier, InputSchema
from tunesmith.registry.gate import Refused, Verdict
from tunesmith.registry.history import Record, history, rollback
from tunesmith.registry.promotion import promote
from tunesmith.registry.runs import Run, open_run

__all__ = [
    "Aliases",
    "Bundle",
    "Classifier",
    "InputSchema",
    "Record",
    "Refused",
    "Run",
    "Verdict",
    "aliases",
    "bundles",
    "champion",
    "history",
    "open_bundle",
    "open_run",
    "promote",
    "rollback",
]
