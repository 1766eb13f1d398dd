"""Checks for leaks: ways to recognise a test item without classifying it.

A *leak* makes the metrics too good. A *caution* means that they may rest on something other than
the task.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import AuditFinding, LeakResult
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.classwise import prior
from tunesmith.evaluation.metrics import score
from tunesmith.evaluation.table_audit import audit_table
from tunesmith.evaluation.table_rows import TableSides
from tunesmith.midi.duplicates import duplicate_clusters

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METADATA", "audit"]

METADATA = (
    "ticks_per_quarter",
    "n_tracks",
    "n_instruments",
    "n_tempo_changes",
    "tempo_first_qpm",
    "tempo_mean_qpm",
    "n_time_signatures",
    "n_key_signatures",
    "has_pedal",
)
"""Columns of `pieces` that describe how a file was made rather than its music."""

# A column that alone gives this balanced accuracy is the label.
_IS_LABEL = 0.98
# Fewer distinct sounding cells than this and two chunks are equal by chance.
_LEAST_CELLS = 12


def audit(
    learned: Examples,
    test: Examples,
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    fingerprints: Mapping[str, npt.NDArray[np.uint64]] | None = None,
    metadata: "pd.DataFrame | None" = None,
    table: TableSides | None = None,
) -> list[AuditFinding]:
    """Check the two sides of a split against each other.

    Parameters
    ----------
    learned
        Items of training and validation.
    test
        Items that the metrics are measured on.
    columns
        Names of the columns of two-dimensional views.
    fingerprints
        Fingerprints of the pieces by id, for music (`tunesmith.midi.fingerprints`).
    metadata
        Numbers by id that describe how the files were made.
    table
        The table that the items were read from. Its own columns are judged then, instead of those
        that the model reads.

    Returns
    -------
    list of AuditFinding
        One per check, leaks first.
    """
    named = columns or {}
    findings = [
        _pieces(learned, test),
        _groups(learned, test),
        _rows(learned, test),
        _transposed(learned, test),
        _same_music(learned, test, fingerprints),
        _constant_columns(learned, test, named),
        *(
            audit_table(table)
            if table
            else [_label_columns(learned, test, named, are_notes=fingerprints is not None)]
        ),
        _metadata(learned, test, metadata),
    ]
    order: list[LeakResult] = ["leak", "caution", "clear", "not applicable"]
    return sorted(findings, key=lambda finding: order.index(finding.result))


def _finding(check: str, result: LeakResult, message: str, **facts: Any) -> AuditFinding:
    return AuditFinding(check=check, result=result, message=message, facts=facts)


def _absent(check: str, why: str) -> AuditFinding:
    return _finding(check, "not applicable", why)


def _straddling(
    check: str,
    predicates: tuple[str, str],
    items: Sequence[str],
    test: Examples,
    result: LeakResult = "leak",
) -> AuditFinding:
    """Return the finding that test items are on both sides.

    Parameters
    ----------
    predicates
        The finding about one item, and about several.
    """
    one, several = predicates
    if not items:
        return _finding(check, "clear", f"No test item {one}.", items=0)
    share = len(items) / len(test)
    predicate = one if len(items) == 1 else several
    message = f"{len(items)} of {len(test)} test items ({share:.1%}) {predicate}."
    return _finding(
        check, result, message, items=len(items), examples=list(items[:5]), ids=list(items)
    )


def _at(examples: Examples, mask: npt.NDArray[np.bool_]) -> list[str]:
    return [examples.ids[index] for index in np.flatnonzero(mask).tolist()]


def _pieces(learned: Examples, test: Examples) -> AuditFinding:
    known = set(learned.ids)
    items = [name for name in test.ids if name in known]
    was = ("was in the training data", "were in the training data")
    return _straddling("items on both sides", was, items, test)


def _groups(learned: Examples, test: Examples) -> AuditFinding:
    shared = np.isin(test.groups, learned.groups)
    items = _at(test, shared)
    other = "a group (such as duplicates) with a training item"
    return _straddling("groups on both sides", (f"shares {other}", f"share {other}"), items, test)


def _rows(learned: Examples, test: Examples) -> AuditFinding:
    """Find items most of whose rows equal training rows in every number, silence aside."""
    check = "equal rows"
    most: set[int] = set()
    for name, view in test.views.items():
        known = set(_hashes(learned.view(name)))
        equal = np.array([h is not None and h in known for h in _hashes(view)], dtype=bool)
        most |= set(np.flatnonzero(_share(view, equal, len(test)) > 0.5).tolist())
    names = [test.ids[i] for i in sorted(most)]
    one = "has most of its rows in the training data"
    several = "have most of their rows in the training data"
    # A few are chance or quotation, such as a repeated chord; many are copies.
    result: LeakResult = "leak" if len(names) > 0.05 * len(test) else "caution"
    return _straddling(check, (one, several), names, test, result)


def _share(view: View, hit: npt.NDArray[np.bool_], n_items: int) -> npt.NDArray[np.float64]:
    """Return the share of each item's rows that are marked."""
    rows = np.bincount(view.item, minlength=n_items)
    return np.bincount(view.item[hit], minlength=n_items) / np.maximum(rows, 1)


