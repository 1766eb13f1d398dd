"""Evaluating a run on the items that its search never saw."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.importances import ColumnSelection, Importance, WordEffects
from tunesmith.artifacts.preparation import TextPreparation, preparation_of_run
from tunesmith.artifacts.reports import (
    AuditFinding,
    Behaviour,
    ChosenSegment,
    ChosenText,
    Comparison,
    InputSummary,
    LeakResult,
    Metrics,
    Pictures,
    PublishedFigure,
    ReportRecord,
    SliceScores,
    WithoutLeaks,
)
from tunesmith.artifacts.runs import Run, open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.summary import summarise
from tunesmith.evaluation.audit import METADATA, audit
from tunesmith.evaluation.baseline import baseline_predictions
from tunesmith.evaluation.behaviour import CHANGEABLE, behaviour
from tunesmith.evaluation.calibration import calibration
from tunesmith.evaluation.classwise import class_scores, confusion
from tunesmith.evaluation.comparison import against_champion
from tunesmith.evaluation.elsewhere import answers_of, copies_of_test, on_copies, other_datasets
from tunesmith.evaluation.importance import importance
from tunesmith.evaluation.metrics import compare, score
from tunesmith.evaluation.mistakes import most_confident_mistakes
from tunesmith.evaluation.open_set import open_set_scores
from tunesmith.evaluation.parts import Parts, load_data, load_pieces, parts_of
from tunesmith.evaluation.pictures import choose_pictures, choose_texts, pictures_of
from tunesmith.evaluation.predictions import Predictions
from tunesmith.evaluation.segments import choose_segments
from tunesmith.evaluation.selection import selection
from tunesmith.evaluation.slices import slices
from tunesmith.evaluation.subject import Subject
from tunesmith.evaluation.table_audit import near_perfect
from tunesmith.evaluation.variants import variants
from tunesmith.evaluation.words import word_effects
from tunesmith.inference.pieces import OF_WHOLE_PIECES
from tunesmith.registry.bundles import sha256

if TYPE_CHECKING:
    from tunesmith.evaluation.music import Pieces
    from tunesmith.tasks import Task

__all__ = ["Evaluation", "evaluate"]

logger = logging.getLogger(__name__)

Array = npt.NDArray[np.float64]

# Findings of the leak checks as a report lists them.
_ORDER: list[LeakResult] = ["leak", "caution", "clear", "not applicable"]
# With fewer groups a bootstrap of groups cannot show how much metrics vary.
_FEW_GROUPS = 20


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation, and what a report of them is drawn from.

    Attributes
    ----------
    run
        The run.
    parts
        Its items: those learned from and those of the test.
    pieces
        The test pieces of a task on music, None for other tasks.
    predictions
        Calibrated predictions for the test items.
    record
        The content of ``report.json``.
    """

    run: Run
    parts: Parts
    pieces: "Pieces | None"
    predictions: Predictions
    record: ReportRecord


def evaluate(
    store: Store,
    task: str,
    run_id: str | None = None,
    *,
    datasets: Sequence[str] = (),
    say: Callable[[str], None] = logger.info,
) -> Evaluation:
    """Measure a run on its test part.

    Nothing is written; `tunesmith.reports.publishing` makes the report.

    Parameters
    ----------
    store
        Holds the run.
    task
        Name of the task.
    run_id
        Id of the run; the latest by default.
    datasets
        Names of other datasets to judge the model on, for tasks on music.
    say
        Called with a line for each step.

    Raises
    ------
    StoreError
        When there is no such run.
    ModelError
        When the model does not fit the data.
    """
    run = open_run(store, task, run_id)
    say(f"Reading the data of run {run.run_id}")
    data = load_data(run)
    parts = parts_of(run, data.examples, data.source)
    subject = Subject(run, parts, load_pieces(run, parts.test), say)
    record = _record(subject, datasets)
    return Evaluation(run, parts, subject.pieces, subject.predictions, record)


