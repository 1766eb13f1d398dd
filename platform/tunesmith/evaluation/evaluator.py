"""Evaluating a run on the items its search never saw."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import TextPreparation, preparation_of_run
from tunesmith.artifacts.runs import Run, open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.summary import summarise
from tunesmith.errors import ModelError
from tunesmith.evaluation.audit import METADATA, audit
from tunesmith.evaluation.baseline import linear_answers
from tunesmith.evaluation.behaviour import behaviour
from tunesmith.evaluation.comparison import against_champion
from tunesmith.evaluation.importance import importance
from tunesmith.evaluation.metrics import class_table, compare, confusion, prior, reliability, score
from tunesmith.evaluation.parts import Parts, load_examples, load_pieces, parts_of
from tunesmith.evaluation.pictures import choose_pictures, choose_texts, pictures_of
from tunesmith.evaluation.predictions import (
    Predictions,
    Rows,
    batch_of,
    predict,
    predict_rows,
    rows_of,
)
from tunesmith.evaluation.segments import choose_segments
from tunesmith.evaluation.selection import selection
from tunesmith.evaluation.slices import slices
from tunesmith.evaluation.words import word_effects
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.runs import load_run
from tunesmith.inference.variants import LEAST_SPEEDUP, VARIANTS, time_of_batch_s
from tunesmith.registry.bundles import sha256

if TYPE_CHECKING:
    from tunesmith.evaluation.music import Pieces
    from tunesmith.tasks import Task

__all__ = ["Evaluation", "evaluate"]

logger = logging.getLogger(__name__)

# With fewer groups a bootstrap of groups cannot tell how much figures vary.
_FEW_GROUPS = 20
# The chunks of a piece of three minutes: what one request asks.
_TIMED_ROWS = 12


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found, and what a report of it is drawn from.

    Attributes
    ----------
    run
        The run.
    parts
        Its items: those learned from and those of the test.
    pieces
        The test pieces of a task on music, None for other tasks.
    predictions
        Answers to the test items, calibrated.
    facts
        The content of ``report.json``.
    """

    run: Run
    parts: Parts
    pieces: "Pieces | None"
    predictions: Predictions
    facts: dict[str, Any]


def _task_of(run: Run) -> "Task | None":
    """Return the run's task, None where it is registered no more."""
    from tunesmith.tasks import get_task, task_names

    return get_task(run.task) if run.task in task_names() else None


def _reference(run: Run) -> dict[str, Any] | None:
    """Return the published figure of the run's task."""
    task = _task_of(run)
    published = task.reference if task else None
    return {"text": published.text, "value": published.value} if published else None


