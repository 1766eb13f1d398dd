"""Recognising items of no class, and sets of labels that hold the truth.

Evaluation and every caller of a model use these functions, so what a report measures is what users
get.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import Detector, LabelSets
from tunesmith.errors import ModelError
from tunesmith.inference.classifier import Classifier

__all__ = ["Judgement", "OpenSet", "label_set"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """Detector's judgement of items.

    Attributes
    ----------
    known
        Score of each item, ``float64 [items]`` in 0 to 1.
    is_unknown
        Whether the score says that it is of no class, ``bool [items]``.
    of_a_class
        Probability that it is of any class, ``float64 [items]``.
    """

    known: Floats
    is_unknown: npt.NDArray[np.bool_]
    of_a_class: Floats


class OpenSet:
    """A loaded detector of items of no class.

    Parameters
    ----------
    graph
        ``known.onnx``.
    facts
        The detector's part of the card.
    classes
        Names of the model's classes.
    threads
        Threads of one prediction; 0 for every core.

    Raises
    ------
    ModelError
        When onnxruntime refuses the graph, or it does not fit the facts.
    """

    def __init__(
        self, graph: bytes, facts: Detector, classes: Sequence[str], threads: int = 1
    ) -> None:
        self.facts = facts
        self._classifier = Classifier(graph, classes=facts.columns, threads=threads)
        if set(self._classifier.inputs) != {facts.input}:
            message = (
                f"known.onnx reads {', '.join(self._classifier.inputs)}; the card says "
                f"{facts.input}. Promote the run again."
            )
            raise ModelError(message)
        absent = {name for part in facts.parts for name in classes if name not in part.calibration}
        if absent:
            names = ", ".join(sorted(absent))
            message = f"The detector is not calibrated for {names}. Search again."
            raise ModelError(message)
        self._quantiles = [
            [np.array(part.calibration[name]) for name in classes] for part in facts.parts
        ]
        self._thresholds = np.array([facts.threshold_of(name) for name in classes])

    def judge(self, rows: npt.NDArray[np.float32], probabilities: npt.ArrayLike) -> Judgement:
        """Return what the detector says of items.

        Parameters
        ----------
        rows
            Row of each item in the view that the detector reads, ``float32 [items, columns]``.
        probabilities
            What the model answers about each item, ``float [items, classes]``.
        """
        answered = np.asarray(probabilities).argmax(axis=1)
        inputs = {self.facts.input: np.ascontiguousarray(rows, dtype=np.float32)}
        columns = self._classifier.predict(inputs)
        scores = np.ones(len(columns))
        for part, quantiles in zip(self.facts.parts, self._quantiles, strict=True):
            usual = _shares(1.0 - columns[:, part.column].astype(np.float64), quantiles, answered)
            scores = np.minimum(scores, usual / part.share)
        of_a_class = 1.0 - columns[:, self.facts.parts[0].column].astype(np.float64)
        return Judgement(scores, scores < self._thresholds[answered], of_a_class)


def _shares(values: Floats, quantiles: Sequence[Floats], answered: npt.NDArray[np.int64]) -> Floats:
    """Return for each value the share of its class's calibration items with a lower one or as low.

    A value below all of theirs has 0.
    """
    shares = np.zeros(len(values))
    for number, of_class in enumerate(quantiles):
        own = answered == number
        levels = np.linspace(0.0, 1.0, len(of_class))
        place = np.searchsorted(of_class, values[own], side="right") - 1
        shares[own] = np.where(place < 0, 0.0, levels[np.maximum(place, 0)])
    return shares


def label_set(
    probabilities: npt.ArrayLike, classes: Sequence[str], sets: LabelSets
) -> tuple[str, ...]:
    """Return the labels that an item may have, the most probable first.

    For items like the training data the set holds the true label with the promised probability,
    whichever it is. It is empty for an item that is unusual for every class.

    Parameters
    ----------
    probabilities
        Of each class, ``float [classes]``.
    classes
        Names of the classes.
    sets
        The limits.
    """
    row = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-row, kind="stable")
    return tuple(classes[place] for place in order if row[place] >= sets.least[classes[place]])