def _record(subject: Subject, datasets: Sequence[str]) -> ReportRecord:
    """Return everything that is measured of one model."""
    run, test, p = subject.run, subject.parts.test, subject.predictions.by_item
    record, task = run.record, _task_of(run)
    copies = copies_of_test(subject)
    answers = {name: answers_of(subject, copy) for name, copy in copies.items()}
    baselines, linear_on_copies = baseline_predictions(subject.parts.learned, test, copies)
    findings = _audit(subject)
    metrics, chunk_note = _metrics(subject)
    others, other_labels = other_datasets(subject, datasets)
    n_groups = len(np.unique(test.groups))
    classes = class_scores(test.y, p, run.classes)
    areas = [row.auc for row in classes if row.auc is not None]
    return ReportRecord(
        task=run.task,
        title=record.title,
        run_id=run.run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=record.dataset,
        protocol=record.protocol,
        is_noise_check=record.is_noise_check,
        reference=_reference(task),
        licence=task.licence if task else None,
        metric=record.metric,
        sha256=sha256(run.model_bytes()),
        unit=subject.unit,
        classes=run.classes,
        model=record.best,
        trials=record.counts,
        n_test=len(test),
        n_test_groups=n_groups,
        parts=subject.parts.counts,
        notes=(*record.notes, *_notes(subject, n_groups)),
        metrics=metrics,
        chunk_note=chunk_note,
        baseline={name: {subject.unit: _scores(test, other)} for name, other in baselines.items()},
        comparisons=_comparisons(subject, baselines, answers, linear_on_copies),
        per_class=classes,
        macro_auc=float(np.mean(areas)) if areas else None,
        confusion=tuple(tuple(row) for row in confusion(test.y, p).tolist()),
        calibration=calibration(subject),
        open_set=open_set_scores(subject),
        detector=record.detector,
        no_detector=record.no_detector,
        audit=tuple(findings),
        without_leaks=_without_leaks(subject, findings),
        elsewhere=on_copies(subject, answers, copies) + others,
        other_labels=other_labels,
        slices=_slices(subject, task),
        behaviour=_behaviour(subject),
        importance=_importance(subject),
        selection=_selection(subject),
        words=_words(subject),
        mistakes=most_confident_mistakes(subject),
        n_mistakes=int((p.argmax(axis=1) != test.y).sum()),
        segments=_segments(subject),
        pictures=_pictures(subject),
        texts=_texts(subject),
        variants=variants(subject),
        inputs=_inputs(subject),
    )


def _task_of(run: Run) -> "Task | None":
    """Return the run's task, None where it is not registered any more."""
    from tunesmith.tasks import get_task, task_names

    return get_task(run.task) if run.task in task_names() else None


def _reference(task: "Task | None") -> PublishedFigure | None:
    published = task.reference if task else None
    return PublishedFigure(text=published.text, value=published.value) if published else None


def _scores(examples: Examples, probabilities: Array) -> Metrics:
    return score(examples.y, probabilities, examples.groups)


def _comparisons(
    subject: Subject,
    baselines: Mapping[str, Array],
    answers: Mapping[str, Array],
    linear_on_copies: Mapping[str, Array],
) -> dict[str, Comparison]:
    test, p, metric = subject.parts.test, subject.predictions.by_item, subject.run.record.metric
    comparisons = {
        name: compare(test.y, p, other, test.groups, metric=metric)
        for name, other in baselines.items()
    }
    if linear_on_copies:
        # A baseline that knows how the files were made is no better at the music.
        times = 1 + len(linear_on_copies)
        together = compare(
            np.tile(test.y, times),
            np.concatenate([p, *(answers[name] for name in linear_on_copies)]),
            np.concatenate([baselines["linear"], *linear_on_copies.values()]),
            np.tile(test.groups, times),
            metric=metric,
        )
        comparisons["linear"] = together.model_copy(update={"copies": len(linear_on_copies)})
    champion = against_champion(subject.run, test, p, metric, subject.parts.table)
    return comparisons | {"champion": champion} if champion else comparisons


def _notes(subject: Subject, n_groups: int) -> list[str]:
    """Return what a reader must know before believing the metrics."""
    notes = []
    test = subject.parts.test
    if n_groups < _FEW_GROUPS:
        notes.append(
            f"The test part has only {n_groups} independent groups, so its intervals are too "
            f"narrow: a bootstrap needs about {_FEW_GROUPS} groups to see how much metrics vary "
            "between them."
        )
    if (subject.predictions.by_item.argmax(axis=1) == test.y).all():
        notes.append(
            f"There is no error among {len(test):,} {subject.unit}s, and a bootstrap cannot see "
            "rarer ones. The intervals of these metrics are exact binomial ones over groups "
            "(Clopper-Pearson), for means over classes with the groups of the rarest class."
        )
    return notes


def _metrics(subject: Subject) -> tuple[dict[str, Metrics], str | None]:
    """Return the metrics per item and, where there are chunks, per chunk, and what those mean."""
    test, by_chunk = subject.parts.test, subject.by_chunk
    metrics = {subject.unit: _scores(test, subject.predictions.by_item)}
    if by_chunk is None:
        return metrics, None
    rows = by_chunk.item
    metrics["chunk"] = score(test.y[rows], by_chunk.by_row, test.groups[rows])
    if by_chunk is subject.predictions:
        beside = ", given the whole piece too" * bool(subject.inputs & OF_WHOLE_PIECES)
        return metrics, (
            f"The model classifies each chunk{beside}. The prediction for a {subject.unit} is the "
            "mean over its chunks."
        )
    return metrics, (
        f"The model reads a whole {subject.unit}. Per-chunk metrics are "
        "for the notes that begin inside each chunk, as in the server's predictions for segments. "
        "Chunks in which no note begins are left out."
    )


