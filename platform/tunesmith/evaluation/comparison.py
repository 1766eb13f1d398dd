"""A run beside the champion, on test items that neither was trained on."""

from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import TablePreparation
from tunesmith.artifacts.reports import Comparison, ReportRecord
from tunesmith.artifacts.runs import Run, open_run
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import ModelError, UsageError
from tunesmith.evaluation.metrics import compare
from tunesmith.evaluation.predictions import predict
from tunesmith.evaluation.table_rows import TableSides
from tunesmith.inference.tables import cells_of, views_of_rows
from tunesmith.registry.bundles import Bundle, champion, sha256
from tunesmith.registry.lines import line_of

__all__ = ["LEAST_COMPARED", "against_champion", "is_current"]

LEAST_COMPARED = 30


def against_champion(
    run: Run,
    test: Examples,
    probabilities: npt.NDArray[np.float64],
    metric: str,
    table: TableSides | None = None,
) -> Comparison | None:
    """Compare with the champion on the test items that it was not trained on either.

    Parameters
    ----------
    run
        The run.
    test
        Its test items.
    probabilities
        Its predictions for them, ``float64 [items, classes]``.
    metric
        Name of the metric to compare by.
    table
        The table of the items, from which a champion that prepares its columns in another way
        reads them.

    Returns
    -------
    Comparison | None
        The comparison, or its ``problem``; None where there is no champion, or it was made from
        this run.
    """
    bundle = champion(run.store, line_of(run))
    if bundle is None or bundle.card.run_id == run.run_id:
        return None
    opponent = Comparison(version=bundle.version, run_id=bundle.card.run_id)

    def impossible(problem: str) -> Comparison:
        return opponent.model_copy(update={"problem": problem})

    if bundle.classes != test.classes:
        return impossible(f"it predicts other classes: {', '.join(bundle.classes)}")
    learned = _learned_by(bundle, run)
    fresh = [
        index
        for index, (name, group) in enumerate(zip(test.ids, test.groups, strict=True))
        if name not in learned and group not in learned
    ]
    left_out = len(test) - len(fresh)
    if len(fresh) < LEAST_COMPARED:
        return impossible(
            f"it was trained on {left_out} of the {len(test)} test items, which leaves "
            f"{len(fresh)} of the {LEAST_COMPARED} needed. Tune with the seed and dataset of the "
            "champion"
        )
    seen_by_it = _as_read_by(bundle, run, test, table)
    if seen_by_it is None:
        return impossible("it prepares its columns in another way, and the table is not at hand")
    same = seen_by_it.take(fresh)
    try:
        theirs = predict(bundle.load(threads=0), same).by_item
    except ModelError as error:
        return impossible(str(error))
    result = compare(same.y, probabilities[fresh], theirs, same.groups, metric=metric)
    return result.model_copy(
        update={"version": opponent.version, "run_id": opponent.run_id, "left_out": left_out}
    )


def _as_read_by(
    bundle: Bundle, run: Run, test: Examples, table: TableSides | None
) -> Examples | None:
    """Return the test items as a champion prepares them, None where that cannot be done."""
    preparation = bundle.card.preparation
    if not isinstance(preparation, TablePreparation) or preparation == run.record.preparation:
        return test
    if table is None:
        return None
    frame = table.source.frame.iloc[table.test]
    rows = views_of_rows(lambda name: cells_of(frame[name]), preparation)
    views = {name: View.one_row_each(x) for name, x in rows.items()}
    return replace(test, views={**test.views, **views})


def is_current(run: Run, report: ReportRecord) -> bool:
    """Return whether a report is of the run's model and compares it with today's champion.

    Parameters
    ----------
    run
        The run.
    report
        The content of its ``report.json``.
    """
    if report.sha256 != sha256(run.model_bytes()):
        return False
    bundle = champion(run.store, line_of(run))
    if bundle is None or bundle.card.run_id == run.run_id:
        return True
    compared = report.comparisons.get("champion")
    return compared is not None and compared.version == bundle.version


def _learned_by(bundle: Bundle, run: Run) -> set[Hashable]:
    """Return the ids a champion was trained on, and their groups where the data is the same.

    A champion whose run was removed counts as trained on nothing that is known.
    """
    try:
        theirs = open_run(run.store, run.task, bundle.card.run_id)
    except UsageError:
        return set()
    split = theirs.table("split")
    learned = split[split["part"] != "test"]
    same_data = theirs.record.dataset == run.record.dataset
    return set(learned["id"]) | (set(learned["group"]) if same_data else set())
