"""Evaluating a run on the items its search never saw."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.errors import ModelError, UsageError
from tunesmith.evaluation.metrics import class_table, compare, confusion, prior, score
from tunesmith.evaluation.predictions import Predictions, Rows, predict, predict_rows
from tunesmith.registry.bundles import Bundle, champion, sha256
from tunesmith.registry.runs import REPORT, REPORTS, Run, open_run
from tunesmith.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.registry.classifier import Classifier

LEAST_COMPARED = 30

__all__ = ["Parts", "Report", "ensure_report", "evaluate", "open_report", "parts_of"]


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


@dataclass(frozen=True)
class Parts:
    """A run's items, cut as its search cut them."""

    train: Examples
    validation: Examples
    test: Examples


def load_examples(run: Run) -> Examples:
    """Return the examples that the run was searched on."""
    from tunesmith.tasks import load_for_run

    return load_for_run(run.store, run.facts)


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


def measure(predictions: Predictions, unit: str) -> dict[str, dict[str, Any]]:
    """Return every metric of the items, and of their chunks where an item was asked in several."""
    examples = predictions.examples
    found = {unit: _figures(examples.y, predictions.by_item, examples.groups)}
    if predictions.has_many_rows:
        item = predictions.item
        found["chunk"] = _figures(examples.y[item], predictions.by_row, examples.groups[item])
    return found


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
    metric = run.facts.get("metric", "macro_f1")
    unit = run.facts.get("unit", "row")
    comparisons: dict[str, Any] = {
        "majority": compare(
            parts.test.y, answers, majority, parts.test.groups, metric=metric
        ).as_dict()
    }
    against = _against_champion(run, parts.test, answers, metric)
    if against is not None:
        comparisons["champion"] = against
    facts: dict[str, Any] = {
        "task": task,
        "run_id": run.run_id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": run.facts["dataset"],
        "protocol": run.facts.get("protocol"),
        "metric": metric,
        "sha256": sha256(run.model_bytes()),
        "unit": unit,
        "classes": list(run.classes),
        "model": run.facts.get("best"),
        f"n_test_{unit}s": len(parts.test),
        "n_test_groups": len(np.unique(parts.test.groups)),
        "metrics": measure(predictions, unit) | chunks,
        "chunk_note": chunk_note,
        "baseline": {"majority": {unit: _figures(parts.test.y, majority, parts.test.groups)}},
        "comparisons": comparisons,
        "per_class": class_table(parts.test.y, answers, run.classes),
        "confusion": confusion(parts.test.y, answers).tolist(),
    }
    report = Report(store, task, run.run_id, facts)
    _write(report, predictions)
    return report


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


def _against_champion(
    run: Run, test: Examples, answers: npt.NDArray[np.float64], metric: str
) -> dict[str, Any] | None:
    """Compare with the champion on the test items that it did not learn from either.

    Returns
    -------
    dict | None
        The comparison, or ``problem`` in its place; None where there is no champion, or the run is
        the one it was made from.
    """
    bundle = champion(run.store, run.task)
    if bundle is None or bundle.card["run_id"] == run.run_id:
        return None
    found: dict[str, Any] = {"version": bundle.version, "run_id": bundle.card["run_id"]}
    if bundle.classes != test.classes:
        return found | {"problem": f"it answers other classes: {', '.join(bundle.classes)}"}
    learned = _learned_by(bundle, run)
    fresh = [
        index
        for index, (name, group) in enumerate(zip(test.ids, test.groups, strict=True))
        if name not in learned and group not in learned
    ]
    left_out = len(test) - len(fresh)
    if len(fresh) < LEAST_COMPARED:
        problem = (
            f"it learned from {left_out} of the {len(test)} test items; {len(fresh)} are left and "
            f"{LEAST_COMPARED} are needed. Search with the champion's seed and dataset"
        )
        return found | {"problem": problem}
    same = test.take(fresh)
    theirs = predict(bundle.load(threads=0), same).by_item
    result = compare(same.y, answers[fresh], theirs, same.groups, metric=metric)
    return found | result.as_dict() | {"left_out": left_out}


def _learned_by(bundle: Bundle, run: Run) -> set[Any]:
    """Return the ids a champion learned from, and their groups where they mean the same.

    A champion whose run was removed is taken to have learned from nothing that is known.
    """
    try:
        theirs = open_run(run.store, run.task, bundle.card["run_id"])
    except UsageError:
        return set()
    split = theirs.table("split")
    learned = split[split["part"] != "test"]
    same_data = theirs.facts["dataset"] == run.facts["dataset"]
    return set(learned["id"]) | (set(learned["group"]) if same_data else set())


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
