"""Corrections of labels: the table that a person accepts, and what an ingest did with each row."""

import csv
import io
from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from tunesmith.artifacts.documents import Section

__all__ = [
    "CORRECTION_COLUMNS",
    "AppliedCorrections",
    "Correction",
    "CorrectionRow",
    "Outcome",
    "corrections_csv",
]

CORRECTION_COLUMNS = ("path", "label_before", "label_after", "reason")
"""Columns of a correction table, in order."""


class Correction(Section):
    """One label to change."""

    path: str = Field(description="Path of the file, as the table `pieces` has it.")
    label_before: str = Field(description="Its label now; empty for none.")
    label_after: str = Field(description="Its label after the correction.")
    reason: str = Field(default="", description="Reason, for people.")


class Outcome(StrEnum):
    """Result of one row of a correction table."""

    APPLIED = "applied"
    ALREADY_RIGHT = "already right"
    NO_SUCH_FILE = "no such file"
    SEVERAL_FILES = "fits several files"
    OTHER_LABEL = "has another label"
    ROWS_DISAGREE = "rows disagree"


class CorrectionRow(Correction):
    """One row of a correction table, and its result."""

    outcome: Outcome
    label_found: str = Field(
        default="", description="Label of the file without the row; empty for none."
    )


class AppliedCorrections(Section):
    """A correction table that an ingest read."""

    table: str = Field(description="Name of the file.")
    rows: list[CorrectionRow]

    @property
    def applied(self) -> list[CorrectionRow]:
        """Rows that changed a label."""
        return [row for row in self.rows if row.outcome is Outcome.APPLIED]

    @property
    def not_applied(self) -> list[CorrectionRow]:
        """Rows that changed nothing."""
        return [row for row in self.rows if row.outcome is not Outcome.APPLIED]


def corrections_csv(corrections: Iterable[Correction]) -> str:
    """Return a correction table as CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CORRECTION_COLUMNS)
    for row in corrections:
        writer.writerow([row.path, row.label_before, row.label_after, row.reason])
    return text.getvalue()