def _hashes(view: View) -> list[int | None]:
    """Return a hash of each row, None for rows with too little in them."""
    hashes: list[int | None] = []
    for row in view.x:
        array = np.ascontiguousarray(row)
        content = np.count_nonzero(array) if array.ndim > 1 else len(np.unique(array))
        is_enough = content >= (_LEAST_CELLS if array.ndim > 1 else 4)
        hashes.append(hash((array.shape, array.tobytes())) if is_enough else None)
    return hashes


def _transposed(learned: Examples, test: Examples) -> AuditFinding:
    """Find items most of whose chunks are training chunks in another key or loudness."""
    check = "transposed chunks"
    if "chunks" not in test.views:
        return _absent(check, "The task has no piano rolls.")
    known = {key for key in _shapes(learned.view("chunks")) if key is not None}
    view = test.view("chunks")
    hit = np.array([key in known for key in _shapes(view)], dtype=bool)
    share = _share(view, hit, len(test))
    names = _at(test, share > 0.5)
    one = "has most of its chunks in the training data in another key"
    several = "have most of their chunks in the training data in another key"
    finding = _straddling(check, (one, several), names, test)
    some = int((share > 0).sum())
    if names or not some:
        return finding
    message = (
        f"{some} of {len(test)} test items share a transposed chunk with the training data, none "
        "of them more than half of their chunks."
    )
    return _finding(check, "clear", message, items=some)


def _shapes(view: View) -> list[int | None]:
    """Return a hash of the sounding cells of each roll, the lowest pitch taken as zero."""
    hashes: list[int | None] = []
    for roll in view.x:
        sounding = np.asarray(roll) > 0
        pitches = np.flatnonzero(sounding.any(axis=0))
        if len(pitches) < 4 or sounding.sum() < _LEAST_CELLS:
            hashes.append(None)
            continue
        shape = sounding[:, pitches[0] : pitches[-1] + 1]
        hashes.append(hash((shape.shape, np.packbits(shape).tobytes())))
    return hashes


def _same_music(
    learned: Examples, test: Examples, prints: Mapping[str, npt.NDArray[np.uint64]] | None
) -> AuditFinding:
    check = "same music"
    if prints is None:
        return _absent(check, "The task has no notes.")
    names = [*learned.ids, *test.ids]
    clusters = duplicate_clusters([prints[name] for name in names])
    shared = np.isin(clusters[len(learned) :], clusters[: len(learned)])
    items = _at(test, shared)
    one, several = (
        f"{verb} most intervals with a training item, in any key and tempo"
        for verb in ("shares", "share")
    )
    return _straddling(check, (one, several), items, test)


def _two_dimensional(examples: Examples) -> dict[str, View]:
    return {
        name: view
        for name, view in examples.views.items()
        if isinstance(view.x, np.ndarray) and view.x.ndim == 2 and view.x.dtype.kind in "fiub"
    }


def _name(columns: Mapping[str, Sequence[str]], view: str, index: int) -> str:
    names = columns.get(view) or ()
    return str(names[index]) if index < len(names) else f"{view}[{index}]"


def _constant_columns(
    learned: Examples, test: Examples, columns: Mapping[str, Sequence[str]]
) -> AuditFinding:
    """Find columns that do not change within an item of many rows, and so identify it."""
    check = "columns constant in a file"
    constant: list[str] = []
    is_applicable = False
    for name, view in _two_dimensional(learned).items():
        other = test.view(name)
        x = np.concatenate([view.x, other.x]).astype(np.float64)
        item = np.concatenate([view.item, other.item + len(learned)])
        _, unit = np.unique(item, return_inverse=True)
        several = np.bincount(unit)[unit] > 1
        if several.sum() < 20 or len(np.unique(unit[several])) < 5:
            continue
        is_applicable = True
        constant += [_name(columns, name, j) for j in _constant_within(x[several], unit[several])]
    if not is_applicable:
        return _absent(check, "Each item is one row, so nothing can be constant in it.")
    if not constant:
        return _finding(check, "clear", "Every column varies within files.", columns=[])
    message = (
        f"{len(constant)} columns never change within a file but differ between files: "
        f"{', '.join(constant[:8])}. A model can recognise files by them."
    )
    return _finding(check, "leak", message, columns=constant)


