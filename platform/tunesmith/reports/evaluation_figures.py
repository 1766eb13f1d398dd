"""All plots of an evaluation report, by name."""

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.artifacts.reports import ReportRecord
from tunesmith.evaluation import Evaluation
from tunesmith.reports import example_figures, result_figures, sample_figures, search_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["all_figures"]


def all_figures(evaluation: Evaluation) -> "dict[str, Figure]":
    """Draw every plot that there is something for.

    Parameters
    ----------
    evaluation
        Results, with the run and the data that they came from.
    """
    report = evaluation.record
    figures = {
        **_of_results(report),
        **_of_search(evaluation),
        **_of_data(evaluation),
        "pictures": example_figures.pictures(report.pictures),
        "segments": example_figures.segments(report.segments, evaluation.pieces),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _of_results(report: ReportRecord) -> "dict[str, Figure | None]":
    calibration = report.calibration
    return {
        "confusion": result_figures.confusion(np.asarray(report.confusion), report.classes),
        "calibration": result_figures.calibration(calibration) if calibration else None,
        "importance": result_figures.importance(report.importance),
        "words": result_figures.words(report.words),
        "slices": result_figures.slices(report.slices, report.item_metrics),
        "behaviour": result_figures.behaviour(report.behaviour),
        "selection": result_figures.selection(report.selection),
    }


def _of_search(evaluation: Evaluation) -> "dict[str, Figure | None]":
    table, history = evaluation.run.table("trials"), evaluation.run.table("history")
    report = evaluation.record
    best, metric = report.model, report.metric
    return {
        "curves": search_figures.curves(history, table, metric, search_figures.winners(best)),
        "by_setting": search_figures.curves_by_setting(history, table),
        "search": search_figures.trials(table, metric, best.trial if best else None),
        "parallel": search_figures.parallel(table, metric),
        "settings": search_figures.settings(table),
    }


def _of_data(evaluation: Evaluation) -> "dict[str, Figure | None]":
    run, parts = evaluation.run.record, evaluation.record.parts
    is_table = run.kind == "table"
    return {
        "balance": sample_figures.balance(parts),
        "downsampling": sample_figures.downsampling(parts) if is_table else None,
        "correlation": sample_figures.correlation(evaluation.parts.learned, run.features or ()),
    }
