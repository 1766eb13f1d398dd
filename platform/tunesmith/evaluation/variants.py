"""Smaller variants of a model: kept where accuracy holds and predicting is faster."""

import numpy as np

from tunesmith.artifacts.reports import VariantScores
from tunesmith.errors import ModelError
from tunesmith.evaluation.metrics import score
from tunesmith.evaluation.predictions import batch_of, predict, rows_of
from tunesmith.evaluation.subject import Subject
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.runs import load_run
from tunesmith.inference.variants import LEAST_SPEEDUP, VARIANTS, time_of_batch_s

__all__ = ["LEAST_SPEEDUP", "variants"]

# The chunks of a piece of three minutes, as in one request.
_TIMED_ROWS = 12


def variants(subject: Subject) -> dict[str, VariantScores]:
    """Return the accuracy and speed of every variant that can be made, by its name."""
    scores: dict[str, VariantScores] = {}
    for name, make in VARIANTS.items():
        data = make(subject.run.model_bytes())
        if data is None:
            continue
        subject.say(f"Measuring the model in {name}")
        try:
            smaller = Classifier(data, classes=subject.run.classes, threads=1)
        except ModelError as error:
            # Not every graph survives the conversion; the model itself is untouched.
            scores[name] = VariantScores(kept=False, problem=str(error))
            continue
        scores[name] = _measured(subject, smaller, len(data))
    return scores


def _measured(subject: Subject, smaller: Classifier, size: int) -> VariantScores:
    test, p = subject.parts.test, subject.predictions.by_item
    other = subject.calibrate(predict(smaller, test))
    accuracy = score(test.y, other, test.groups)["accuracy"]
    original = score(test.y, p, test.groups)["accuracy"]
    few = batch_of(rows_of(test, smaller.inputs), smaller, slice(0, _TIMED_ROWS))
    original_s = time_of_batch_s(load_run(subject.run, threads=1), few)
    speedup = original_s / time_of_batch_s(smaller, few)
    return VariantScores(
        kept=original.low <= accuracy.value and speedup >= LEAST_SPEEDUP,
        accuracy=accuracy,
        agreement=float(np.mean(other.argmax(axis=1) == p.argmax(axis=1))),
        speedup=speedup,
        bytes=size,
    )
