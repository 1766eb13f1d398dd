"""The tutorial's multi-layer perceptron on scikit-learn's digits."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tunesmith.datasets.examples import Examples
from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.training import (
    Plan,
    cut_note,
    interval,
    mean_of,
    random_folds,
    train_and_judge,
)
from tunesmith.tasks import Request, get_task

__all__ = ["REPLICATION"]

_FOLDS = 10
_ITERATIONS = 300
_SVM = Plan.default("svm", 1, scaling="minmax", C=10.0, gamma=1.2, balance=0.0)


def _digits(setting: Setting) -> Examples:
    return get_task("digits").read(setting.store, Request()).examples


def _perceptron(setting: Setting) -> Result:
    """Run the tutorial's own call of scikit-learn."""
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    examples = _digits(setting)
    x = examples.view("features").x
    iterations = setting.effort.epochs(_ITERATIONS)
    seen, held_out, y, y_held_out = train_test_split(x, examples.y, test_size=0.2, random_state=42)
    scaler = StandardScaler().fit(seen)
    model = MLPClassifier((100,), max_iter=iterations, random_state=42)
    # With fewer iterations than planned scikit-learn warns of what the table says anyway.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit(scaler.transform(seen), y)
    accuracy = float(model.score(scaler.transform(held_out), y_held_out))
    done = {"epochs": iterations, "epochs_planned": _ITERATIONS, "iterations": int(model.n_iter_)}
    return {"accuracy": accuracy, "n": len(y_held_out), **done}


def _svm_split(setting: Setting) -> Result:
    """Judge the machine on the very rows that the tutorial holds out."""
    from sklearn.model_selection import train_test_split

    examples = _digits(setting)
    train, test = train_test_split(np.arange(len(examples)), test_size=0.2, random_state=42)
    return train_and_judge(setting, _SVM, examples, np.asarray(train), np.asarray(test))


def _cross_validated(setting: Setting, in_order: bool) -> Result:
    """Return the mean over ten folds, of shuffled rows or of rows as they stand in the file."""
    examples = _digits(setting)
    n_rows = len(examples)
    fold = np.arange(n_rows) * _FOLDS // n_rows if in_order else random_folds(n_rows, _FOLDS)
    by_fold = [
        train_and_judge(
            setting, _SVM, examples, np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        )
        for number in range(_FOLDS)
    ]
    shares = [result["accuracy"] for result in by_fold]
    return {
        "accuracy": float(np.mean(shares)),
        "by_fold": [round(share, 4) for share in shares],
        "n": sum(result["n"] for result in by_fold),
    }


def _about(**more: Any) -> dict[str, Any]:
    return {**_SVM.about(), **more}


def _rows(results: Mapping[str, Result]) -> list[Row]:
    shuffled, in_order = mean_of(results, "svm-shuffled"), mean_of(results, "svm-in-order")
    remark = ""
    if shuffled is not None and in_order is not None:
        remark = (
            f"Writers: the same machine scores {shuffled:.4f} over 10 shuffled folds and "
            f"{in_order:.4f} over 10 folds in file order, where most of a fold's writers are new."
        )
    better = mean_of(results, "svm-split")
    return [
        Row(
            protocol="accuracy on a random fifth (seed 42)",
            published=0.98,
            same=mean_of(results, "perceptron"),
            better=None if better is None else (better, "SVM"),
            difference=remark,
            ran=cut_note(results, "perceptron"),
            honest=None
            if in_order is None
            else interval(in_order, results["svm-in-order"]["n"]) | {"text": "10 folds in order"},
        )
    ]


REPLICATION = Replication(
    name="digits",
    title="Tutorial 2023: perceptron on 8 x 8 digits",
    task="digits",
    missing=lambda _: None,
    version=lambda _: "scikit-learn",
    measurements=(
        Measurement(
            "perceptron", "the tutorial's perceptron", {"units": 100, "iterations": _ITERATIONS},
            _perceptron, 6,
        ),
        Measurement("svm-split", "SVM on the tutorial's split", _about(), _svm_split, 2),
        Measurement(
            "svm-shuffled", "SVM over 10 shuffled folds", _about(folds=_FOLDS),
            partial(_cross_validated, in_order=False), 15,
        ),
        Measurement(
            "svm-in-order", "SVM over 10 folds in file order", _about(folds=_FOLDS),
            partial(_cross_validated, in_order=True), 15,
        ),
    ),
    rows=_rows,
)  # fmt: skip
