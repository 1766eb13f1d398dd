"""Rows of a table on both sides of its split: those of one artist, and near-duplicates."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.documents import JsonObject
from tunesmith.artifacts.reports import AuditFinding
from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.source_columns import Labels, SourceColumn
from tunesmith.inference.tables import cells_of

if TYPE_CHECKING:
    from tunesmith.tasks import SourceTable

__all__ = ["TableSides", "near_duplicates", "shared_groups"]

# Texts of more values than this name something, such as an artist, rather than a kind.
_LEAST_NAMES = 20
_LEAST_SHARED, _LEAST_SHARE = 10, 0.05
# Of the way from guessing the most frequent class to knowing every class.
_LEAST_GAIN, _LEAST_EXCESS, _DEVIATIONS = 0.3, 0.1, 3
_MOST_LEARNED, _MOST_TEST = 20_000, 2000
_NEIGHBOURS = 10
# Share of the rows that chance may put so near, and how near at most.
_CHANCE, _NEAREST, _LEAST_NEAR = 0.002, 0.35, 0.02
_LEAST_COLUMNS = 4


@dataclass(frozen=True)
class TableSides:
    """A table, its items, and which of them are on the two sides of a split.

    Attributes
    ----------
    source
        The table as it was read.
    examples
        An item for each row.
    learned, test
        Rows of each side.
    """

    source: "SourceTable"
    examples: Examples
    learned: Labels
    test: Labels
    _columns: dict[str, SourceColumn] = field(default_factory=dict, repr=False, compare=False)

    def column(self, name: str) -> SourceColumn:
        """Return a column, read once."""
        if name not in self._columns:
            cells = cells_of(self.source.frame[name])
            self._columns[name] = SourceColumn(name, cells, self.examples.classes)
        return self._columns[name]

    def columns(self) -> list[SourceColumn]:
        """Return every column but the target and those that only make the groups."""
        apart = {self.source.target, *self.source.groups} - set(self.source.features)
        return [self.column(name) for name in self.source.frame.columns if name not in apart]

    @property
    def y(self) -> Labels:
        """Class of each row."""
        return self.examples.y

    @cached_property
    def labels(self) -> list[str]:
        """Name of each row's class."""
        return [self.examples.classes[label] for label in self.y]

    def ids(self, rows: Labels) -> list[str]:
        """Return the names of rows."""
        return [self.examples.ids[row] for row in rows.tolist()]

    def sample(self, most: int) -> Labels:
        """Return at most so many rows, the same at each call."""
        if len(self.y) <= most:
            return np.arange(len(self.y))
        return np.sort(np.random.default_rng(0).permutation(len(self.y))[:most])


def shared_groups(sides: TableSides) -> AuditFinding:
    """Find columns whose values stand on both sides and tell the class of a row.

    An artist in training and test is recognised, and its class with it. A value is looked up in
    the training rows: where that tells far more than the most frequent class, and for numbers far
    more than the nearest other number, rows of one value belong together.
    """
    check = "values on both sides"
    shared_columns: list[tuple[str, npt.NDArray[np.bool_], float]] = []
    for column in sides.columns():
        shared, gain = _lookup(column, sides)
        if gain >= _LEAST_GAIN:
            shared_columns.append((column.name, shared, gain))
    if not shared_columns:
        message = "No column has values on both sides that tell the class of a row."
        return AuditFinding(check=check, result="clear", message=message, facts={"columns": []})
    shared_columns.sort(key=lambda item: -int(item[1].sum()))
    sentences = [
        f"{name}: {int(shared.sum()):,} of {len(shared):,} test rows share it with training rows, "
        f"and it tells their class ({gain:.0%} of the way from guessing to knowing)."
        for name, shared, gain in shared_columns
    ]
    option = sides.source.group_option.format(shared_columns[0][0])
    sentences.append(f"Keep rows of one {shared_columns[0][0]} on one side: {option}.")
    either = np.any([shared for _, shared, _ in shared_columns], axis=0)
    columns = [
        {"column": name, "rows": int(shared.sum()), "gain": gain}
        for name, shared, gain in shared_columns
    ]
    facts = {
        "columns": columns,
        "items": int(either.sum()),
        "ids": sides.ids(sides.test[either]),
    }
    return AuditFinding(check=check, result="leak", message=" ".join(sentences), facts=facts)


def _lookup(column: SourceColumn, sides: TableSides) -> tuple[npt.NDArray[np.bool_], float]:
    """Return the test rows whose value training has, and how well the value tells their class."""
    values, y = column.values, sides.y
    nothing = np.zeros(len(sides.test), dtype=bool)
    missing = column.is_missing
    known, test = sides.learned[~missing[sides.learned]], sides.test
    n_values = len(np.unique(values[known]))
    if n_values < _LEAST_NAMES or n_values > 0.9 * len(known):
        return nothing, 0.0
    if column.is_number and not _are_whole(column.numbers):
        return nothing, 0.0
    votes = np.zeros((int(values.max()) + 1, len(sides.examples.classes)))
    np.add.at(votes, (values[known], y[known]), 1)
    shared = (votes[values[test]].sum(axis=1) > 0) & ~missing[test]
    if shared.sum() < max(_LEAST_SHARED, _LEAST_SHARE * len(test)):
        return nothing, 0.0
    rows = test[shared]
    guess = float(np.bincount(y[rows]).max() / len(rows))
    hit = float(np.mean(votes[values[rows]].argmax(axis=1) == y[rows]))
    gain = (hit - guess) / max(1 - guess, 1e-9)
    others = [guess]
    if column.is_number and gain >= _LEAST_GAIN:
        beside = _nearest_other(column.numbers, values, votes, rows)
        others.append(float(np.mean(beside == y[rows])) + _LEAST_EXCESS)
    best = min(max(others), 1.0)
    is_chance = hit - best < _DEVIATIONS * math.sqrt(best * (1 - best) / len(rows))
    return (nothing, 0.0) if is_chance or hit <= best else (shared, gain)


