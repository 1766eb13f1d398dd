"""False alarms of the detector of items of no class, and coverage of the sets of labels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import LabelSets
from tunesmith.artifacts.reports import Interval, OpenSetScores
from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.bootstrap import mean
from tunesmith.evaluation.subject import Subject
from tunesmith.inference.open_set import Judgement, label_set

__all__ = ["covered", "judgement_of", "open_set_scores", "unknown_flags"]

Flags = npt.NDArray[np.bool_]


def open_set_scores(subject: Subject) -> OpenSetScores | None:
    """Return false alarms and coverage on the test part, None where a run has neither.

    Parameters
    ----------
    subject
        The model and its test items.
    """
    test, p = subject.parts.test, subject.predictions.by_item
    flags = unknown_flags(subject, test, p)
    sets = subject.run.record.label_sets
    if flags is None and sets is None:
        return None
    scores = OpenSetScores(items=len(test), false_alarms=None, coverage=None)
    if flags is not None:
        scores = scores.model_copy(
            update={
                "false_alarms": mean(flags, test.groups),
                "false_alarms_by_class": _by_class(flags, test),
            }
        )
    if sets is not None:
        holds = covered(test, p, sets)
        sizes = np.array([len(label_set(row, test.classes, sets)) for row in p])
        scores = scores.model_copy(
            update={
                "coverage": mean(holds, test.groups),
                "coverage_by_class": _by_class(holds, test),
                "set_size": float(sizes.mean()),
                "empty": float((sizes == 0).mean()),
            }
        )
    return scores


def covered(examples: Examples, probabilities: npt.NDArray[np.float64], sets: LabelSets) -> Flags:
    """Return whether each item's set of labels holds the true one, ``bool [items]``."""
    labels = [label_set(row, examples.classes, sets) for row in probabilities]
    truth = [examples.classes[number] for number in examples.y]
    return np.array([name in names for name, names in zip(truth, labels, strict=True)])


def unknown_flags(
    subject: Subject, examples: Examples, probabilities: npt.NDArray[np.float64]
) -> Flags | None:
    """Return whether each item is recognised as of no class, None for a run without a detector.

    Parameters
    ----------
    subject
        The model.
    examples
        The items; they need the view that the detector reads.
    probabilities
        Calibrated probabilities of each item, ``float64 [items, classes]``.
    """
    judgement = judgement_of(subject, examples, probabilities)
    return None if judgement is None else judgement.is_unknown


def judgement_of(
    subject: Subject, examples: Examples, probabilities: npt.NDArray[np.float64]
) -> Judgement | None:
    """Return what the detector says of items; the arguments are those of `unknown_flags`."""
    detector = subject.open_set
    if detector is None:
        return None
    rows = np.asarray(examples.view(detector.facts.input).x)
    return detector.judge(rows, probabilities)


def _by_class(flags: Flags, examples: Examples) -> dict[str, Interval]:
    present: Sequence[int] = np.unique(examples.y).tolist()
    return {
        examples.classes[number]: mean(
            flags[examples.y == number], examples.groups[examples.y == number]
        )
        for number in present
    }
