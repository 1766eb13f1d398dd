"""Model families: what can be trained, one file each.

A family owns its search space, trains one step at a time, predicts probabilities and exports
itself to ONNX with its preprocessing inside. Keras, scikit-learn and XGBoost are imported inside
functions: looking a family up costs nothing.

A family of your own is a file, too, which need not lie in this package: see docs/adding.md. This
package exports what it needs: the contract (`Family`, or `SingleStepFamily` where training has no
steps, and `Fitted`), scaling (`standard_scale`, `min_max_scale`, `standardise`), class weights,
models that are a few arrays (`FittedLinear`, `GraphModel` with `Graph`), networks of Keras
(`NetworkFamily` with `Recipe`), and `finish_onnx` for graphs of other converters.
"""

from tunesmith.models.contract import (
    Family,
    Fitted,
    Params,
    Probabilities,
    Resources,
    SingleStepFamily,
    Step,
    class_weights,
)
from tunesmith.models.linear import FittedLinear
from tunesmith.models.registry import add_family, family_names, get_family
from tunesmith.models.support.discriminant import FittedDiscriminant, fit_discriminant
from tunesmith.models.support.distance import FittedDistance, fit_distance
from tunesmith.models.support.networks import NetworkFamily, Recipe
from tunesmith.models.support.numeric import ArrayModel, Graph, GraphModel, at_most
from tunesmith.models.support.onnx_graphs import beside, merge, pool_odds, pooled_odds
from tunesmith.models.support.onnx_graphs import finish as finish_onnx
from tunesmith.models.support.scaling import min_max_scale, standard_scale, standardise

__all__ = [
    "ArrayModel",
    "Family",
    "Fitted",
    "FittedDiscriminant",
    "FittedDistance",
    "FittedLinear",
    "Graph",
    "GraphModel",
    "NetworkFamily",
    "Params",
    "Probabilities",
    "Recipe",
    "Resources",
    "SingleStepFamily",
    "Step",
    "add_family",
    "at_most",
    "beside",
    "class_weights",
    "family_names",
    "finish_onnx",
    "fit_discriminant",
    "fit_distance",
    "get_family",
    "merge",
    "min_max_scale",
    "pool_odds",
    "pooled_odds",
    "standard_scale",
    "standardise",
]
