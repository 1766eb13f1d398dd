"""Evaluating a run on the items its search never saw."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.datasets.examples import Examples
from tunesmith.errors import ModelError
from tunesmith.evaluation.metrics import class_table, confusion, prior, score
from tunesmith.evaluation.predictions import Predictions, Rows, predict, predict_rows
from tunesmith.registry.runs import Run, open_run
from tunesmith.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.registry.classifier import Classifier

__all__ = ["FOLDER", "REPORT", "Parts", "Report", "evaluate", "open_report", "parts_of"]

FOLDER = "reports"
REPORT = "report.json"


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
        return (FOLDER, self.task, self.run_id)

    def predictions(self) -> "pd.DataFrame":
        """Return the answers to the test items, one line an item."""
        import pyarrow.parquet as pq

        data = self.store.read_bytes(*self.parts, "predictions.parquet")
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
        return frame


def open_report(store: Store, task: str, run_id: str) -> Report | None:
    """Return the report of a run, None where it was not evaluated yet."""
    if not store.exists(FOLDER, task, run_id, REPORT):
        return None
    return Report(store, task, run_id, store.read_json(FOLDER, task, run_id, REPORT))


@dataclass(frozen=True)
class Parts:
    """A run's items, cut as its search cut them."""

    train: Examples
    validation: Examples
    test: Examples


def load_examples(run: Run) -> Examples:
    """Return the examples that the run was searched on."""
    from tunesmith.tasks import get_task

    data = run.facts["dataset"]
    return get_task(run.task).load(run.store, data["name"], data["version"], run.facts["seed"])


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

    def part(name: str) -> Examples:
        return examples.take([place[i] for i in split.loc[split["part"] == name, "id"]])

    parts = Parts(part("train"), part("validation"), part("test"))
    if not len(parts.test):
        message = f"Run {run.run_id} kept no items for a test; tune again with a test part."
        raise ModelError(message)
    return parts


def measure(predictions: Predictions) -> dict[str, dict[str, Any]]:
    """Return every metric of the items, and of their rows where an item has many."""
    examples = predictions.examples
    unit, row_unit = units_of(predictions)
    found = {unit: _figures(examples.y, predictions.by_item, examples.groups)}
    if row_unit is not None:
        item = predictions.item
        found[row_unit] = _figures(examples.y[item], predictions.by_row, examples.groups[item])
    return found


def units_of(predictions: Predictions) -> tuple[str, str | None]:
    """Return what an item and what a row is called; None where a row is an item."""
    views = predictions.examples.views
    is_music = bool({"chunks", "features", "notes"} & views.keys())
    return ("piece" if is_music else "row"), ("chunk" if predictions.has_many_rows else None)


def _figures(y: Any, probabilities: Any, groups: Any) -> dict[str, Any]:
    return {k: v.as_dict() for k, v in score(y, probabilities, groups).items()}


def evaluate(store: Store, task: str, run_id: str | None = None) -> Report:
    """Evaluate a run on its test part and write the report.

    Parameters
    ----------
    store
        Holds the run; gets ``reports/<task>/<run_id>/``.
    task
        Name of the task.
    run_id
        Which run; the latest by default.

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
    parts = parts_of(run, load_examples(run))
    classifier = run.classifier(threads=0)
    predictions = predict(classifier, parts.test)
    chunks, chunk_note = _chunk_predictions(run, classifier, predictions)
    learned = np.concatenate([parts.train.y, parts.validation.y])
    majority = np.tile(prior(learned, len(run.classes)), (len(parts.test), 1))
    answers = predictions.by_item
    unit, _ = units_of(predictions)
    facts: dict[str, Any] = {
        "task": task,
        "run_id": run.run_id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": run.facts["dataset"],
        "protocol": run.facts.get("protocol"),
        "metric": run.facts.get("metric", "macro_f1"),
        "unit": unit,
        "classes": list(run.classes),
        "model": run.facts.get("best"),
        f"n_test_{unit}s": len(parts.test),
        "n_test_groups": len(np.unique(parts.test.groups)),
        "metrics": measure(predictions) | chunks,
        "chunk_note": chunk_note,
        "baseline": {"majority": {unit: _figures(parts.test.y, majority, parts.test.groups)}},
        "per_class": class_table(parts.test.y, answers, run.classes),
        "confusion": confusion(parts.test.y, answers).tolist(),
    }
    report = Report(store, task, run.run_id, facts)
    _write(report, predictions)
    return report


def _chunk_predictions(
    run: Run, classifier: "Classifier", predictions: Predictions
) -> tuple[dict[str, Any], str | None]:
    """Return the figures a chunk of a model that reads whole pieces, and how they were made."""
    examples = predictions.examples
    if predictions.has_many_rows:
        return {}, "The model answers chunk by chunk; a piece is the mean of its chunks."
    if set(classifier.inputs) != {"features"} or "chunks" not in examples.views:
        return {}, None
    from tunesmith.datasets.reader import open_dataset
    from tunesmith.evaluation.music import window_features

    data = run.facts["dataset"]
    dataset = open_dataset(run.store, data["name"], data["version"])
    view = window_features(dataset, examples.ids)
    answers = predict_rows(classifier, Rows({"features": view.x}, view.item))
    figures = _figures(examples.y[view.item], answers, examples.groups[view.item])
    note = (
        "The model reads the musical features of a whole piece. The figures a chunk are its "
        "answers to the features of the notes that begin inside each chunk alone, as the server "
        "answers for segments; chunks in which no note begins are left out."
    )
    return {"chunk": figures}, note


def _write(report: Report, predictions: Predictions) -> None:
    """Write the report's files, ``report.json`` last: where it is, the rest is too."""
    from tunesmith.evaluation.figures import confusion_figure
    from tunesmith.evaluation.page import render
    from tunesmith.evaluation.style import png, styled

    facts = report.facts
    with styled():
        matrix = np.asarray(facts["confusion"])
        figure = confusion_figure(matrix, tuple(facts["classes"]))
        report.store.write_bytes(png(figure), *report.parts, "confusion.png")
        page = render(facts, {"confusion": figure})
    _write_table(report, "predictions", predictions.table())
    if predictions.has_many_rows:
        _write_table(report, "chunk_predictions", predictions.row_table())
    report.store.write_bytes(page.encode(), *report.parts, "report.html")
    report.store.write_json(facts, *report.parts, REPORT)


def _write_table(report: Report, name: str, frame: "pd.DataFrame") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    report.store.write_bytes(buffer.getvalue(), *report.parts, f"{name}.parquet")
