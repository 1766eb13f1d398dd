"""Answers of a model: probabilities of one item, along a piece, and of several models together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tunesmith.errors import ModelError

__all__ = ["Prediction", "Probabilities", "Segments", "by_class", "mean"]

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segments:
    """Stretches of a piece, each judged on its own.

    Attributes
    ----------
    starts_s
        Start of each segment in seconds, ``float64 [segments]``.
    length_s
        Length of a segment.
    sounding
        Whether anything sounds in it, ``bool [segments]``.
    probabilities
        ``float32 [segments, classes]``.
    disputed
        Whether the members of an ensemble name different classes, ``bool [segments]``; None for
        one model.
    """

    starts_s: npt.NDArray[np.float64]
    length_s: float
    sounding: npt.NDArray[np.bool_]
    probabilities: Probabilities
    disputed: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Prediction:
    """A model's answer about one item.

    Attributes
    ----------
    classes
        Names of the classes.
    probabilities
        Of each class, ``float32 [classes]``.
    segments
        Answers along a piece; None for other items.
    """

    classes: tuple[str, ...]
    probabilities: Probabilities
    segments: Segments | None = None

    @property
    def label(self) -> str:
        """Most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Probability of the most probable class."""
        return float(self.probabilities.max())

    def by_class(self) -> dict[str, float]:
        """Return the probability of each class, the most probable first."""
        return by_class(self.probabilities, self.classes)

    def __repr__(self) -> str:
        ranked = list(self.by_class().items())[:3]
        shown = ", ".join(f"{name} {probability:.2f}" for name, probability in ranked)
        more = ", …" if len(self.classes) > len(ranked) else ""
        return f"Prediction({shown}{more})"


def by_class(row: Probabilities, classes: Sequence[str]) -> dict[str, float]:
    """Return a row of probabilities by class, the most probable first."""
    order = np.argsort(-row, kind="stable")
    return {classes[index]: round(float(row[index]), 6) for index in order}


def mean(predictions: Sequence[Prediction], weights: Sequence[float]) -> Prediction:
    """Return the weighted mean of several models' answers about one item.

    Raises
    ------
    ModelError
        When they do not know the same classes.
    """
    first = predictions[0]
    if len(predictions) == 1:
        return first
    share = np.asarray(weights, dtype=np.float32) / np.float32(sum(weights))
    orders = []
    for prediction in predictions:
        if set(prediction.classes) != set(first.classes):
            message = "The members of an ensemble must know the same classes."
            raise ModelError(message)
        place = {name: index for index, name in enumerate(prediction.classes)}
        orders.append([place[name] for name in first.classes])
    whole = sum(
        weight * prediction.probabilities[order]
        for prediction, order, weight in zip(predictions, orders, share, strict=True)
    )
    segments = first.segments
    if segments is not None:
        alike = [
            (prediction.segments.probabilities[:, order], weight)
            for prediction, order, weight in zip(predictions, orders, share, strict=True)
            if prediction.segments is not None
            and prediction.segments.length_s == segments.length_s
            and len(prediction.segments.starts_s) == len(segments.starts_s)
        ]
        total = sum(weight for _, weight in alike)
        mixed = sum(probabilities * (weight / total) for probabilities, weight in alike)
        bests = np.stack([probabilities.argmax(axis=1) for probabilities, _ in alike])
        segments = replace(
            segments,
            probabilities=np.asarray(mixed),
            disputed=(bests != bests[0]).any(axis=0) if len(alike) > 1 else None,
        )
    return Prediction(first.classes, np.asarray(whole), segments)
