"""One training, judged on rows it did not learn from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View, aggregate
from tunesmith.models import get_family
from tunesmith.replications.contract import CUT_DOWN, Result, Setting
from tunesmith.tasks import find_file

__all__ = [
    "Plan",
    "accuracy_of",
    "cut_note",
    "file_version",
    "interval",
    "mean_of",
    "random_folds",
    "random_part",
    "row_examples",
    "train_and_judge",
]


@dataclass(frozen=True)
class Plan:
    """Model and data of a training.

    Attributes
    ----------
    family, params
        The model.
    epochs
        Passes over the rows; for families of one step, or of blocks of rounds, steps.
    seed
        Of weights and order.
    """

    family: str
    params: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 1
    seed: int = 0

    @classmethod
    def default(cls, family: str, epochs: int, **changes: Any) -> "Plan":
        """Return the default setting of a family, with changes."""
        return cls(family, {**get_family(family).default(), **changes}, epochs)

    def about(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return {
            "family": self.family,
            "params": dict(self.params),
            "epochs": self.epochs,
            "seed": self.seed,
        }


def train_and_judge(
    setting: Setting,
    plan: Plan,
    examples: Examples,
    train: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    *,
    pieces: npt.NDArray[np.int64] | None = None,
    on_training_too: bool = False,
) -> Result:
    """Train a plan on some rows and judge it on others.

    Parameters
    ----------
    setting
        How much is run, with how many threads.
    plan
        What is trained.
    examples
        One row an item.
    train, test
        Indices of rows.
    pieces
        Piece of each item, where the mean over a piece is judged too.
    on_training_too
        Whether the accuracy on the rows that were learned from is wanted.

    Returns
    -------
    dict
        ``accuracy`` and ``macro_f1`` after the last epoch, ``curve`` (accuracy after each step),
        ``n`` rows judged, ``majority`` (the share of their largest class), what was run of what
        was planned, and ``per_class``.
    """
    effort = setting.effort
    learned, judged = effort.some(train), effort.some(test, seed=1)
    family = get_family(plan.family)
    epochs = effort.epochs(plan.epochs)
    steps = epochs
    if family.rows_per_step and len(learned) > family.rows_per_step:
        steps = max(1, round(epochs * len(learned) / family.rows_per_step))
    given, held_out = examples.take(learned), examples.take(judged)
    x = held_out.view(family.view).x
    curve: list[float] = []
    answers = np.zeros((len(judged), len(examples.classes)), dtype=np.float32)
    model = None
    for step in family.fit(
        plan.params, given, seed=plan.seed, max_steps=steps, threads=setting.threads
    ):
        model = step.model
        last = step.step >= steps
        # Judging a large part after each small step would cost more than the step.
        if last or steps <= plan.epochs or step.step % max(1, steps // plan.epochs) == 0:
            answers = model.predict_proba(x)
            curve.append(accuracy_of(held_out.y, answers))
        if last:
            break
    counts = np.bincount(held_out.y, minlength=len(examples.classes))
    result: Result = {
        "accuracy": curve[-1],
        "n": len(judged),
        "majority": float(counts.max() / counts.sum()),
        "curve": [round(value, 4) for value in curve],
        "epochs": epochs,
        "epochs_planned": plan.epochs,
        "rows": len(learned),
        "rows_planned": len(train),
        **_per_class(held_out.y, answers, examples.classes),
    }
    if pieces is not None:
        result |= _by_piece(held_out.y, answers, pieces[judged])
    if on_training_too and model is not None:
        own = model.predict_proba(given.view(family.view).x)
        result["training_accuracy"] = accuracy_of(given.y, own)
    return result


def accuracy_of(y: npt.NDArray[np.int64], answers: npt.NDArray[Any]) -> float:
    """Return the share of rows whose most probable class is the right one."""
    return float((answers.argmax(axis=1) == y).mean())


def _by_piece(
    y: npt.NDArray[np.int64], answers: npt.NDArray[Any], pieces: npt.NDArray[np.int64]
) -> Result:
    _, first, item = np.unique(pieces, return_index=True, return_inverse=True)
    mean = aggregate(answers, item, len(first))
    return {"piece_accuracy": accuracy_of(y[first], mean), "n_pieces": len(first)}


def _per_class(
    y: npt.NDArray[np.int64], answers: npt.NDArray[Any], classes: Sequence[str]
) -> Result:
    """Return macro F1 over the classes that occur, and precision, recall and F1 of each."""
    predicted = answers.argmax(axis=1)
    table: dict[str, dict[str, float]] = {}
    for label, name in enumerate(classes):
        right = float(((predicted == label) & (y == label)).sum())
        n_predicted, there = float((predicted == label).sum()), float((y == label).sum())
        if not there and not n_predicted:
            continue
        table[name] = {
            "precision": round(right / n_predicted, 4) if n_predicted else 0.0,
            "recall": round(right / there, 4) if there else 0.0,
            "f1": round(2 * right / (n_predicted + there), 4),
            "n": int(there),
        }
    return {"macro_f1": float(np.mean([row["f1"] for row in table.values()])), "per_class": table}


def row_examples(
    x: Any,
    y: npt.NDArray[np.int64],
    classes: Sequence[str],
    view: str,
    groups: npt.NDArray[np.int64] | None = None,
) -> Examples:
    """Return examples whose every row is an item."""
    return Examples(
        y=y,
        classes=tuple(classes),
        groups=np.arange(len(y)) if groups is None else groups,
        ids=[str(number) for number in range(len(y))],
        views={view: View.one_row_each(x)},
    )


def random_folds(n_rows: int, k: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return a fold of each row, ``int [rows]``, whatever belongs together."""
    return np.asarray(np.random.default_rng(seed).permutation(n_rows) % k)


def random_part(n_rows: int, share: float, seed: int = 42) -> tuple[Any, Any]:
    """Return row indices to learn from and the `share` held out, at random."""
    order = np.random.default_rng(seed).permutation(n_rows)
    n_test = round(share * n_rows)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def mean_of(results: Mapping[str, Result], prefix: str, name: str = "accuracy") -> float | None:
    """Return the mean of a figure over the measurements whose key begins so."""
    values = [result[name] for key, result in results.items() if key.startswith(prefix)]
    return float(np.mean(values)) if values else None


def interval(share: float, n: int) -> dict[str, float]:
    """Return a share with Wilson's interval of 95 %: ``value``, ``low``, ``high``."""
    z = 1.96
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return {"value": share, "low": centre - half, "high": centre + half}


def cut_note(results: Mapping[str, Result], prefix: str, planned: int = 1) -> str:
    """Return what of the planned trainings was run, in words; empty where all of it was."""
    matching = [result for key, result in results.items() if key.startswith(prefix)]
    if not matching:
        return "not run"
    shortcuts = []
    if len(matching) < planned:
        shortcuts.append(f"{len(matching)} of {planned} folds")
    one = min(matching, key=lambda result: result.get("epochs", 0))
    if one.get("epochs", 0) < one.get("epochs_planned", 0):
        shortcuts.append(f"{one['epochs']} of {one['epochs_planned']} epochs")
    if one.get("rows", 0) < one.get("rows_planned", 0):
        shortcuts.append(f"{one['rows']:,} of {one['rows_planned']:,} rows")
    return f"{CUT_DOWN}: {', '.join(shortcuts)}" if shortcuts else ""


def file_version(names: Sequence[str]) -> str:
    """Return a hash of the first of these files in the data folder, or that there is none."""
    path = find_file(names)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path else "absent"
