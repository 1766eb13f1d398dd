"""Apply a correction table to labelled files: only what a row names for certain is changed."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tunesmith.artifacts.corrections import (
    CORRECTION_COLUMNS,
    AppliedCorrections,
    Correction,
    CorrectionRow,
    Outcome,
)
from tunesmith.errors import UsageError
from tunesmith.ingestion.label_tables import path_key, text_rows
from tunesmith.ingestion.labels import Labelled

__all__ = ["apply_corrections", "read_corrections"]


def read_corrections(path: Path) -> list[Correction]:
    """Read a correction table.

    Raises
    ------
    UsageError
        If the file cannot be read, lacks a column, or a row lacks a path or the new label.
    """
    header, body, _ = text_rows(path, "correction table")
    columns = ["_".join(column.casefold().split()) for column in header]
    required = CORRECTION_COLUMNS[:3]
    if missing := [name for name in required if name not in columns]:
        message = (
            f"The correction table {path} lacks the column {' and '.join(missing)}; it has "
            f"{', '.join(header) or 'no columns'}. Its columns are "
            f"{', '.join(CORRECTION_COLUMNS)}; the last may be left out."
        )
        raise UsageError(message)
    corrections = []
    for number, row in enumerate(body, start=1):
        if not any(row):
            continue
        cells = dict(zip(columns, row, strict=True))
        values = {name: cells.get(name, "") for name in CORRECTION_COLUMNS}
        if not (values["path"] and values["label_after"]):
            message = (
                f"Row {number} of the correction table {path} has no path or no label_after. "
                "Fill it in, or remove the row."
            )
            raise UsageError(message)
        corrections.append(Correction(**values))
    return corrections


def apply_corrections(
    files: Sequence[Labelled], corrections: Sequence[Correction], table: str
) -> tuple[list[Labelled], AppliedCorrections]:
    """Return the files with corrected labels, and what became of each row.

    A row is applied where its path names one file, and that file has the label that the row says it
    has. A path may lack its first folder, or have another one: the source may have been an archive
    when the table was written, and a folder now.

    Parameters
    ----------
    files
        Files with their labels.
    corrections
        Rows of the table.
    table
        Name of the table.
    """
    index = _Index.of(files)
    targets = [index.find(row.path) for row in corrections]
    wanted: defaultdict[int, set[str]] = defaultdict(set)
    for row, numbers in zip(corrections, targets, strict=True):
        if len(numbers) == 1:
            wanted[numbers[0]].add(row.label_after)
    corrected = list(files)
    rows = []
    for row, numbers in zip(corrections, targets, strict=True):
        before = files[numbers[0]].label or "" if len(numbers) == 1 else ""
        outcome = _outcome(row, numbers, wanted, files, corrected)
        if outcome is Outcome.APPLIED:
            corrected[numbers[0]] = replace(files[numbers[0]], label=row.label_after)
        rows.append(CorrectionRow(**row.model_dump(), outcome=outcome, label_found=before))
    return corrected, AppliedCorrections(table=table, rows=rows)


def _outcome(
    row: Correction,
    numbers: Sequence[int],
    wanted: Mapping[int, set[str]],
    files: Sequence[Labelled],
    corrected: Sequence[Labelled],
) -> Outcome:
    if len(numbers) != 1:
        return Outcome.SEVERAL_FILES if numbers else Outcome.NO_SUCH_FILE
    number = numbers[0]
    if len(wanted[number]) > 1:
        return Outcome.ROWS_DISAGREE
    if row.label_after == (corrected[number].label or ""):
        return Outcome.ALREADY_RIGHT
    names = {_folded(files[number].label or ""), _folded(files[number].raw)}
    return Outcome.APPLIED if _folded(row.label_before) in names else Outcome.OTHER_LABEL


def _folded(label: str) -> str:
    return unicodedata.normalize("NFC", label).casefold().strip()


@dataclass(frozen=True)
class _Index:
    """Numbers of the files by their paths: as written, by key, and without the first folder."""

    exact: Mapping[str, Sequence[int]]
    keys: Mapping[str, Sequence[int]]
    inner: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, files: Sequence[Labelled]) -> "_Index":
        exact: defaultdict[str, list[int]] = defaultdict(list)
        keys: defaultdict[str, list[int]] = defaultdict(list)
        inner: defaultdict[str, list[int]] = defaultdict(list)
        for number, file in enumerate(files):
            exact[file.entry.path].append(number)
            keys[path_key(file.entry.path)].append(number)
            for key in {_without_first(file.entry.path), path_key(file.entry.relative)}:
                inner[key].append(number)
        return cls(exact, keys, inner)

    def find(self, path: str) -> Sequence[int]:
        """Return the files of the closest kind of match; several where it is not certain."""
        return (
            self.exact.get(path)
            or self.keys.get(path_key(path))
            or self.inner.get(path_key(path))
            or self.inner.get(_without_first(path))
            or ()
        )


def _without_first(path: str) -> str:
    key = path_key(path)
    return key.partition("/")[2] or key