def _audit(subject: Subject) -> list[AuditFinding]:
    subject.say("Checking for leaks")
    learned, test, pieces = subject.parts.learned, subject.parts.test, subject.pieces
    columns = {"features": subject.features}
    if pieces is None:
        findings = audit(learned, test, columns=columns, table=subject.parts.table)
        if subject.parts.table is not None:
            findings.append(near_perfect(_scores(test, subject.predictions.by_item)["accuracy"]))
        return sorted(findings, key=lambda finding: _ORDER.index(finding.result))
    table = pieces.dataset.pieces().set_index("piece_id")
    metadata = table[[name for name in METADATA if name in table]]
    return audit(
        learned, test, columns=columns, fingerprints=pieces.fingerprints, metadata=metadata
    )


def _without_leaks(subject: Subject, findings: Sequence[AuditFinding]) -> WithoutLeaks | None:
    """Return the metrics without the items that leaked, None where those are not known."""
    leaked: set[str] = set()
    for finding in findings:
        if finding.result != "leak":
            continue
        if finding.leaked_ids is None:
            return None
        leaked |= set(finding.leaked_ids)
    test = subject.parts.test
    left = np.array([i for i, name in enumerate(test.ids) if name not in leaked], dtype=int)
    if not leaked or not len(left):
        return None
    metrics = score(test.y[left], subject.predictions.by_item[left], test.groups[left])
    return WithoutLeaks(left_out=len(test) - len(left), metrics=metrics)


def _slices(subject: Subject, task: "Task | None") -> tuple[SliceScores, ...]:
    parts = subject.parts
    return slices(
        parts.test,
        subject.predictions.by_item,
        np.concatenate([parts.learned.groups, parts.test.groups]),
        subject.pieces.facts if subject.pieces is not None else None,
        task.class_groups(subject.run.classes) if task and task.class_groups else None,
    )


def _behaviour(subject: Subject) -> Behaviour | None:
    if subject.pieces is None or not subject.inputs <= CHANGEABLE:
        return None
    subject.say("Predicting the pieces in other keys and tempos, cut, and equally loud")
    return behaviour(subject.classifier, subject.pieces, subject.uncalibrated, subject.calibrate)


def _importance(subject: Subject) -> Importance | None:
    subject.say("Measuring the importance of the inputs")
    return importance(subject.classifier, subject.parts.test, subject.calibrate, subject.features)


def _selection(subject: Subject) -> ColumnSelection | None:
    """Return whether correlation drops what a model needs; for tables alone."""
    if subject.run.record.kind != "table":
        return None
    return selection(subject.parts.learned, subject.parts.test, subject.features)


def _words(subject: Subject) -> WordEffects | None:
    """Return the words that change predictions most, where the run has a vocabulary."""
    rules = _vocabulary(subject)
    if rules is None:
        return None
    return word_effects(subject.classifier, subject.parts.test, subject.calibrate, rules)


def _texts(subject: Subject) -> tuple[ChosenText, ...]:
    """Return texts to look at, where the run has a vocabulary."""
    rules = _vocabulary(subject)
    return choose_texts(subject.predictions, rules) if rules else ()


def _vocabulary(subject: Subject) -> TextPreparation | None:
    preparation = preparation_of_run(subject.run.facts)
    return preparation if isinstance(preparation, TextPreparation) else None


def _segments(subject: Subject) -> tuple[ChosenSegment, ...]:
    if subject.pieces is None or subject.by_chunk is None:
        return ()
    return choose_segments(subject.by_chunk, subject.pieces)


def _pictures(subject: Subject) -> Pictures | None:
    """Return pictures to look at, where items are pictures."""
    if subject.run.record.kind != "image":
        return None
    pictures = pictures_of(subject.parts.test, subject.features)
    return None if pictures is None else choose_pictures(subject.predictions, pictures)


def _inputs(subject: Subject) -> dict[str, InputSummary]:
    """Return the distribution of the training data, with which a server compares requests."""
    views = {name: subject.parts.learned.view(name) for name in sorted(subject.inputs)}
    return {
        name: summarise(view.x, subject.features)
        for name, view in views.items()
        if isinstance(view.x, np.ndarray)
    }
