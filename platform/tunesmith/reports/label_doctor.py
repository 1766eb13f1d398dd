"""The page of the label doctor: suspected labels with their evidence, to accept or refuse."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts import layout
from tunesmith.artifacts.corrections import CORRECTION_COLUMNS, Correction
from tunesmith.artifacts.suspicions import (
    Diagnosis,
    Suspicion,
    accepted_corrections,
    earlier_rows,
)
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.passages import common_passage
from tunesmith.midi.rolls import notes_roll
from tunesmith.reports import roll_figures
from tunesmith.reports.pages import percent, render, script

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["render_diagnosis", "write_diagnosis"]

MOST_DRAWN = 60
"""Suspicions that are drawn: each adds some 20 kB to the page."""
MOST_MATCHES = 5
DRAWN_S = 12.0
BEFORE_S = 0.5
RATE = 20.0


def write_diagnosis(dataset: Dataset, diagnosis: Diagnosis) -> str:
    """Write a diagnosis and its page beside the manifest, and return the path of the page."""
    place = (dataset.name, dataset.version)
    page = render_diagnosis(dataset, diagnosis)
    page_parts = layout.dataset_version(*place, layout.DIAGNOSIS_PAGE)
    dataset.store.write_bytes(page.encode(), *page_parts)
    diagnosis.write(dataset.store, *layout.dataset_version(*place, layout.DIAGNOSIS))
    return dataset.path(layout.DIAGNOSIS_PAGE)


def render_diagnosis(dataset: Dataset, diagnosis: Diagnosis) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    dataset
        The version that the diagnosis is of; its notes are drawn.
    diagnosis
        The suspicions.
    """
    text, digest = script("doctor.js")
    return render(
        "label_doctor.html.j2",
        page=_Page(dataset, diagnosis),
        figures=_figures(dataset, diagnosis),
        script_text=text,
        script_hash=digest,
    )


class _Page:
    """Texts and rows of the page.

    Parameters
    ----------
    dataset
        The version.
    diagnosis
        Its suspicions.
    """

    most_matches = MOST_MATCHES

    def __init__(self, dataset: Dataset, diagnosis: Diagnosis) -> None:
        self.dataset = dataset
        self.diagnosis = diagnosis

    @staticmethod
    def name(path: str) -> str:
        """Return the name of a file."""
        return path.rsplit("/", 1)[-1]

    def partner(self, suspicion: Suspicion) -> str:
        """Return the name and label of the piece that is drawn beside a suspicion's."""
        match = suspicion.matches[0]
        return f"{self.name(match.path)} ({match.label})"

    @property
    def tiles(self) -> list[tuple[str, str, str]]:
        """The main numbers: name, value and a note."""
        diagnosis = self.diagnosis
        judged = f"{diagnosis.judged:,} judged by the model"
        tiles = [
            ("Labelled pieces", f"{diagnosis.pieces:,}", judged),
            ("Labels to check", f"{len(diagnosis.suspicions):,}", self._share),
            (
                "Same music, several labels",
                f"{diagnosis.mixed_clusters:,}",
                "cluster" if diagnosis.mixed_clusters == 1 else "clusters",
            ),
        ]
        if diagnosis.estimated_errors is not None:
            errors = f"{diagnosis.estimated_errors:,}"
            tiles.append(("Wrong labels, estimated", errors, "by confident learning"))
        return tiles

    @property
    def _share(self) -> str:
        return (
            f"{percent(len(self.diagnosis.suspicions) / max(self.diagnosis.pieces, 1), 1)} of all"
        )

    @property
    def content(self) -> dict[str, object]:
        """The rows that the script writes into the correction table."""
        earlier = self.dataset.manifest.corrections
        suspicions = self.diagnosis.suspicions
        return {
            "dataset": self.diagnosis.dataset,
            "version": self.diagnosis.version,
            "count": len(suspicions),
            "columns": list(CORRECTION_COLUMNS),
            "earlier": [_row(row) for row in earlier_rows(earlier)],
            "corrections": {
                str(s.number): [
                    _row(row) for row in accepted_corrections(self.diagnosis, [s.number], None)
                ]
                for s in suspicions
            },
        }


def _row(correction: Correction) -> list[str]:
    return [getattr(correction, name) for name in CORRECTION_COLUMNS]


def _figures(dataset: Dataset, diagnosis: Diagnosis) -> "dict[str, Figure]":
    """Return the rolls of the first suspicions: beside their match, or alone."""
    drawn = diagnosis.suspicions[:MOST_DRAWN]
    wanted = {s.piece_id for s in drawn} | {m.piece_id for s in drawn for m in s.matches[:1]}
    notes = dataset.notes(sorted(wanted)) if wanted else {}
    figures = {}
    for suspicion in drawn:
        own = notes[suspicion.piece_id]
        different = [m for m in suspicion.matches[:1] if m.piece_id != suspicion.piece_id]
        if not different:
            figures[f"roll_{suspicion.number}"] = roll_figures.beside([_part(own, 0.0)], RATE)
            continue
        other = notes[different[0].piece_id]
        passage = common_passage(own, other)
        parts = [_part(own, passage.start_s), _part(other, passage.other_start_s)]
        figures[f"pair_{suspicion.number}"] = roll_figures.beside(parts, RATE)
    return figures


def _part(notes: npt.NDArray[np.void], start_s: float) -> tuple[npt.NDArray[np.uint8], float]:
    """Return some seconds of a piece as a roll, and the time at which they begin."""
    start_s = max(0.0, start_s - BEFORE_S)
    within = (notes["onset_s"] >= start_s) & (notes["onset_s"] < start_s + DRAWN_S)
    part = notes[within].copy()
    part["onset_s"] -= start_s
    part["offset_s"] = np.minimum(part["offset_s"] - start_s, DRAWN_S)
    roll = np.zeros((int(DRAWN_S * RATE), 128), dtype=np.uint8)
    if len(part):
        drawn = notes_roll(part, RATE)[: len(roll)]
        roll[: len(drawn)] = drawn
    return roll, start_s
