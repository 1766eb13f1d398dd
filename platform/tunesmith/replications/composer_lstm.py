"""The seed study's LSTM on two numbers a file, which the order of the files gives away."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.music import BIG4, FOUR
from tunesmith.replications.training import (
    Plan,
    cut_note,
    random_part,
    row_examples,
    train_and_judge,
)

__all__ = ["REPLICATION"]

_WINDOW_FILES = 10
_PLAN = Plan.default("windows_lstm", 50)
_COLUMNS = ("length_s", "n_notes")


def _numbers(setting: Setting) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return ``float32 [files, 2]``, clipped and standardised, and composers, in file order."""
    pieces = BIG4.dataset(setting).pieces()
    pieces = pieces[pieces["label"].isin(FOUR)].sort_values(["label", "path"])
    values = pieces[list(_COLUMNS)].to_numpy(dtype=np.float64)
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    reach = 1.5 * (high - low)
    values = np.clip(values, low - reach, high + reach)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    y = pieces["label"].map({label: number for number, label in enumerate(FOUR)})
    return np.asarray(values, dtype=np.float32), np.asarray(y, dtype=np.int64)


def _windows(setting: Setting, shuffled: bool) -> Result:
    """Predict a file's composer from the ten files before it; judge on a random fifth."""
    values, y = _numbers(setting)
    if shuffled:
        order = np.random.default_rng(42).permutation(len(y))
        values, y = values[order], y[order]
    n_windows = len(y) - _WINDOW_FILES
    rows = np.arange(n_windows)[:, None] + np.arange(_WINDOW_FILES)
    examples = row_examples(values[rows], y[_WINDOW_FILES:], FOUR, "windows")
    train, test = random_part(n_windows, 0.2)
    result = train_and_judge(setting, _PLAN, examples, train, test, on_training_too=True)
    result["as_before"] = float((y[_WINDOW_FILES:] == y[_WINDOW_FILES - 1 : -1])[test].mean())
    return result


def _rows(results: Mapping[str, Result]) -> list[Row]:
    in_order, shuffled = results.get("in-order"), results.get("shuffled")
    remark = ""
    if in_order and shuffled:
        remark = (
            f"The order of the files: shuffled, the same network scores "
            f"{shuffled['accuracy']:.4f}, where always naming the commonest composer scores "
            f"{shuffled['majority']:.4f}. In order, 'the composer of the file before' scores "
            f"{in_order['as_before']:.4f} without any network."
        )
    figures = in_order or {}
    return [
        Row(
            protocol="accuracy on a random fifth of windows of 10 files in order",
            published=0.9015,
            same=figures.get("accuracy"),
            difference=remark,
            ran=cut_note(results, "in-order"),
        ),
        Row(
            protocol="the same on the training windows",
            published=0.926,
            same=figures.get("training_accuracy"),
            ran=cut_note(results, "in-order"),
        ),
        Row(
            protocol="macro F1 of the same fifth",
            metric="macro_f1",
            published=0.86,
            same=figures.get("macro_f1"),
            difference=_classes(in_order) if in_order else "",
            ran=cut_note(results, "in-order"),
        ),
    ]


def _classes(result: Result) -> str:
    cells = [
        f"{name} {row['precision']:.2f}/{row['recall']:.2f}/{row['f1']:.2f}"
        for name, row in result["per_class"].items()
    ]
    return f"Precision/recall/F1: {', '.join(cells)}."


REPLICATION = Replication(
    name="composer_lstm",
    title="Study 2024: LSTM on windows of files",
    task=BIG4.task,
    missing=BIG4.missing,
    version=BIG4.version,
    dataset=BIG4.name,
    measurements=tuple(
        Measurement(
            key,
            f"LSTM on files {name}",
            _PLAN.about() | {"shuffled": shuffled, "window_files": _WINDOW_FILES},
            partial(_windows, shuffled=shuffled),
            60,
        )
        for key, name, shuffled in (("in-order", "in order", False), ("shuffled", "shuffled", True))
    ),
    rows=_rows,
)
