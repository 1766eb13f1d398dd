"""A challenger and the champion on the same items, which neither has learned from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import ReportRecord
from tunesmith.artifacts.runs import Run, open_run
from tunesmith.datasets.examples import Examples
from tunesmith.errors import UsageError
from tunesmith.evaluation.metrics import compare
from tunesmith.evaluation.predictions import predict
from tunesmith.registry.bundles import Bundle, champion, sha256

__all__ = ["LEAST_COMPARED", "against_champion", "is_current"]

LEAST_COMPARED = 30


def against_champion(
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
    if bundle is None or bundle.card.run_id == run.run_id:
        return None
    found: dict[str, Any] = {"version": bundle.version, "run_id": bundle.card.run_id}
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
    bundle = champion(run.store, run.task)
    if bundle is None or bundle.card.run_id == run.run_id:
        return True
    compared = report.comparisons.get("champion")
    return compared is not None and compared.version == bundle.version


def _learned_by(bundle: Bundle, run: Run) -> set[Any]:
    """Return the ids a champion learned from, and their groups where they mean the same.

    A champion whose run was removed is taken to have learned from nothing that is known.
    """
    try:
        theirs = open_run(run.store, run.task, bundle.card.run_id)
    except UsageError:
        return set()
    split = theirs.table("split")
    learned = split[split["part"] != "test"]
    same_data = theirs.record.dataset == run.record.dataset
    return set(learned["id"]) | (set(learned["group"]) if same_data else set())
