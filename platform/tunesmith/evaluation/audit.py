"""Looking for leaks: ways in which a test item can be known without being understood.

Each check gives a finding that says what it compared and how much it found. A *leak* makes a figure
wrong; a *caution* says that a figure may rest on something other than what the task is about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.metrics import prior, score
from tunesmith.midi.fingerprints import duplicate_clusters

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METADATA", "Finding", "audit"]

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
"""Columns of `pieces` that tell who encoded a file rather than who wrote the music."""

# A column that alone names the class of this share of test items, class by class, is the label.
_GIVEN_AWAY = 0.98
# Fewer distinct sounding cells than this and two chunks are equal by chance.
_LEAST_CELLS = 12

Result = Literal["clear", "caution", "leak", "not applicable"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check
        Its name.
    result
        ``clear``, ``caution``, ``leak`` or ``not applicable``.
    message
        What was compared and how much was found.
    facts
        The numbers, and some of the items.
    """

    check: str
    result: Result
    message: str
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON holds it."""
        return asdict(self)


def audit(
    learned: Examples,
    test: Examples,
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    fingerprints: Mapping[str, npt.NDArray[np.uint64]] | None = None,
    artists: Mapping[str, str] | None = None,
    metadata: "pd.DataFrame | None" = None,
) -> list[Finding]:
    """Check two sides of a split against each other.

    Parameters
    ----------
    learned
        Items that training or selection saw.
    test
        Items that figures are measured on.
    columns
        Names of the columns of two-dimensional views.
    fingerprints
        Fingerprints of the pieces by id, for music (`tunesmith.midi.fingerprints`).
    artists
        Artist by id, where one may have several items.
    metadata
        Facts about the files by id, numbers that say nothing of their content.

    Returns
    -------
    list of Finding
        One a check, the checks that found most first.
    """
    named = columns or {}
    found = [
        _pieces(learned, test),
        _groups(learned, test),
        _rows(learned, test),
        _transposed(learned, test),
        _same_music(learned, test, fingerprints),
        _artists(learned, test, artists),
        _constant_columns(learned, test, named),
        _label_columns(learned, test, named),
        _metadata(learned, test, metadata),
    ]
    order: list[Result] = ["leak", "caution", "clear", "not applicable"]
    return sorted(found, key=lambda finding: order.index(finding.result))


def _absent(check: str, why: str) -> Finding:
    return Finding(check, "not applicable", why)


def _straddling(
    check: str, what: str, items: Sequence[str], test: Examples, result: Result = "leak"
) -> Finding:
    """Return the finding that `items` of the test are on both sides."""
    if not items:
        return Finding(check, "clear", f"No test items {what}.", {"items": 0})
    share = len(items) / len(test)
    message = f"{len(items)} of {len(test)} test items ({share:.1%}) {what}."
    facts = {"items": len(items), "examples": list(items[:5]), "ids": list(items)}
    return Finding(check, result, message, facts)


def _at(examples: Examples, mask: npt.NDArray[np.bool_]) -> list[str]:
    return [examples.ids[index] for index in np.flatnonzero(mask).tolist()]


def _pieces(learned: Examples, test: Examples) -> Finding:
    known = set(learned.ids)
    items = [name for name in test.ids if name in known]
    return _straddling("items on both sides", "were learned from as well", items, test)


def _groups(learned: Examples, test: Examples) -> Finding:
    shared = np.isin(test.groups, learned.groups)
    items = _at(test, shared)
    what = "share a group (duplicates, the same song) with a learned item"
    return _straddling("groups on both sides", what, items, test)


def _rows(learned: Examples, test: Examples) -> Finding:
    """Find items most of whose rows have the very same numbers as learned ones, silence aside."""
    check = "equal rows"
    most: set[int] = set()
    for name, view in test.views.items():
        known = set(_hashes(learned.view(name)))
        equal = np.array([h is not None and h in known for h in _hashes(view)], dtype=bool)
        most |= set(np.flatnonzero(_share(view, equal, len(test)) > 0.5).tolist())
    names = [test.ids[i] for i in sorted(most)]
    what = "have most of their rows equal to learned ones in every number"
    # A few are chance or quotation, such as a repeated chord; many are copies.
    result: Result = "leak" if len(names) > 0.05 * len(test) else "caution"
    return _straddling(check, what, names, test, result)


def _share(view: View, hit: npt.NDArray[np.bool_], n_items: int) -> npt.NDArray[np.float64]:
    """Return the share of each item's rows that are hit."""
    rows = np.bincount(view.item, minlength=n_items)
    return np.bincount(view.item[hit], minlength=n_items) / np.maximum(rows, 1)