def evaluate(
    store: Store,
    task: str,
    run_id: str | None = None,
    *,
    say: Callable[[str], None] = logger.info,
) -> Evaluation:
    """Measure a run on its test part.

    Nothing is written; `tunesmith.reports.publishing` makes the report of it.

    Parameters
    ----------
    store
        Holds the run.
    task
        Name of the task.
    run_id
        Id of the run; the latest by default.
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
    parts = parts_of(run, load_examples(run))
    pieces = load_pieces(run, parts.test)
    measured = _Measurement(run, parts, pieces, say)
    return Evaluation(run, parts, pieces, measured.predictions, measured.facts())


class _Measurement:
    """Everything that is asked of one model."""

    def __init__(
        self, run: Run, parts: Parts, pieces: "Pieces | None", say: Callable[[str], None]
    ) -> None:
        self.run, self.parts, self.pieces, self.say = run, parts, pieces, say
        self.unit = str(run.facts.get("unit", "row"))
        self.metric = str(run.facts.get("metric", "macro_f1"))
        self.classifier = load_run(run, threads=0)
        self.inputs = set(self.classifier.inputs)
        self.temperature = run.temperature()
        say(f"Asking the model about {len(parts.test)} {self.unit}s")
        self.uncalibrated = predict(self.classifier, parts.test)
        self.predictions = self._calibrated(self.uncalibrated)

    def _calibrated(self, predictions: Predictions) -> Predictions:
        return predictions.tempered(self.temperature) if self.temperature else predictions

    def answer(self, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Return what users of the promoted model would be told."""
        return self._calibrated(predictions).by_item

    def facts(self) -> dict[str, Any]:
        """Return the content of ``report.json``."""
        run, test, answers = self.run, self.parts.test, self.predictions.by_item
        shares = prior(self.parts.learned.y, len(run.classes))
        majority = np.tile(shares, (len(test), 1))
        linear = linear_answers(self.parts.learned, test)
        comparisons = {"majority": self._compare(majority)}
        baseline = {"majority": {self.unit: figures(test.y, majority, test.groups)}}
        if len(linear):
            comparisons["linear"] = self._compare(linear)
            baseline["linear"] = {self.unit: figures(test.y, linear, test.groups)}
        audited = self._audit()
        champion_comparison = against_champion(run, test, answers, self.metric)
        if champion_comparison is not None:
            comparisons["champion"] = champion_comparison
        metrics, chunk_note = self._measure()
        groups = len(np.unique(test.groups))
        classes = class_table(test.y, answers, run.classes)
        return {
            "task": run.task,
            "title": run.facts.get("title"),
            "run_id": run.run_id,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "dataset": run.facts["dataset"],
            "protocol": run.facts.get("protocol"),
            "is_noise_check": run.record.is_noise_check,
            "reference": _reference(run),
            "licence": task.licence if (task := _task_of(run)) else None,
            "metric": self.metric,
            "sha256": sha256(run.model_bytes()),
            "unit": self.unit,
            "classes": list(run.classes),
            "model": run.facts.get("best"),
            "trials": run.facts.get("counts"),
            "n_test": len(test),
            "n_test_groups": groups,
            "parts": self.parts.counts,
            "notes": self._notes(groups),
            "metrics": metrics,
            "chunk_note": chunk_note,
            "baseline": baseline,
            "comparisons": comparisons,
            "per_class": classes,
            "macro_auc": float(np.mean([c["auc"] for c in classes if c["auc"] is not None])),
            "confusion": confusion(test.y, answers).tolist(),
            "calibration": self._calibration(),
            "audit": audited,
            "without_leaks": self._without_leaks(audited),
            "slices": self._slices(),
            "behaviour": self._behaviour(),
            "importance": self._importance(),
            "selection": self._selection(),
            "words": self._words(),
            "segments": self._segments(),
            "pictures": self._pictures(),
            "texts": self._texts(),
            "variants": self._variants(),
            "inputs": self._inputs(),
        }

    def _compare(self, other: npt.NDArray[np.float64]) -> dict[str, Any]:
        test = self.parts.test
        answers = self.predictions.by_item
        return compare(test.y, answers, other, test.groups, metric=self.metric).as_dict()

    def _notes(self, groups: int) -> list[str]:
        """Return what a reader must know before believing the figures."""
        notes = [str(note) for note in self.run.facts.get("notes") or ()]
        if groups < _FEW_GROUPS:
            notes.append(
                f"The test part has only {groups} independent groups. Its intervals are too narrow "
                "to be taken at their word: a bootstrap needs some twenty groups to see how much "
                "figures vary between them."
            )
        wrong = int((self.predictions.by_item.argmax(axis=1) != self.parts.test.y).sum())
        if not wrong:
            notes.append(
                f"No error among {len(self.parts.test)} {self.unit}s. The bootstrap cannot see "
                f"rarer errors; with 95 % confidence the error rate is below {3 / groups:.3f}, "
                "three divided by the number of groups."
            )
        return notes

    def _measure(self) -> tuple[dict[str, Any], str | None]:
        """Return the figures of items, and of their chunks where there are any."""
        test, predictions = self.parts.test, self.predictions
        found = {self.unit: figures(test.y, predictions.by_item, test.groups)}
        if predictions.has_many_rows:
            item = predictions.item
            found["chunk"] = figures(test.y[item], predictions.by_row, test.groups[item])
            beside = ", the features of the whole piece beside each" * ("features" in self.inputs)
            return found, f"The model answers chunk by chunk{beside}; a piece is their mean."
        if self.pieces is None or self.inputs != {"features"}:
            return found, None
        rows = self._window_predictions()
        found["chunk"] = figures(test.y[rows.item], rows.by_row, test.groups[rows.item])
        note = (
            "The model reads the musical features of a whole piece. The figures a chunk are its "
            "answers to the features of the notes that begin inside each chunk alone, as the "
            "server answers for segments; chunks in which no note begins are left out."
        )
        return found, note

    def _window_predictions(self) -> Predictions:
        """Return the answers to the notes of each chunk of a model that reads whole pieces."""
        if self._windows is None:
            assert self.pieces is not None  # noqa: S101 - callers have looked
            view, starts_s = self.pieces.windows()
            rows = predict_rows(self.classifier, Rows({"features": view.x}, view.item))
            means = np.zeros((0, rows.shape[1]))
            raw = Predictions(self.parts.test, view.item, rows, means, starts_s)
            self._windows = self._calibrated(raw)
        return self._windows

    _windows: Predictions | None = None

    def _calibration(self) -> dict[str, Any]:
        """Return how well confidence fits accuracy, before and after scaling by a temperature.

        The winner was refitted on train and validation together and is surer of both than of
        anything new. So the temperature is that of the same setting fitted on train alone.
        """
        y = self.parts.test.y
        found = {"reliability": reliability(y, self.predictions.by_item)}
        if not self.temperature:
            note = "Not calibrated: the search fitted no temperature on validation items."
            return found | {"temperature": 1.0, "note": note}
        raw = self.uncalibrated.by_item
        before = figures(y, raw, self.parts.test.groups)
        note = (
            "The temperature was fitted on validation items, answered by the winning setting "
            "trained on the train part alone; it is part of the promoted model."
        )
        return found | {
            "temperature": self.temperature,
            "note": note,
            "before": {name: before[name] for name in ("ece", "log_loss", "accuracy")},
            "reliability_before": reliability(y, raw),
        }

    def _audit(self) -> list[dict[str, Any]]:
        self.say("Looking for leaks")
        columns = {"features": self.run.facts.get("features") or ()}
        if self.pieces is None:
            found = audit(self.parts.learned, self.parts.test, columns=columns)
        else:
            facts = self.pieces.dataset.pieces().set_index("piece_id")
            known = [name for name in METADATA if name in facts]
            found = audit(
                self.parts.learned,
                self.parts.test,
                columns=columns,
                fingerprints=self.pieces.fingerprints,
                metadata=facts[known],
            )
        return [finding.as_dict() for finding in found]

    def _without_leaks(self, audited: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the figures without the items that leaked, where that can be said."""
        leaks = [row["facts"].get("ids") for row in audited if row["result"] == "leak"]
        if not leaks or None in leaks:
            return None
        leaked = {name for ids in leaks for name in ids}
        test = self.parts.test
        left = np.array([i for i, name in enumerate(test.ids) if name not in leaked], dtype=int)
        if not len(left):
            return None
        answers = self.predictions.by_item[left]
        found = figures(test.y[left], answers, test.groups[left])
        return {"left_out": len(test) - len(left), "metrics": found}

    def _slices(self) -> list[dict[str, Any]]:
        groups = np.concatenate([self.parts.learned.groups, self.parts.test.groups])
        facts = self.pieces.facts if self.pieces is not None else None
        return slices(self.parts.test, self.predictions.by_item, groups, facts)

    def _behaviour(self) -> dict[str, Any] | None:
        if self.pieces is None or not self.inputs <= {"chunks", "features"}:
            return None
        self.say("Transposing, cutting and evening out the pieces")
        return behaviour(self.classifier, self.pieces, self.uncalibrated, self.answer)

    def _importance(self) -> dict[str, Any] | None:
        self.say("Asking what the model looks at")
        names = self.run.facts.get("features") or ()
        return importance(self.classifier, self.parts.test, self.answer, names)

    def _selection(self) -> dict[str, Any] | None:
        """Return whether correlation drops what a model needs; of tables alone."""
        if self.run.facts.get("kind") != "table":
            return None
        names = self.run.facts.get("features") or ()
        return selection(self.parts.learned, self.parts.test, names)

    def _words(self) -> dict[str, Any] | None:
        """Return which words move the answer, where the run knows which word is which number."""
        rules = preparation_of_run(self.run.facts)
        if not isinstance(rules, TextPreparation):
            return None
        return word_effects(self.classifier, self.parts.test, self.answer, rules.model_dump())

    def _variants(self) -> dict[str, Any]:
        """Return how smaller models fare: kept where accuracy holds and predicting is faster."""
        found: dict[str, Any] = {}
        for name, make in VARIANTS.items():
            data = make(self.run.model_bytes())
            if data is None:
                continue
            self.say(f"Trying the model in {name}")
            try:
                smaller = Classifier(data, classes=self.run.classes, threads=1)
            except ModelError as error:
                # Not every graph survives the conversion; the model itself is untouched.
                found[name] = {"problem": str(error), "kept": False}
                continue
            found[name] = self._fares(smaller, len(data))
        return found

    def _fares(self, smaller: Classifier, size: int) -> dict[str, Any]:
        """Return the accuracy and the speed of a variant beside those of the model."""
        test = self.parts.test
        answers = self.answer(predict(smaller, test))
        accuracy = figures(test.y, answers, test.groups)["accuracy"]
        model = figures(test.y, self.predictions.by_item, test.groups)["accuracy"]
        few = batch_of(rows_of(test, smaller.inputs), smaller, slice(0, _TIMED_ROWS))
        model_s = time_of_batch_s(load_run(self.run, threads=1), few)
        speedup = model_s / time_of_batch_s(smaller, few)
        holds = model["low"] <= accuracy["value"]
        return {
            "accuracy": accuracy,
            "agreement": float(np.mean(answers.argmax(1) == self.predictions.by_item.argmax(1))),
            "speedup": speedup,
            "bytes": size,
            "kept": bool(holds and speedup >= LEAST_SPEEDUP),
        }

    def _inputs(self) -> dict[str, Any]:
        """Return what the training data looks like; a server compares what it is asked with it."""
        names = self.run.facts.get("features") or ()
        views = {name: self.parts.learned.view(name) for name in sorted(self.inputs)}
        return {
            name: summarise(view.x, names)
            for name, view in views.items()
            if isinstance(view.x, np.ndarray)
        }

    def _segments(self) -> list[dict[str, Any]]:
        if self.pieces is None:
            return []
        by_chunk = self.predictions
        if not by_chunk.has_many_rows:
            if self.inputs != {"features"}:
                return []
            by_chunk = self._window_predictions()
        return choose_segments(by_chunk, self.pieces)

    def _pictures(self) -> dict[str, Any] | None:
        """Return pictures to look at, where items are pictures."""
        if self.run.facts.get("kind") != "image":
            return None
        pictures = pictures_of(self.parts.test, self.run.facts.get("features") or ())
        return None if pictures is None else choose_pictures(self.predictions, pictures)

    def _texts(self) -> list[dict[str, Any]]:
        """Return texts to look at, where the run knows which word is which number."""
        rules = preparation_of_run(self.run.facts)
        if not isinstance(rules, TextPreparation):
            return []
        return choose_texts(self.predictions, rules.model_dump())


def figures(y: Any, probabilities: Any, groups: Any) -> dict[str, Any]:
    """Return every metric with its interval as JSON holds it."""
    return {name: found.as_dict() for name, found in score(y, probabilities, groups).items()}
