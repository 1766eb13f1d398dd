"""Sentences about items of no class: what a detector learned from, and what it does."""

from tunesmith.artifacts.open_set import Detector, Exposure
from tunesmith.artifacts.reports import ReportRecord

__all__ = ["coverage_sentence", "detector_sentences", "exposure_text"]


def exposure_text(exposure: Exposure) -> str:
    """Return a source of items of no class in words, with what was left out of it."""
    labels = f" of {exposure.labels:,} labels" if exposure.labels else ""
    left_out = [
        (exposure.near_duplicates, "near-duplicates of known items"),
        (exposure.of_classes, "of its classes"),
        (exposure.without_label, "without a label"),
    ]
    reasons = ", ".join(f"{number:,} {why}" for number, why in left_out if number)
    without = f" (left out: {reasons})" if reasons else ""
    return f"{exposure.items:,} of {exposure.source}{labels}{without}"


def detector_sentences(report: ReportRecord) -> list[str]:
    """Return what a reader should know about the answer "none of these"."""
    detector, unit, units = report.detector, report.unit, f"{report.unit}s"
    if detector is None:
        sentences = [
            f"The model names one of its classes for any {unit}, also for one that belongs to none."
        ]
        if report.no_detector:
            sentences.append(f"It has no detector of such {units}: {report.no_detector}")
        return sentences
    learned = "; ".join(exposure_text(exposure) for exposure in detector.exposures)
    sentences = [
        f"The model answers none of these for {units} that are unlike what it learned from.",
        f"It may do so by mistake for this share of the {units}: {detector.promise}.",
        f"It learned what {units} of no class are like from: {learned}.",
        _recognised(detector, units),
    ]
    alarms = report.open_set.false_alarms if report.open_set is not None else None
    if alarms is not None:
        sentences.append(
            f"On the test part {alarms.value:.1%} ({alarms.low:.1%} to {alarms.high:.1%}) of the "
            f"{units} are such mistakes."
        )
    return sentences


def _recognised(detector: Detector, units: str) -> str:
    if detector.recognised is None or detector.auroc is None:
        return (
            f"The search did not measure how many {units} of no class it recognises, because the "
            "data has none with labels."
        )
    return (
        f"It recognised {detector.recognised:.0%} of {detector.recognised_of:,} {units} of "
        f"{detector.recognised_labels:,} labels that it had not met (area under the ROC curve "
        f"{detector.auroc:.3f})."
    )


def coverage_sentence(report: ReportRecord) -> str | None:
    """Return how often the sets of labels hold the truth, None where there are none."""
    scores = report.open_set
    if scores is None or scores.coverage is None or scores.set_size is None:
        return None
    covered = scores.coverage
    return (
        f"The sets of labels that should hold the true one in 90 % of the cases do so in "
        f"{covered.value:.1%} ({covered.low:.1%} to {covered.high:.1%}); they have "
        f"{scores.set_size:.2f} labels on average, and {scores.empty or 0:.1%} are empty."
    )