def _hashes(view: View) -> list[int | None]:
    """Return a hash of each row, None for rows that say too little."""
    found: list[int | None] = []
    for row in view.x:
        array = np.ascontiguousarray(row)
        said = np.count_nonzero(array) if array.ndim > 1 else len(np.unique(array))
        enough = said >= (_LEAST_CELLS if array.ndim > 1 else 4)
        found.append(hash((array.shape, array.tobytes())) if enough else None)
    return found


def _transposed(learned: Examples, test: Examples) -> Finding:
    """Find chunks that are learned ones in another key or at another loudness."""
    check = "transposed chunks"
    if "chunks" not in test.views:
        return _absent(check, "The task has no piano rolls.")
    known = {key for key in _shapes(learned.view("chunks")) if key is not None}
    view = test.view("chunks")
    hit = np.array([key in known for key in _shapes(view)], dtype=bool)
    share = _share(view, hit, len(test))
    names = _at(test, share > 0.5)
    what = "are learned ones in another key, chunk by chunk for most of their length"
    finding = _straddling(check, what, names, test)
    some = int((share > 0).sum())
    if names or not some:
        return finding
    message = f"{some} of {len(test)} test items share a transposed chunk, none of them most."
    return Finding(check, "clear", message, {"items": some})


def _shapes(view: View) -> list[int | None]:
    """Return a hash of which cells sound, the lowest pitch taken as zero."""
    found: list[int | None] = []
    for roll in view.x:
        sounding = np.asarray(roll) > 0
        pitches = np.flatnonzero(sounding.any(axis=0))
        if len(pitches) < 4 or sounding.sum() < _LEAST_CELLS:
            found.append(None)
            continue
        shape = sounding[:, pitches[0] : pitches[-1] + 1]
        found.append(hash((shape.shape, np.packbits(shape).tobytes())))
    return found


def _same_music(
    learned: Examples, test: Examples, prints: Mapping[str, npt.NDArray[np.uint64]] | None
) -> Finding:
    check = "same music"
    if prints is None:
        return _absent(check, "The task has no notes.")
    names = [*learned.ids, *test.ids]
    clusters = duplicate_clusters([prints[name] for name in names])
    shared = np.isin(clusters[len(learned) :], clusters[: len(learned)])
    items = _at(test, shared)
    what = "share most of their intervals with a learned one, in whatever key and tempo"
    return _straddling(check, what, items, test)


def _artists(learned: Examples, test: Examples, artists: Mapping[str, str] | None) -> Finding:
    check = "artists on both sides"
    if artists is None:
        why = (
            "No artists are known beside the label; where a table names them, they are the groups."
        )
        return _absent(check, why)
    known = {artists[name] for name in learned.ids if name in artists}
    items = [name for name in test.ids if artists.get(name) in known]
    what = "are by an artist who was learned from; see the figure by artist"
    return _straddling(check, what, items, test, "caution")


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
) -> Finding:
    """Find numbers that do not change within an item of many rows, and so name it."""
    check = "columns constant in a file"
    named: list[str] = []
    looked = False
    for name, view in _two_dimensional(learned).items():
        other = test.view(name)
        x = np.concatenate([view.x, other.x]).astype(np.float64)
        item = np.concatenate([view.item, other.item + len(learned)])
        _, unit = np.unique(item, return_inverse=True)
        several = np.bincount(unit)[unit] > 1
        if several.sum() < 20 or len(np.unique(unit[several])) < 5:
            continue
        looked = True
        named += [_name(columns, name, j) for j in _constant_within(x[several], unit[several])]
    if not looked:
        return _absent(check, "Each item is one row, there is nothing to be constant in.")
    if not named:
        return Finding(check, "clear", "Every column varies within files.", {"columns": []})
    message = (
        f"{len(named)} columns never change within a file and differ between files: "
        f"{', '.join(named[:8])}. A model can know the file by them."
    )
    return Finding(check, "leak", message, {"columns": named})


