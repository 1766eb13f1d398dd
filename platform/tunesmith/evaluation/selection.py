"""Selecting columns of a table by importance, beside selecting them by correlation.

A common selection drops the later one of every two correlated columns. It looks at no label, so it
can drop what a model needs most. Both selections here keep as many columns, and the same model is
fitted on each.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.importances import ColumnChoice, ColumnImportance, ColumnSelection
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.probabilities import log_loss
from tunesmith.evaluation.metrics import compare, score

__all__ = ["CORRELATED", "dropped_by_correlation", "selection"]

CORRELATED = 0.7
"""Absolute correlation above which the later of two columns is dropped."""

_LEAST_COLUMNS, _MOST_COLUMNS = 4, 40
_MOST_ITEMS = 20_000
_REPEATS = 5
_HELD_BACK = 0.25

Matrix = npt.NDArray[np.float64]


def dropped_by_correlation(x: Matrix) -> dict[int, int]:
    """Return the dropped columns, each with the earlier one that it correlates with most.

    Parameters
    ----------
    x
        ``float [rows, columns]``; missing numbers take the mean of their column.
    """
    r = np.abs(_correlation(x))
    dropped: dict[int, int] = {}
    for column in range(1, x.shape[1]):
        strongest = int(r[column, :column].argmax())
        if r[column, strongest] > CORRELATED:
            dropped[column] = strongest
    return dropped


def _correlation(x: Matrix) -> Matrix:
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    centred = np.where(known, x - mean, 0.0)
    length = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(length > 0, length, 1.0)
    return np.asarray(scaled.T @ scaled)


def selection(
    learned: Examples, test: Examples, names: Sequence[str], seed: int = 0
) -> ColumnSelection | None:
    """Compare columns selected by importance with those that correlation leaves.

    Importance is the increase in log loss of gradient boosting when a column is shuffled, on a
    quarter of the training items that it was not fitted on. The test items only measure.

    Parameters
    ----------
    learned, test
        Items with the view ``features``, a row per item.
    names
        Names of the columns.
    seed
        Seed of the quarter, the shuffles and the models.

    Returns
    -------
    ColumnSelection | None
        Columns, the most important first, and the metrics with each selection; None for tables of
        fewer than 4 or more than 40 columns, or where correlation drops nothing.
    """
    view = learned.views.get("features")
    if view is None or not _LEAST_COLUMNS <= len(names) <= _MOST_COLUMNS:
        return None
    x = np.asarray(view.x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(names) or len(x) != len(learned):
        return None
    dropped = dropped_by_correlation(x)
    if not dropped:
        return None
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # A limit holds for the libraries that are loaded by then.
    import_module("sklearn.ensemble")
    # Small trees: on busy cores several threads wait for each other more than they work.
    with threadpool_limits(1):
        return _compared(x, learned, test, names, dropped=dropped, seed=seed)


def _compared(
    x: Matrix,
    learned: Examples,
    test: Examples,
    names: Sequence[str],
    *,
    dropped: Mapping[int, int],
    seed: int,
) -> ColumnSelection:
    """Return the comparison for columns of which correlation drops some."""
    rows = np.random.default_rng(seed).permutation(len(x))[:_MOST_ITEMS]
    x, y = x[rows], learned.y[rows]
    rises = _importance(x, y, seed)
    ranked = np.argsort(-rises, kind="stable")
    keep = len(names) - len(dropped)
    choices = {
        "all": list(range(len(names))),
        "by correlation": [j for j in range(len(names)) if j not in dropped],
        "by importance": sorted(ranked[:keep].tolist()),
    }
    held = np.asarray(test.view("features").x, dtype=np.float64)
    probabilities = {
        name: _Boosted(seed, len(test.classes))
        .fit(x[:, columns], y)
        .predict_proba(held[:, columns])
        for name, columns in choices.items()
    }
    return ColumnSelection(
        model="gradient boosting, default settings",
        threshold=CORRELATED,
        columns=tuple(
            ColumnImportance(
                name=str(names[j]),
                importance=float(rises[j]),
                dropped=int(j) in dropped,
                correlates_with=str(names[dropped[int(j)]]) if int(j) in dropped else None,
            )
            for j in ranked
        ),
        choices=tuple(_scored(name, len(choices[name]), probabilities, test) for name in choices),
    )


def _scored(name: str, n: int, probabilities: Mapping[str, Matrix], test: Examples) -> ColumnChoice:
    metrics = score(test.y, probabilities[name], test.groups)
    against_all = None
    if name != "all":
        every = probabilities["all"]
        against_all = compare(
            test.y, probabilities[name], every, test.groups, metric="accuracy"
        ).difference
    return ColumnChoice(
        choice=name,
        columns=n,
        accuracy=metrics["accuracy"],
        macro_f1=metrics["macro_f1"],
        against_all=against_all,
    )


class _Boosted:
    """Gradient boosting with a probability for every class, also those it was not fitted on."""

    def __init__(self, seed: int, n_classes: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self._n_classes = n_classes
        self._model = HistGradientBoostingClassifier(random_state=seed)

    def fit(self, x: Matrix, y: npt.NDArray[np.int64]) -> "_Boosted":
        self._model.fit(x, y)
        return self

    def predict_proba(self, x: Matrix) -> Matrix:
        p = np.zeros((len(x), self._n_classes))
        p[:, self._model.classes_] = self._model.predict_proba(x)
        return p

    def score(self, x: Matrix, y: npt.NDArray[np.int64]) -> float:
        """Return the negative log loss."""
        return -log_loss(self.predict_proba(x), y)


def _importance(x: Matrix, y: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
    """Return the increase in log loss when each column is shuffled."""
    from sklearn.inspection import permutation_importance

    held = max(1, round(_HELD_BACK * len(x)))
    model = _Boosted(seed, int(y.max()) + 1).fit(x[held:], y[held:])
    result = permutation_importance(
        model, x[:held], y[:held], n_repeats=_REPEATS, random_state=seed
    )
    return np.asarray(result.importances_mean)
