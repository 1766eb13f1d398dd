"""The linear baseline: regularised logistic regression on the numbers of each item."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.classwise import prior

__all__ = ["baseline_predictions", "linear_predictions"]

_MOST_ITEMS = 6000
_MOST_NUMBERS = 6_000_000


def baseline_predictions(
    learned: Examples, test: Examples, copies: Mapping[str, Examples]
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, npt.NDArray[np.float64]]]:
    """Return the predictions of every baseline for the test, and of the linear one for copies.

    Parameters
    ----------
    learned, test
        Items to fit on, and those to predict.
    copies
        Copies of all test items by how they were made, with a view ``features``.

    Returns
    -------
    dict
        ``majority``, and ``linear`` where a view has one row of numbers per item:
        ``float64 [items, classes]``.
    dict
        Predictions of the linear baseline for the copies, from the same fit.
    """
    shares = prior(learned.y, len(learned.classes))
    baselines = {"majority": np.tile(shares, (len(test), 1))}
    if not copies or "features" not in test.views:
        linear = linear_predictions(learned, test)
        return (baselines | {"linear": linear} if len(linear) else baselines), {}
    together = [test, *copies.values()]
    rows = np.concatenate([examples.view("features").x for examples in together])
    judged = Examples(
        y=np.tile(test.y, len(together)),
        classes=test.classes,
        groups=np.tile(test.groups, len(together)),
        ids=[name for examples in together for name in examples.ids],
        views={"features": View.one_row_each(rows)},
    )
    features_alone = replace(learned, views={"features": learned.view("features")})
    first, *others = np.split(linear_predictions(features_alone, judged), len(together))
    return baselines | {"linear": first}, dict(zip(copies, others, strict=True))


def linear_predictions(learned: Examples, test: Examples, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return the predictions of logistic regression on the numbers of each item.

    Parameters
    ----------
    learned
        Items to fit on; of very many a random part is taken.
    test
        Items to predict.
    seed
        Seed of that part.

    Returns
    -------
    numpy.ndarray
        ``float64 [items, classes]``; no rows where no view has one row of numbers per item.
    """
    name = _numbers(learned)
    if name is None:
        return np.zeros((0, len(learned.classes)))
    if len(np.unique(learned.y)) < 2:
        # All items of the other classes are in the test: nothing can be learned but the one class.
        return np.tile(prior(learned.y, len(learned.classes)), (len(test), 1))
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    width = int(np.prod(learned.view(name).x.shape[1:]))
    most = min(_MOST_ITEMS, _MOST_NUMBERS // max(width, 1))
    if len(learned) > most:
        picked = np.random.default_rng(seed).permutation(len(learned))[:most]
        learned = learned.take(picked)
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.03, max_iter=200),
    )
    # Small matrices: more threads than cores make the fit slower by an order of magnitude.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A baseline that stopped early is still a baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(_matrix(learned.view(name)), learned.y)
    probabilities = np.zeros((len(test), len(test.classes)))
    probabilities[:, model.classes_] = model.predict_proba(_matrix(test.view(name)))
    return probabilities


def _numbers(examples: Examples) -> str | None:
    """Return the smallest view with one row of numbers per item, None where there is none."""
    fitting = {
        name: int(np.prod(view.x.shape[1:]))
        for name, view in examples.views.items()
        if _is_numbers(view) and np.array_equal(view.item, np.arange(len(examples)))
    }
    return min(fitting, key=lambda name: fitting[name]) if fitting else None


def _is_numbers(view: View) -> bool:
    # Sequences of tokens are integers too, but their size means nothing.
    return isinstance(view.x, np.ndarray) and view.x.ndim >= 2 and view.x.dtype.kind in "fub"


def _matrix(view: View) -> npt.NDArray[Any]:
    return np.asarray(view.x, dtype=np.float32).reshape(len(view), -1)
