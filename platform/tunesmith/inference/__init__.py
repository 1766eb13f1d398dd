"""Raw items to a model's inputs and answers, by what its bundle says: one code for every caller.

Training's readers, evaluation, the server and programs of one's own all call it.
"""

from tunesmith.inference.classifier import Classifier
from tunesmith.inference.model import Model
from tunesmith.inference.predictions import Prediction, Segments

__all__ = ["Classifier", "Model", "Prediction", "Segments"]
