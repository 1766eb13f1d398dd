"""Model bundles: ONNX and a card, numbered, aliased, promoted through a gate and rolled back."""

from tunesmith.registry.bundles import Aliases, Bundle, aliases, bundles, champion, open_bundle
from tunesmith.registry.catalogue import (
    Catalogued,
    CatalogueError,
    catalogue,
    catalogue_or_say,
)
from tunesmith.registry.classifier import Classifier, InputSchema
from tunesmith.registry.gate import Refused, Verdict
from tunesmith.registry.history import Record, history, rollback
from tunesmith.registry.promotion import promote
from tunesmith.registry.runs import Run, open_run

__all__ = [
    "Aliases",
    "Bundle",
    "CatalogueError",
    "Catalogued",
    "Classifier",
    "InputSchema",
    "Record",
    "Refused",
    "Run",
    "Verdict",
    "aliases",
    "bundles",
    "catalogue",
    "catalogue_or_say",
    "champion",
    "history",
    "open_bundle",
    "open_run",
    "promote",
    "rollback",
]
