"""Pairs of a table's columns: those that repeat each other, and those that make up the class."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import AuditFinding
from tunesmith.evaluation.source_columns import MOST_ROWS, Labels, SourceColumn, is_function
from tunesmith.evaluation.table_rows import TableSides

__all__ = ["MOST_NAMED", "class_in_pairs", "quoted", "repeated"]

MOST_NAMED = 8
"""Columns that a sentence lists."""
# More columns than this have too many pairs to look at in a few seconds.
_MOST_COLUMNS = 40
# Values of a pair for each class: more would fit the class by chance.
_MOST_VALUES_A_CLASS = 8


def quoted(name: str) -> str:
    """Return a column's name as it stands in a sentence."""
    return f"`{name}`"


def class_in_pairs(sides: TableSides, known: Sequence[str]) -> AuditFinding:
    """Find pairs of columns that together give the class, as a sum or a difference may.

    Parameters
    ----------
    sides
        The table.
    known
        Columns that give it alone.
    """
    check = "class in a pair of columns"
    rows = sides.sample(MOST_ROWS)
    y = sides.y[rows]
    names = [name for name in sides.source.features if name not in set(known)][:_MOST_COLUMNS]
    columns = [sides.column(name) for name in names]
    pairs: list[tuple[str, str, str]] = []
    for first, second in combinations(columns, 2):
        for relation, values in _relations(first, second, rows):
            n_values = int(values.max()) + 1
            if 1 < n_values <= _MOST_VALUES_A_CLASS * len(np.unique(y)) and is_function(values, y):
                pairs.append((first.name, second.name, relation))
                break
    facts = {"pairs": [[a, b] for a, b, _ in pairs]}
    if not pairs:
        message = "No two columns make up the class together."
        return AuditFinding(check=check, result="clear", message=message, facts=facts)
    listed = "; ".join(
        f"the {relation} of {quoted(a)} and {quoted(b)}" for a, b, relation in pairs[:MOST_NAMED]
    )
    message = f"The class is determined by {listed}."
    return AuditFinding(check=check, result="leak", message=message, facts=facts)


def _relations(
    first: SourceColumn, second: SourceColumn, rows: Labels
) -> Iterator[tuple[str, Labels]]:
    """Yield each way to combine two columns, with its values as whole numbers."""
    if first.is_number and second.is_number:
        a, b = first.numbers[rows], second.numbers[rows]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            combined = {"difference": a - b, "sum": a + b, "ratio": a / b}
        for name, values in combined.items():
            if np.isfinite(values).all():
                yield name, _indices(np.round(values, 6))
    joint = first.values[rows] * (int(second.values.max()) + 1) + second.values[rows]
    yield "combination", _indices(joint)


def _indices(values: npt.NDArray[np.generic]) -> Labels:
    indices: Labels = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return indices


def repeated(sides: TableSides) -> AuditFinding:
    """Find columns that repeat another: no leak, but they share their importance."""
    check = "columns that repeat each other"
    rows = sides.sample(MOST_ROWS)
    columns = [sides.column(name) for name in sides.source.features]
    partitions = [column.values[rows] for column in columns]
    pairs: list[tuple[str, str]] = []
    for i, second in enumerate(columns):
        for j in range(i):
            if _same_partition(partitions[i], partitions[j]):
                pairs.append((columns[j].name, second.name))
                break
    facts = {"pairs": [list(pair) for pair in pairs]}
    if not pairs:
        message = "No column repeats another one in other words or numbers."
        return AuditFinding(check=check, result="clear", message=message, facts=facts)
    listed = "; ".join(f"{quoted(a)} and {quoted(b)}" for a, b in pairs[:MOST_NAMED])
    message = f"These columns carry the same information, which is no leak: {listed}."
    return AuditFinding(check=check, result="clear", message=message, facts=facts)


def _same_partition(first: Labels, second: Labels) -> bool:
    """Return whether each of two columns is a function of the other."""
    distinct = len(np.unique(first))
    if distinct < 2 or distinct != len(np.unique(second)):
        return False
    if distinct > len(first) / 2:
        # Almost every row has a value of its own: only the order can show a relation.
        ranks = [_indices(values) for values in (first, second)]
        return bool((ranks[0] == ranks[1]).all() or (ranks[0] + ranks[1] == distinct - 1).all())
    joint = first * (int(second.max()) + 1) + second
    return len(np.unique(joint)) == distinct