def _constant_within(x: npt.NDArray[np.float64], unit: npt.NDArray[np.int64]) -> list[int]:
    """Return columns that are constant in every unit and take many values over all units."""
    _, unit = np.unique(unit, return_inverse=True)
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    sorted_x = x[order]
    lowest, highest = np.minimum.reduceat(sorted_x, starts), np.maximum.reduceat(sorted_x, starts)
    constant = ~(highest > lowest).any(axis=0)
    # A flag with two values names nobody; half as many values as units name nearly everyone.
    distinct = np.array([len(np.unique(lowest[:, j])) for j in range(x.shape[1])])
    return [int(j) for j in np.flatnonzero(constant & (distinct > max(2, len(starts) // 4)))]


def _label_columns(
    learned: Examples, test: Examples, columns: Mapping[str, Sequence[str]]
) -> Finding:
    """Find single columns from which the class can be read off."""
    check = "label in a column"
    views = _two_dimensional(learned)
    if not views:
        return _absent(check, "The task has no table of numbers.")
    best: tuple[float, str] = (0.0, "none")
    telling: list[str] = []
    for name, view in views.items():
        other = test.view(name)
        y, true = learned.y[view.item], test.y[other.item]
        for j in range(view.x.shape[1]):
            recall = _read_off(view.x[:, j], y, other.x[:, j], true)
            best = max(best, (recall, _name(columns, name, j)))
            if recall >= _GIVEN_AWAY:
                telling.append(_name(columns, name, j))
    facts = {"columns": telling, "best": {"column": best[1], "balanced_accuracy": best[0]}}
    if telling:
        message = f"The class can be read off {', '.join(telling[:8])} alone."
        return Finding(check, "leak", message, facts)
    message = (
        f"No column alone gives the class away; the most telling, {best[1]}, reaches a balanced "
        f"accuracy of {best[0]:.2f}."
    )
    return Finding(check, "clear", message, facts)


def _read_off(
    x: npt.NDArray[Any],
    y: npt.NDArray[np.int64],
    other: npt.NDArray[Any],
    true: npt.NDArray[np.int64],
) -> float:
    """Return the balanced accuracy of a table from one column's values to classes.

    The column is cut into up to 64 ranges where that tells classes apart best, classes weighted
    alike.
    """
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_leaf_nodes=64, min_samples_leaf=3, class_weight="balanced", random_state=0
    )
    column, asked = (np.nan_to_num(values.astype(np.float64))[:, None] for values in (x, other))
    answer = tree.fit(column, y).predict(asked)
    recalls = [np.mean(answer[true == label] == label) for label in np.unique(true)]
    return float(np.mean(recalls))


def _metadata(learned: Examples, test: Examples, metadata: "pd.DataFrame | None") -> Finding:
    """Ask a model that knows only how files were made."""
    check = "file metadata alone"
    if metadata is None:
        return _absent(check, "The task has no files.")
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    # Small trees: on busy cores several threads wait for each other more than they work.
    with threadpool_limits(1):
        model.fit(metadata.loc[list(learned.ids)].to_numpy(np.float64), learned.y)
        raw = model.predict_proba(metadata.loc[list(test.ids)].to_numpy(np.float64))
    p = np.zeros((len(test), len(test.classes)))
    p[:, model.classes_] = raw
    figures = score(test.y, p, test.groups)
    share = np.tile(prior(learned.y, len(learned.classes)), (len(test), 1))
    majority = score(test.y, share, test.groups)["balanced_accuracy"].value
    got = figures["balanced_accuracy"]
    facts = {
        "columns": list(metadata.columns),
        "accuracy": figures["accuracy"].as_dict(),
        "balanced_accuracy": got.as_dict(),
        "macro_f1": figures["macro_f1"].as_dict(),
        "chance": majority,
    }
    text = (
        f"A model of facts about the file alone ({', '.join(metadata.columns)}) reaches a balanced "
        f"accuracy of {got}; chance is {majority:.3f}"
    )
    if got.low > majority:
        message = (
            f"{text}. Who made a file can be told from it, and makers of files have their "
            "composers: figures may rest on that in part."
        )
        return Finding(check, "caution", message, facts)
    return Finding(check, "clear", f"{text}.", facts)