def _constant_within(x: npt.NDArray[np.float64], unit: npt.NDArray[np.int64]) -> list[int]:
    """Return columns that are constant in every unit and take many values over all units."""
    _, unit = np.unique(unit, return_inverse=True)
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    sorted_x = x[order]
    lowest, highest = np.minimum.reduceat(sorted_x, starts), np.maximum.reduceat(sorted_x, starts)
    constant = ~(highest > lowest).any(axis=0)
    # A flag with two values identifies no file; a quarter as many values as files nearly do.
    distinct = np.array([len(np.unique(lowest[:, j])) for j in range(x.shape[1])])
    return [int(j) for j in np.flatnonzero(constant & (distinct > max(2, len(starts) // 4)))]


def _label_columns(
    learned: Examples, test: Examples, columns: Mapping[str, Sequence[str]], *, are_notes: bool
) -> AuditFinding:
    """Find single columns that give the class away.

    Columns that are computed from notes hold nothing but the music: one that tells the classes
    apart makes the task easy, and is no leak.
    """
    check = "label in a column"
    views = _two_dimensional(learned)
    if not views:
        return _absent(check, "The task has no table of numbers.")
    best: tuple[float, str] = (0.0, "none")
    labels: list[str] = []
    for name, view in views.items():
        other = test.view(name)
        y, true = learned.y[view.item], test.y[other.item]
        for j in range(view.x.shape[1]):
            recall = _accuracy_of_column(view.x[:, j], y, other.x[:, j], true)
            best = max(best, (recall, _name(columns, name, j)))
            if recall >= _IS_LABEL:
                labels.append(_name(columns, name, j))
    strongest = {"column": best[1], "balanced_accuracy": best[0]}
    if labels:
        message = f"The class can be read off {', '.join(labels[:8])} alone."
        result: LeakResult = "caution" if are_notes else "leak"
        return _finding(check, result, message, columns=labels, best=strongest)
    message = (
        f"No single column gives the class away. The strongest, {best[1]}, reaches a balanced "
        f"accuracy of {best[0]:.2f}."
    )
    return _finding(check, "clear", message, columns=[], best=strongest)


def _accuracy_of_column(
    x: npt.NDArray[Any],
    y: npt.NDArray[np.int64],
    other: npt.NDArray[Any],
    true: npt.NDArray[np.int64],
) -> float:
    """Return the balanced accuracy of a decision tree with up to 64 leaves on one column."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_leaf_nodes=64, min_samples_leaf=3, class_weight="balanced", random_state=0
    )
    column, held = (np.nan_to_num(values.astype(np.float64))[:, None] for values in (x, other))
    predictions = tree.fit(column, y).predict(held)
    recalls = [np.mean(predictions[true == label] == label) for label in np.unique(true)]
    return float(np.mean(recalls))


def _metadata(learned: Examples, test: Examples, metadata: "pd.DataFrame | None") -> AuditFinding:
    """Measure a model that knows only how the files were made."""
    check = "file metadata alone"
    if metadata is None:
        return _absent(check, "The task has no files.")
    if len(np.unique(learned.y)) < 2:
        return _absent(check, "The training data holds one class alone.")
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    # Small trees: on busy cores several threads wait for each other more than they work.
    with threadpool_limits(1):
        model.fit(metadata.loc[list(learned.ids)].to_numpy(np.float64), learned.y)
        raw = model.predict_proba(metadata.loc[list(test.ids)].to_numpy(np.float64))
    p = np.zeros((len(test), len(test.classes)))
    p[:, model.classes_] = raw
    metrics = score(test.y, p, test.groups)
    shares = np.tile(prior(learned.y, len(learned.classes)), (len(test), 1))
    chance = score(test.y, shares, test.groups)["balanced_accuracy"].value
    reached = metrics["balanced_accuracy"]
    facts = {
        name: metrics[name].json_object() for name in ("accuracy", "balanced_accuracy", "macro_f1")
    }
    message = (
        f"A model of file metadata alone ({', '.join(metadata.columns)}) reaches a balanced "
        f"accuracy of {reached}; chance is {chance:.3f}."
    )
    is_above_chance = reached.low > chance
    if is_above_chance:
        message += (
            " Metadata can reveal who made a file, and makers of files favour some classes, so the "
            "metrics may rest on that in part."
        )
    return _finding(
        check, "caution" if is_above_chance else "clear", message,
        columns=list(metadata.columns), chance=chance, **facts,
    )  # fmt: skip
