"""Which columns of a table are needed: asked of a model, and asked of their correlations.

Correlation is the study's way: of two columns that go together the later one is dropped. It looks
at no label, so it can drop what the model needs most. Both ways keep as many columns here, and the
same model is fitted on each.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.datasets.probabilities import log_loss
from tunesmith.evaluation.metrics import compare, score

__all__ = ["CORRELATED", "dropped_by_correlation", "selection"]

CORRELATED = 0.7
"""Columns whose correlation is above that, either way, are taken to say the same."""

_LEAST_COLUMNS, _MOST_COLUMNS = 4, 40
_MOST_ITEMS = 20_000
_REPEATS = 5
_HELD_BACK = 0.25

Matrix = npt.NDArray[np.float64]


def dropped_by_correlation(x: Matrix) -> dict[int, int]:
    """Return the columns that are dropped, each with the earlier one that it goes together with.

    Parameters
    ----------
    x
        ``float [rows, columns]``; missing numbers take the mean of their column.
    """
    r = np.abs(_correlation(x))
    found: dict[int, int] = {}
    for column in range(1, x.shape[1]):
        strongest = int(r[column, :column].argmax())
        if r[column, strongest] > CORRELATED:
            found[column] = strongest
    return found


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
) -> dict[str, Any] | None:
    """Compare columns chosen by importance with those that correlation leaves.

    Importance is the rise of the log loss of gradient boosting on a quarter of the learned items
    that it was not fitted on, when a column is shuffled. The test items only judge.

    Parameters
    ----------
    learned, test
        Items with the view ``features``, a row an item.
    names
        Names of its columns.
    seed
        Of the quarter, the shuffles and the models.

    Returns
    -------
    dict | None
        ``columns`` (name, importance, dropped, because of which other) most important first and
        ``choices`` (name, how many columns, figures, and what is lost against all columns); None
        for tables of fewer than 4 or more than 40 columns, or where correlation drops nothing.
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
) -> dict[str, Any]:
    """Return what `selection` does, of columns some of which go together."""
    random = np.random.default_rng(seed)
    rows = random.permutation(len(x))[:_MOST_ITEMS]
    x, y = x[rows], learned.y[rows]
    rises = _importance(x, y, random, seed)
    ranked = np.argsort(-rises, kind="stable")
    keep = len(names) - len(dropped)
    choices = {
        "all": list(range(len(names))),
        "by correlation": [j for j in range(len(names)) if j not in dropped],
        "by importance": sorted(ranked[:keep].tolist()),
    }
    other = np.asarray(test.view("features").x, dtype=np.float64)
    answers = {
        name: _Boosted(x[:, columns], y, seed, len(test.classes)).answers(other[:, columns])
        for name, columns in choices.items()
    }
    return {
        "model": "gradient boosting, default settings",
        "threshold": CORRELATED,
        "columns": [
            {
                "name": str(names[j]),
                "importance": float(rises[j]),
                "dropped": int(j) in dropped,
                "with": str(names[dropped[int(j)]]) if int(j) in dropped else None,
            }
            for j in ranked
        ],
        "choices": [_judged(name, len(choices[name]), answers, test) for name in choices],
    }


def _judged(name: str, n: int, answers: dict[str, Matrix], test: Examples) -> dict[str, Any]:
    figures = score(test.y, answers[name], test.groups)
    found: dict[str, Any] = {
        "choice": name,
        "columns": n,
        "accuracy": figures["accuracy"].as_dict(),
        "macro_f1": figures["macro_f1"].as_dict(),
    }
    if name != "all":
        lost = compare(test.y, answers[name], answers["all"], test.groups, metric="accuracy")
        found["against_all"] = lost.difference.as_dict()
    return found


class _Boosted:
    """Gradient boosting that answers for every class, also those it never met."""

    def __init__(self, x: Matrix, y: npt.NDArray[np.int64], seed: int, n_classes: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self._n_classes = n_classes
        self._model = HistGradientBoostingClassifier(random_state=seed).fit(x, y)

    def answers(self, x: Matrix) -> Matrix:
        p = np.zeros((len(x), self._n_classes))
        p[:, self._model.classes_] = self._model.predict_proba(x)
        return p


def _importance(
    x: Matrix, y: npt.NDArray[np.int64], random: np.random.Generator, seed: int
) -> npt.NDArray[np.float64]:
    """Return the rise of the log loss for each column that is shuffled."""
    held = max(1, round(_HELD_BACK * len(x)))
    n_classes = int(y.max()) + 1
    model = _Boosted(x[held:], y[held:], seed, n_classes)
    asked, true = x[:held], y[:held]
    before = log_loss(model.answers(asked), true)
    rises = np.zeros(x.shape[1])
    for column in range(x.shape[1]):
        for _ in range(_REPEATS):
            changed = asked.copy()
            changed[:, column] = asked[random.permutation(held), column]
            rises[column] += (log_loss(model.answers(changed), true) - before) / _REPEATS
    return rises
