"""Evaluating a run on the items its search never saw."""

import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.runs import REPORT, REPORTS, Run, open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.summary import summarise
from tunesmith.errors import ModelError
from tunesmith.evaluation.audit import METADATA, audit
from tunesmith.evaluation.baseline import linear_answers
from tunesmith.evaluation.behaviour import behaviour
from tunesmith.evaluation.comparison import against_champion
from tunesmith.evaluation.importance import importance
from tunesmith.evaluation.metrics import class_table, compare, confusion, prior, reliability, score
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
from tunesmith.inference.variants import LEAST_SPEEDUP, VARIANTS, time_of_batch_s
from tunesmith.registry.bundles import champion, sha256

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tunesmith.evaluation.music import Pieces
    from tunesmith.tasks import Task

__all__ = ["Parts", "Report", "ensure_report", "evaluate", "open_report", "parts_of"]

logger = logging.getLogger(__name__)

# With fewer groups a bootstrap of groups cannot tell how much figures vary.
_FEW_GROUPS = 20
# The chunks of a piece of three minutes: what one request asks.
_TIMED_ROWS = 12


@dataclass(frozen=True)
class Report:
    """What an evaluation found, ``reports/<task>/<run_id>/``.

    Attributes
    ----------
    store, task, run_id
        Where it is.
    facts
        The content of ``report.json``.
    """

    store: Store
    task: str
    run_id: str
    facts: dict[str, Any]

    @property
    def parts(self) -> tuple[str, str, str]:
        """Where the report stands in the store."""
        return (REPORTS, self.task, self.run_id)

    def predictions(self) -> "pd.DataFrame":
        """Return the answers to the test items, one line an item."""
        import pyarrow.parquet as pq

        data = self.store.read_bytes(*self.parts, "predictions.parquet")
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
        return frame


def open_report(store: Store, task: str, run_id: str) -> Report | None:
    """Return the report of a run, None where it was not evaluated yet."""
    if not store.exists(REPORTS, task, run_id, REPORT):
        return None
    return Report(store, task, run_id, store.read_json(REPORTS, task, run_id, REPORT))


def ensure_report(store: Store, task: str, run_id: str | None = None) -> tuple[Report, bool]:
    """Return a run's report that is up to date, evaluating where there is none.

    A report is out of date when the run's model or the task's champion is another one by now.

    Returns
    -------
    Report
        The report.
    bool
        Whether it had to be made.
    """
    run = open_run(store, task, run_id)
    report = open_report(store, task, run.run_id)
    if report is not None and _is_current(report, run):
        return report, False
    return evaluate(store, task, run.run_id), True


def _is_current(report: Report, run: Run) -> bool:
    if report.facts.get("sha256") != sha256(run.model_bytes()):
        return False
    bundle = champion(run.store, run.task)
    if bundle is None or bundle.card["run_id"] == run.run_id:
        return True
    compared = report.facts["comparisons"].get("champion") or {}
    return bool(compared.get("version") == bundle.version)


@dataclass(frozen=True)
class Parts:
    """A run's items, cut as its search cut them.

    Attributes
    ----------
    learned
        Train and validation: what the winner was fitted on.
    test
        What no search has seen.
    counts
        Items of each class by part.
    """

    learned: Examples
    test: Examples
    counts: dict[str, dict[str, int]]


def load_examples(run: Run) -> Examples:
    """Return the examples that the run was searched on."""
    from tunesmith.tasks import load_for_run

    return load_for_run(run.store, run.facts)


def _task_of(run: Run) -> "Task | None":
    """Return the run's task, None where it is registered no more."""
    from tunesmith.tasks import get_task, task_names

    return get_task(run.task) if run.task in task_names() else None


def _reference(run: Run) -> dict[str, Any] | None:
    """Return the published figure of the run's task."""
    task = _task_of(run)
    published = task.reference if task else None
    return {"text": published.text, "value": published.value} if published else None


def load_pieces(run: Run, test: Examples) -> "Pieces | None":
    """Return the test pieces of a task on music, None for other tasks."""
    if run.facts.get("kind") != "midi":
        return None
    from tunesmith.datasets.reader import open_dataset
    from tunesmith.evaluation.music import Pieces

    data = run.facts["dataset"]
    return Pieces(open_dataset(run.store, data["name"], data["version"]), test.ids)


