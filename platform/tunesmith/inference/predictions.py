"""Answers of a model: probabilities of one item, along a piece, and of several models together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tunesmith.errors import ModelError
from tunesmith.midi.score import Transcription

__all__ = ["Prediction", "Probabilities", "Segments", "by_class", "mean"]

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segments:
    """Stretches of a piece in which something sounds, each judged on its own.

    Attributes
    ----------
    starts_s
        Start of each segment in seconds, ``float64 [segments]``.
    length_s
        Length of a segment.
    probabilities
        ``float32 [segments, classes]``.
    disputed
        Whether the members of an ensemble name different classes, ``bool [segments]``; None for
        one model.
    """

    starts_s: npt.NDArray[np.float64]
    length_s: float
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
    known
        Share of the known items of the answered class that are as unusual or more, 0 to 1; None
        where the model has no detector of items of no class.
    none_of_these
        Whether the item is unlike anything that the model learned from; None without a detector.
        False for music that is recognised as a piece of one of its classes.
    of_a_class
        Probability that the item is of any class at all; None without a detector.
    labels_90
        Labels that hold the true one with 90 % probability, if it is one of the classes; None where
        the model has no limits for them.
    transcription
        Facts about the notes of a recording; None for other items.
    """

    classes: tuple[str, ...]
    probabilities: Probabilities
    segments: Segments | None = None
    known: float | None = None
    none_of_these: bool | None = None
    of_a_class: float | None = None
    labels_90: tuple[str, ...] | None = None
    transcription: Transcription | None = None

    @property
    def confidence(self) -> float:
        """Probability that the most probable class is right, and that the item is of a class."""
        return self.probability * (1.0 if self.of_a_class is None else self.of_a_class)

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

    def recognised(self, label: str | None) -> "Prediction":
        """Return the answer about an item that is the same as one with a label.

        An item that is known to be of a class is not of none, however unusual for its class.
        """
        if self.none_of_these and label in self.classes:
            return replace(self, none_of_these=False)
        return self

    def __repr__(self) -> str:
        ranked = list(self.by_class().items())[:3]
        shown = ", ".join(f"{name} {probability:.2f}" for name, probability in ranked)
        more = ", …" if len(self.classes) > len(ranked) else ""
        none = "none of these; " if self.none_of_these else ""
        return f"Prediction({none}{shown}{more})"


def by_class(row: Probabilities, classes: Sequence[str]) -> dict[str, float]:
    """Return a row of probabilities by class, the most probable first."""
    order = np.argsort(-row, kind="stable")
    return {classes[index]: round(float(row[index]), 6) for index in order}


def mean(predictions: Sequence[Prediction], weights: Sequence[float]) -> Prediction:
    """Return the weighted mean of several models' answers about one item.

    The item is of no class where models with more than half of the weight say so, and its labels
    are those that more than half of the weight has in its set.

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
            and np.array_equal(prediction.segments.starts_s, segments.starts_s)
        ]
        total = sum(weight for _, weight in alike)
        mixed = sum(probabilities * (weight / total) for probabilities, weight in alike)
        bests = np.stack([probabilities.argmax(axis=1) for probabilities, _ in alike])
        segments = replace(
            segments,
            probabilities=np.asarray(mixed),
            disputed=(bests != bests[0]).any(axis=0) if len(alike) > 1 else None,
        )
    pairs = list(zip(predictions, weights, strict=True))
    scores = [(of.known, weight) for of, weight in pairs if of.known is not None]
    flags = [(of.none_of_these, weight) for of, weight in pairs if of.none_of_these is not None]
    certain = [(of.of_a_class, weight) for of, weight in pairs if of.of_a_class is not None]
    sets = [(of.labels_90, weight) for of, weight in pairs if of.labels_90 is not None]
    prediction = Prediction(
        first.classes, np.asarray(whole), segments, transcription=first.transcription
    )
    return replace(
        prediction,
        known=_share(scores) if scores else None,
        none_of_these=_share(flags) > 0.5 if flags else None,
        of_a_class=_share(certain) if certain else None,
        labels_90=tuple(
            name
            for name in prediction.by_class()
            if _share([(name in labels, weight) for labels, weight in sets]) > 0.5
        )
        if sets
        else None,
    )


def _share(values: Sequence[tuple[float, float]]) -> float:
    """Return the weighted mean of values with weights."""
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)
