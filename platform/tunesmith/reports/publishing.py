"""The report of a run: evaluated, drawn and written to ``reports/<task>/<run_id>/``."""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.artifacts import layout
from tunesmith.artifacts.reports import Report, open_report
from tunesmith.artifacts.runs import open_run
from tunesmith.artifacts.store import Store
from tunesmith.evaluation import Evaluation, evaluate
from tunesmith.evaluation.comparison import is_current
from tunesmith.reports.evaluation_figures import all_figures
from tunesmith.reports.evaluation_page import render_report
from tunesmith.reports.style import png, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["draw", "ensure_report", "make_report", "publish"]

logger = logging.getLogger(__name__)


def make_report(
    store: Store,
    task: str,
    run_id: str | None = None,
    *,
    datasets: Sequence[str] = (),
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
    evaluation = evaluate(store, task, run_id, datasets=datasets, say=say)
    say("Drawing")
    return publish(evaluation)


def ensure_report(store: Store, task: str, run_id: str | None = None) -> tuple[Report, bool]:
    """Return a run's report that is up to date, evaluating where there is none.

    A report is out of date when the run's model or the task's champion has changed since.

    Returns
    -------
    Report
        The report.
    bool
        Whether it had to be made.
    """
    run = open_run(store, task, run_id)
    report = open_report(store, task, run.run_id)
    if report is not None and is_current(run, report.record):
        return report, False
    return make_report(store, task, run.run_id), True


def publish(evaluation: Evaluation) -> Report:
    """Write the report of an evaluation, ``report.json`` last: where it is, the rest is too.

    Parameters
    ----------
    evaluation
        Results of the evaluation.

    Returns
    -------
    Report
        As written: ``report.json``, ``report.html``, ``predictions.parquet`` and the plots.
    """
    predictions = evaluation.predictions
    report = Report(evaluation.run.store, evaluation.record)
    figures = draw(evaluation)
    with styled():
        for name, figure in figures.items():
            report.store.write_bytes(png(figure), *report.parts, f"{name}.png")
    page = render_report(report.record, figures)
    _write_table(report, "predictions", predictions.table())
    if predictions.has_many_rows:
        _write_table(report, "chunk_predictions", predictions.row_table())
    report.store.write_bytes(page.encode(), *report.parts, "report.html")
    report.record.write(report.store, *report.parts, layout.REPORT)
    return report


def draw(evaluation: Evaluation) -> "Mapping[str, Figure]":
    """Return every plot that the evaluation gives something for, by name."""
    with styled():
        return all_figures(evaluation)


def _write_table(report: Report, name: str, frame: "pd.DataFrame") -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    report.store.write_bytes(buffer.getvalue(), *report.parts, f"{name}.parquet")