def parts_of(run: Run, examples: Examples) -> Parts:
    """Cut examples as the run's ``split.parquet`` says.

    Raises
    ------
    ModelError
        When the run names items that the data no longer holds, or has no test part.
    """
    split = run.table("split")
    place = {name: index for index, name in enumerate(examples.ids)}
    missing = [str(name) for name in split["id"] if name not in place]
    if missing:
        message = (
            f"{len(missing)} items of run {run.run_id} are not in its data, such as {missing[0]}. "
            "The dataset version was changed or removed; tune again."
        )
        raise ModelError(message)

    def part(*names: str) -> Examples:
        return examples.take([place[i] for i in split.loc[split["part"].isin(names), "id"]])

    table = split.groupby(["part", "label"]).size()
    counts = {
        name: {label: int(table.get((name, label), 0)) for label in examples.classes}
        for name in ("train", "validation", "test")
    }
    parts = Parts(part("train", "validation"), part("test"), counts)
    if not len(parts.test):
        message = f"Run {run.run_id} kept no items for a test; tune again with a test part."
        raise ModelError(message)
    return parts


def evaluate(
    store: Store,
    task: str,
    run_id: str | None = None,
    *,
    say: Callable[[str], None] = logger.info,
) -> Report:
    """Evaluate a run on its test part and write the report.

    Parameters
    ----------
    store
        Holds the run; gets ``reports/<task>/<run_id>/``.
    task
        Name of the task.
    run_id
        Which run; the latest by default.
    say
        Told what is being done.

    Returns
    -------
    Report
        As written: ``report.json``, ``report.html``, ``predictions.parquet`` and the figures.

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
    evaluation = _Evaluation(run, parts, load_pieces(run, parts.test), say)
    facts = evaluation.facts()
    report = Report(store, task, run.run_id, facts)
    say("Drawing")
    drawn = _draw(facts, run, evaluation.pieces, parts.learned)
    _write(report, evaluation.predictions, drawn)
    return report


class _Evaluation:
    """Everything that is asked of one model."""

    def __init__(
        self, run: Run, parts: Parts, pieces: "Pieces | None", say: Callable[[str], None]
    ) -> None:
        self.run, self.parts, self.pieces, self.say = run, parts, pieces, say
        self.unit = str(run.facts.get("unit", "row"))
        self.metric = str(run.facts.get("metric", "macro_f1"))
        self.classifier = run.classifier(threads=0)
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
            "reference": _reference(run),
            "licence": task.licence if (task := _task_of(run)) else None,
            "metric": self.metric,
            "sha256": sha256(run.model_bytes()),
            "unit": self.unit,
            "classes": list(run.classes),
            "model": run.facts.get("best"),
            "trials": run.facts.get("counts"),
            f"n_test_{self.unit}s": len(test),
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
        rules = (self.run.facts.get("parameters") or {}).get("text")
        if not rules:
            return None
        return word_effects(self.classifier, self.parts.test, self.answer, rules)

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
        model_s = time_of_batch_s(self.run.classifier(threads=1), few)
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
        rules = (self.run.facts.get("parameters") or {}).get("text")
        return choose_texts(self.predictions, rules) if rules else []


def _draw(
    facts: Mapping[str, Any], run: Run, pieces: "Pieces | None", learned: Examples
) -> "dict[str, Figure]":
    """Draw every figure that the facts and the run give something for."""
    from tunesmith.reports.evaluation_figures import all_figures
    from tunesmith.reports.style import styled

    with styled():
        return all_figures(facts, run, pieces, learned)


def figures(y: Any, probabilities: Any, groups: Any) -> dict[str, Any]:
    """Return every metric with its interval as JSON holds it."""
    return {name: found.as_dict() for name, found in score(y, probabilities, groups).items()}


def _write(report: Report, predictions: Predictions, drawn: "Mapping[str, Figure]") -> None:
    """Write the report's files, ``report.json`` last: where it is, the rest is too."""
    from tunesmith.reports.evaluation_page import render
    from tunesmith.reports.style import png, styled

    with styled():
        for name, figure in drawn.items():
            report.store.write_bytes(png(figure), *report.parts, f"{name}.png")
        page = render(report.facts, drawn)
    _write_table(report, "predictions", predictions.table())
    if predictions.has_many_rows:
        _write_table(report, "chunk_predictions", predictions.row_table())
    report.store.write_bytes(page.encode(), *report.parts, "report.html")
    report.store.write_json(report.facts, *report.parts, REPORT)


def _write_table(report: Report, name: str, frame: "pd.DataFrame") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    report.store.write_bytes(buffer.getvalue(), *report.parts, f"{name}.parquet")
