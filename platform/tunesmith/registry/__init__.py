"""Model bundles: ONNX and a card, numbered, aliased, promoted through a gate and rolled back."""

from tunesmith.artifacts.cards import Aliases, Card, ChampionRecord, Verdict
from tunesmith.artifacts.cards import read_aliases as aliases
from tunesmith.artifacts.runs import Run, open_run
from tunesmith.inference.classifier import Classifier, InputSchema
from tunesmith.registry.bundles import Bundle, bundles, champion, find_bundle, open_bundle
from tunesmith.registry.gate import Refused
from tunesmith.registry.history import history, rollback
from tunesmith.registry.lines import line_of
from tunesmith.registry.mlflow_registry import (
    Catalogued,
    CatalogueError,
    catalogue,
    catalogue_or_say,
)
from tunesmith.registry.promotion import promote

__all__ = [
    "Aliases",
    "Bundle",
    "Card",
    "CatalogueError",
    "Catalogued",
    "ChampionRecord",
    "Classifier",
    "InputSchema",
    "Refused",
    "Run",
    "Verdict",
    "aliases",
    "bundles",
    "catalogue",
    "catalogue_or_say",
    "champion",
    "find_bundle",
    "history",
    "line_of",
    "open_bundle",
    "open_run",
    "promote",
    "rollback",
]
