"""Checks of a table's own columns: what gives the class away, and what stands on both sides.

A column that is made of the class, or known only after it, makes any model look good. Each column
is judged as it was read, all of its texts together, by a small tree on held-out rows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tunesmith.artifacts.reports import AuditFinding, Interval, LeakResult
from tunesmith.evaluation.source_columns import (
    EXCEPTIONS,
    MOST_ROWS,
    Labels,
    SourceColumn,
    balanced_accuracy,
    held_out_predictions,
    is_function,
)
from tunesmith.evaluation.table_pairs import MOST_NAMED, class_in_pairs, quoted, repeated
from tunesmith.evaluation.table_rows import TableSides, near_duplicates, shared_groups

__all__ = ["TableSides", "audit_table", "near_perfect"]

# A tree on one column that reaches this balanced accuracy reads the class off. The strongest
# honest columns known stay below it: 0.95 for the petals of iris.
_IS_CLASS = 0.97
_NEAR_PERFECT = 0.98
_LEAST_OF_A_CLASS = 20
# Of the way from chance to perfect.
_STRONG, _IDENTIFYING = 0.5, 0.1
_LATER = re.compile(
    r"(?:^|[^a-z])(after|afterwards|award(?:ed|s)?|final|follow_?up|future|label|later|next|"
    r"outcome|post|predict(?:ed|ion)?|result(?:s|ing)?|target|truth)(?:$|[^a-z])",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"(?:^|[^a-z])(id|ids|idx|index|key|nr|no|number|row|uri|uuid)(?:$|[^a-z])"
)


@dataclass(frozen=True)
class _Suspicion:
    """Reason to doubt one column."""

    column: str
    reason: str
    is_leak: bool = True


def audit_table(sides: TableSides) -> list[AuditFinding]:
    """Return the findings about the columns and rows of a table.

    Parameters
    ----------
    sides
        The table and its two sides.
    """
    columns = _columns(sides)
    known = columns.facts["columns"]
    return [
        columns,
        class_in_pairs(sides, known),
        repeated(sides),
        shared_groups(sides),
        near_duplicates(sides),
    ]


def near_perfect(accuracy: Interval) -> AuditFinding:
    """Return whether a model is better than honest models of tables nearly ever are.

    Parameters
    ----------
    accuracy
        Of the model on the test rows.
    """
    check = "near-perfect accuracy"
    if accuracy.low < _NEAR_PERFECT:
        message = f"The accuracy, {accuracy}, is not suspiciously high."
        return AuditFinding(check=check, result="clear", message=message)
    message = (
        f"The accuracy is {accuracy}. Few honest tables allow that: make sure that every column is "
        "known before the class, and that rows of one source are on one side."
    )
    return AuditFinding(check=check, result="caution", message=message)


def _columns(sides: TableSides) -> AuditFinding:
    """Judge each column alone."""
    check = "class in a column"
    suspicions: list[_Suspicion] = []
    strongest = (0.0, "none")
    used = set(sides.source.features)
    for column in sides.columns():
        if column.name in sides.source.left_out:
            continue
        accuracy, reason = _judged(column, sides)
        if column.name in used:
            strongest = max(strongest, (accuracy, column.name))
        if reason is not None:
            suspicions.append(_Suspicion(column.name, reason, is_leak=column.name in used))
    leaks = [suspicion for suspicion in suspicions if suspicion.is_leak]
    unread = [suspicion for suspicion in suspicions if not suspicion.is_leak]
    facts = {
        "columns": [suspicion.column for suspicion in leaks],
        "not_learned_from": [suspicion.column for suspicion in unread],
        "best": {"column": strongest[1], "balanced_accuracy": strongest[0]},
    }
    sentences = [f"{quoted(s.column)} {s.reason}." for s in leaks[:MOST_NAMED]]
    if len(leaks) > MOST_NAMED:
        others = ", ".join(suspicion.column for suspicion in leaks[MOST_NAMED:])
        sentences.append(f"So do {others}.")
    if leaks:
        names = ", ".join(s.column for s in leaks[:MOST_NAMED])
        drop = sides.source.leave_out_option
        if "[" in drop:
            options = drop.format(names)
        else:
            options = " ".join(drop.format(_argument(s.column)) for s in leaks[:MOST_NAMED])
        sentences.append(f"Search without what is not known before the class: {options}.")
    else:
        sentences.append(
            f"No column alone gives the class away. The strongest, {strongest[1]}, reaches a "
            f"balanced accuracy of {strongest[0]:.2f} on held-out rows."
        )
    sentences += [
        f"{quoted(s.column)} {s.reason}, but the model does not read it."
        for s in unread[:MOST_NAMED]
    ]
    result: LeakResult = "leak" if leaks else "caution" if unread else "clear"
    return AuditFinding(check=check, result=result, message=" ".join(sentences), facts=facts)


def _judged(column: SourceColumn, sides: TableSides) -> tuple[float, str | None]:
    """Return the balanced accuracy of a column alone, and the reason to doubt it if any."""
    y, rows = sides.y, sides.sample(MOST_ROWS)
    groups = sides.examples.groups[rows]
    predictions = held_out_predictions(column.inputs[rows], y[rows], groups)
    accuracy = balanced_accuracy(y[rows], predictions)
    return accuracy, next(_reasons(column, sides, accuracy), None)


def _reasons(column: SourceColumn, sides: TableSides, accuracy: float) -> Iterator[str]:
    """Yield the reasons to doubt a column, the plainest first."""
    y = sides.y
    chance = 1 / len(np.unique(y))
    gain = (accuracy - chance) / (1 - chance)
    if _equals_class(column, sides):
        yield f"is a copy of {quoted(sides.source.target)}"
    is_of_class = is_function(y, column.values)
    if is_of_class and is_function(column.values, y):
        yield "has one value of its own for each class: a code of the class"
    if accuracy >= _IS_CLASS:
        yield _how_it_tells(column, sides, accuracy)
    if is_of_class and _differs_by_class(column.values, y):
        yield "has a single value in each class: it was made from the class"
    if (label := _given_away(column, sides)) is not None:
        yield f"tells the class {sides.examples.classes[label]!r} from all others"
    if gain >= _STRONG and _is_noisy_code(column, y):
        yield "is the number of the class plus small random numbers"
    if gain >= _IDENTIFYING and _is_identifier(column):
        yield (
            "numbers the rows, and the rows are in the order of the classes (balanced accuracy "
            f"{accuracy:.2f})"
        )
    if gain >= _STRONG and _LATER.search(column.name):
        yield (
            f"reaches a balanced accuracy of {accuracy:.2f} alone, and by its name may be known "
            "only after the class"
        )


def _equals_class(column: SourceColumn, sides: TableSides) -> bool:
    names = [name.casefold() for name in sides.labels]
    equal = np.array([text == name for text, name in zip(column.texts, names, strict=True)])
    return bool(equal.mean() >= 1 - EXCEPTIONS)


def _differs_by_class(values: Labels, y: Labels) -> bool:
    """Return whether the most frequent value is not the same in all classes."""
    return len({int(np.bincount(values[y == label]).argmax()) for label in np.unique(y)}) > 1


def _how_it_tells(column: SourceColumn, sides: TableSides, accuracy: float) -> str:
    """Return in which way a column gives the class away."""
    score = f"a balanced accuracy of {accuracy:.3f} on held-out rows"
    names = [name.casefold() for name in sides.labels]
    if not column.is_number:
        contained = [name in text for text, name in zip(column.texts, names, strict=True)]
        if np.mean(contained) > 0.9:
            return f"holds the name of the class in its text: alone it reaches {score}"
    if _is_identifier(column):
        return f"numbers the rows, and the rows are in the order of the classes: {score}"
    if _LATER.search(column.name):
        return f"gives the class away and by its name may be known only after it: {score}"
    if is_function(column.values, sides.y):
        return f"determines the class: each of its values has one class; alone it reaches {score}"
    return f"gives the class away: alone it reaches {score}"


def _given_away(column: SourceColumn, sides: TableSides) -> int | None:
    """Return a class that one value of the column, or its absence, picks out exactly."""
    y = sides.y
    if len(np.unique(y)) == 2:
        return None
    indicators = [column.is_missing.astype(np.int64)]
    if len(np.unique(column.values)) <= max(50, len(y) // 10) or column.is_number:
        frequent = np.bincount(column.values).argsort()[::-1][:20]
        indicators += [(column.values == value).astype(np.int64) for value in frequent]
    for indicator in indicators:
        for label, count in enumerate(np.bincount(y)):
            if count < _LEAST_OF_A_CLASS or count == len(y):
                continue
            inside, outside = indicator[y == label].mean(), indicator[y != label].mean()
            if abs(inside - outside) >= 1 - 2 * EXCEPTIONS:
                return label
    return None


def _is_noisy_code(column: SourceColumn, y: Labels) -> bool:
    """Return whether the classes' means are consecutive whole numbers, in the order of classes."""
    x = column.numbers
    if not column.is_number or not np.isfinite(x).all() or len(np.unique(x)) < len(x) / 2:
        return False
    labels = np.unique(y)
    means = np.array([x[y == label].mean() for label in labels])
    errors = np.array([x[y == label].std() / np.sqrt((y == label).sum()) for label in labels])
    first = np.round(means[0])
    codes = first + np.arange(len(labels))
    return bool((np.abs(means - codes) <= 4 * errors + 1e-9).all() and errors.max() < 0.1)


def _is_identifier(column: SourceColumn) -> bool:
    """Return whether a column numbers the rows: all different, and dense, in order or so named."""
    n = len(column.cells)
    if len(np.unique(column.values)) < 0.99 * n:
        return False
    named = _IDENTIFIER.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).casefold())
    if not column.is_number:
        return named is not None or sum(text[-1:].isdecimal() for text in column.texts) > 0.9 * n
    x = column.numbers[np.isfinite(column.numbers)]
    if not len(x) or (x != np.round(x)).any():
        return False
    steps = np.diff(x)
    in_order = bool((steps > 0).mean() > 0.99 or (steps < 0).mean() > 0.99) if n > 1 else False
    return bool(x.max() - x.min() < 2 * n) or in_order or named is not None


def _argument(name: str) -> str:
    """Return a column's name as an argument of a shell."""
    return name if re.fullmatch(r"[\w.-]+", name) else f'"{name}"'
