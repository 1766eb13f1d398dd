"""Model families: what can be trained, one file each.

A family owns its search space, trains one step at a time, predicts probabilities and exports
itself to ONNX with its preprocessing inside. Keras, scikit-learn and XGBoost are imported inside
functions: looking a family up costs nothing.
"""

from tunesmith.models.contract import Family, Fitted, Resources, Step
from tunesmith.models.registry import family_names, get_family
from tunesmith.models.support.onnx_graphs import merge

__all__ = ["Family", "Fitted", "Resources", "Step", "family_names", "get_family", "merge"]
