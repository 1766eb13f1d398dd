"""Calibration of a model: how well its confidence fits its accuracy."""

from tunesmith.artifacts.reports import Calibration
from tunesmith.evaluation.classwise import reliability
from tunesmith.evaluation.metrics import score
from tunesmith.evaluation.subject import Subject

__all__ = ["calibration"]

_COMPARED = ("ece", "log_loss", "accuracy")


def calibration(subject: Subject) -> Calibration:
    """Return the calibration before and after scaling by the temperature.

    The winner was refitted on training and validation items together, and is more confident about
    both than about new ones. So the temperature is that of the same settings fitted on training
    items alone.
    """
    test, p = subject.parts.test, subject.predictions.by_item
    if not subject.temperature:
        return Calibration(
            reliability=reliability(test.y, p),
            note="The model is not calibrated: the search fitted no temperature.",
        )
    raw = subject.uncalibrated.by_item
    before = score(test.y, raw, test.groups)
    return Calibration(
        reliability=reliability(test.y, p),
        temperature=subject.temperature,
        note=(
            "The temperature was fitted on the predictions for validation items of the best "
            "settings, trained on the training part alone. It is part of the promoted model."
        ),
        before={name: before[name] for name in _COMPARED},
        reliability_before=reliability(test.y, raw),
    )
