"""Model bundles: ONNX and a card, numbered, aliased, promoted through a gate and rolled back."""

from tunesmith.registry.bundles import Aliases, Bundle, aliases, bundles, champion, open_bundle
from tunesmith.registry.classifier import Classifier, InputSchema

__all__ = [
    "Aliases",
    "Bundle",
    "Classifier",
    "InputSchema",
    "aliases",
    "bundles",
    "champion",
    "open_bundle",
]