def _are_whole(numbers: npt.NDArray[np.float64]) -> bool:
    known = numbers[np.isfinite(numbers)]
    return bool(len(known) and (known == np.round(known)).all())


def _nearest_other(
    numbers: npt.NDArray[np.float64],
    values: Labels,
    votes: npt.NDArray[np.float64],
    rows: Labels,
) -> Labels:
    """Return the class that the next other number of the training rows speaks for."""
    present = np.flatnonzero(votes.sum(axis=1) > 0)
    number_of_value = np.full(len(votes), np.nan)
    number_of_value[values] = numbers
    order = present[np.argsort(number_of_value[present])]
    place = {value: index for index, value in enumerate(order.tolist())}
    beside = []
    for value in values[rows].tolist():
        index = place[value]
        around = [i for i in (index - 1, index + 1) if 0 <= i < len(order)]
        beside.append(int(votes[order[around]].sum(axis=0).argmax()))
    return np.array(beside, dtype=np.int64)


def near_duplicates(sides: TableSides) -> AuditFinding:
    """Find test rows that are training rows with small changes."""
    check = "near-duplicate rows"
    random = np.random.default_rng(0)
    test = random.permutation(sides.test)[:_MOST_TEST]
    learned = random.permutation(sides.learned)[:_MOST_LEARNED]
    is_near = _much_nearer(_scaled(sides), learned, test) | _equal_but_one(sides, learned, test)
    share, rows = float(is_near.mean()), np.sort(test[is_near])
    if len(rows) < _LEAST_SHARED or share < _LEAST_NEAR:
        message = f"{len(rows)} of {len(test):,} test rows are almost equal to a training row."
        facts: JsonObject = {"items": len(rows)}
        return AuditFinding(check=check, result="clear", message=message, facts=facts)
    message = (
        f"{len(rows):,} of {len(test):,} test rows ({share:.1%}) are almost equal to a training "
        "row, as copies with small changes are. Name the column that copies share: "
        f"{sides.source.group_option.format('COLUMN')}, or remove them."
    )
    ids = sides.ids(rows)
    facts = {"items": len(rows), "examples": [*ids[:5]], "ids": [*ids]}
    return AuditFinding(check=check, result="leak", message=message, facts=facts)


def _scaled(sides: TableSides) -> npt.NDArray[np.float64]:
    """Return the numbers that are learned from, of one spread, without those of all-new values."""
    parts = []
    for name in sides.source.features:
        column = sides.column(name)
        if not column.is_number:
            continue
        x = column.numbers
        known = x[np.isfinite(x)]
        if len(known) < 0.5 * len(x) or np.ptp(known) == 0:
            continue
        is_number_of_row = _are_whole(x) and len(np.unique(known)) > 0.99 * len(x)
        if is_number_of_row:
            continue
        parts.append((np.nan_to_num(x, nan=float(np.median(known))) - known.mean()) / known.std())
    return np.column_stack(parts) if parts else np.zeros((len(sides.y), 0))


def _much_nearer(
    numbers: npt.NDArray[np.float64], learned: Labels, test: Labels
) -> npt.NDArray[np.bool_]:
    """Return the test rows whose nearest training row is far nearer than the others.

    Among evenly spread points of d dimensions, the nearest of ten lies within a share r of the
    tenth's distance with a probability of about 10 r^d.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(learned) <= _NEIGHBOURS or not numbers.shape[1]:
        return np.zeros(len(test), dtype=bool)
    near = min(_NEAREST, (_CHANCE / _NEIGHBOURS) ** (1 / _dimensions(numbers)))
    nearest = NearestNeighbors(n_neighbors=_NEIGHBOURS).fit(numbers[learned])
    distance, _ = nearest.kneighbors(numbers[test])
    # Where the first and the tenth are at no distance, many rows are equal by the kind of data.
    return np.asarray((distance[:, 0] < near * distance[:, -1]) & (distance[:, -1] > 0))


def _dimensions(numbers: npt.NDArray[np.float64]) -> float:
    """Return how many independent columns spread as widely: from the shares of the variance."""
    variance = np.clip(np.linalg.eigvalsh(np.atleast_2d(np.cov(numbers.T))), 1e-12, None)
    shares = variance / variance.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _equal_but_one(sides: TableSides, learned: Labels, test: Labels) -> npt.NDArray[np.bool_]:
    """Return the test rows that equal a training row in every telling column but one."""
    columns = [sides.column(name) for name in sides.source.features]
    telling = [c for c in columns if len(np.unique(c.values)) > 0.2 * len(sides.y)]
    if len(telling) < _LEAST_COLUMNS:
        return np.zeros(len(test), dtype=bool)
    random = np.random.default_rng(0)
    keys = []
    for column in telling:
        of_value = random.integers(0, 2**63, int(column.values.max()) + 1, dtype=np.uint64)
        keys.append(of_value[column.values])
    # Sums wrap around; equal values have equal sums, others practically never.
    total = np.sum(keys, axis=0, dtype=np.uint64)
    equal = np.zeros(len(test), dtype=bool)
    for key in keys:
        others = total - key
        equal |= np.isin(others[test], others[learned])
    return equal
