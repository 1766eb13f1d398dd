"""The data card: what a dataset version holds, on one page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts import layout
from tunesmith.artifacts.manifest import MOST_FILES
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.rolls import binary_roll, instrumentation_roll, timing_roll, velocity_roll
from tunesmith.midi.score import Instrument, Score
from tunesmith.reports import dataset_figures, roll_figures
from tunesmith.reports.card_labels import MixedLabels, mixed_labels
from tunesmith.reports.pages import counted, percent, render

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["CARD", "render_card", "write_card"]

CARD = "card.html"

_MOST_LABELS = 16
_MOST_CLUSTERS = 8
_NAMED_PIECES = 3
_EXAMPLE_S = 20.0
_RATES = (4.0, 8.0, 16.0)


def write_card(dataset: Dataset) -> str:
    """Write the card of a dataset version beside its manifest.

    Parameters
    ----------
    dataset
        The version.

    Returns
    -------
    str
        Path of the card.
    """
    page = render_card(dataset)
    parts = layout.dataset_version(dataset.name, dataset.version, CARD)
    dataset.store.write_bytes(page.encode(), *parts)
    return dataset.path(CARD)


def render_card(dataset: Dataset) -> str:
    """Return the card as HTML.

    Parameters
    ----------
    dataset
        The version.
    """
    card = _Card(dataset)
    return render("data_card.html.j2", card=card, figures=card.figures)


class _Card:
    """Numbers, rows and plots of the card.

    Parameters
    ----------
    dataset
        The version.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.manifest = dataset.manifest
        self.pieces = dataset.pieces()
        self.labelled = self.pieces[self.pieces["label"].notna()]
        by_size = self.labelled["label"].value_counts().index
        self.labels: list[str] = by_size[:_MOST_LABELS].tolist()
        self.n_labels = len(by_size)
        self.most_points = dataset_figures.MAX_POINTS
        self.most_files = MOST_FILES
        self.left_out: dict[str, int] = {}
        self.figures: dict[str, Figure] = {}
        self.example = _example(self.labelled if len(self.labelled) else self.pieces)
        self._draw()

    # --- numbers

    @property
    def sources(self) -> str:
        """Names of the folders and archives that were read."""
        return ", ".join(s.uri.rstrip("/").rsplit("/", 1)[-1] for s in self.manifest.sources)

    @property
    def chunk_s(self) -> float:
        """Length of a chunk in seconds."""
        return self.manifest.chunk_frames / self.manifest.frames_per_second

    @property
    def padding(self) -> float:
        """Share of all frames that is padding."""
        padded = self.dataset.table("chunks", ["padded_frames"])["padded_frames"].to_numpy()
        return float(padded.sum() / max(len(padded) * self.manifest.chunk_frames, 1))

    @property
    def tiles(self) -> list[tuple[str, str, str]]:
        """The main numbers: name, value and a note."""
        counts = self.manifest.counts
        hours = self.pieces["length_s"].sum() / 3600
        digits = 0 if hours >= 10 else 1
        silent = f", {counts.silent_chunks:,} silent" if counts.silent_chunks else ""
        return [
            ("Pieces", f"{counts.kept:,}", f"of {counted(counts.found, 'MIDI file')}"),
            (
                "Labels",
                f"{len(self.manifest.labels):,}",
                f"{counted(counts.unlabelled, 'piece')} without",
            ),
            ("Music", f"{hours:,.{digits}f} h", counted(counts.notes, "note")),
            ("Chunks", f"{counts.chunks:,}", f"of {self.chunk_s:g} s{silent}"),
            ("Duplicates", f"{counts.duplicate:,}", "byte-identical files"),
            ("Rejects", f"{counts.rejected:,}", "unreadable files"),
        ]

    @property
    def n_keyed(self) -> int:
        """Number of pieces with a key signature."""
        return int(self.pieces["key_signature"].notna().sum())

    @property
    def by_label(self) -> str:
        """The words for a plot that shows labels one by one."""
        if self.n_labels > len(self.labels):
            return f"by label (the {len(self.labels)} largest of {self.n_labels})"
        return "by label"

    @property
    def threshold_rows(self) -> list[Sequence[str]]:
        """Labels and pieces that remain when rare labels are dropped; none where none is rare."""
        chunks = self.labelled.groupby("label")["n_chunks"].sum()
        share = chunks / chunks.sum()
        pieces = self.labelled["label"].value_counts()
        rows: list[Sequence[str]] = []
        if (share >= max(dataset_figures.THRESHOLDS)).all():
            return rows
        for threshold in dataset_figures.THRESHOLDS:
            kept = share[share >= threshold].index
            rows.append(
                [
                    f"{100 * threshold:g}\N{NO-BREAK SPACE}%",
                    f"{len(kept)}",
                    f"{pieces[kept].sum():,}",
                    percent(pieces[kept].sum() / pieces.sum(), 1),
                    percent(share[kept].sum(), 1),
                ]
            )
        return rows

    @property
    def correction_rows(self) -> list[Sequence[str]]:
        """Rows of the correction table: those that changed nothing first."""
        table = self.manifest.corrections
        rows = [*table.not_applied, *table.applied] if table else []
        return [
            [_file(row.path), row.label_before, row.label_after, row.reason, row.outcome]
            for row in rows
        ]

    # --- duplicates and rejects

    @property
    def n_note_identical(self) -> int:
        """Number of pieces with the same notes as another."""
        return int(self.pieces["note_hash"].duplicated(keep=False).sum())

    @property
    def clusters(self) -> "pd.Series[int]":
        """Sizes of the clusters of several pieces, the largest first."""
        sizes = self.pieces["cluster"].value_counts()
        return sizes[sizes > 1]

    @property
    def mixed_labels(self) -> list[MixedLabels]:
        """The labels of the same music, each two with their strongest link."""
        return mixed_labels(self.dataset, self.pieces)

    @staticmethod
    def name(path: str) -> str:
        """Return the name of a file."""
        return _file(path)

    @property
    def n_mixed_clusters(self) -> int:
        """Number of clusters with more than one label."""
        n_labels = self.labelled.groupby("cluster")["label"].nunique()
        return int((n_labels > 1).sum())

    # --- labels to check

    @property
    def doubts(self) -> list[tuple[str, list[tuple[str, list[str]]]]]:
        """The notices, each with its files by label, or by the name that they begin with."""
        files = {doubt.text: doubt.files for doubt in self.manifest.doubts or ()}
        return [(notice, list(files.get(notice, {}).items())) for notice in self.manifest.notices]

    @property
    def cluster_rows(self) -> list[Sequence[str]]:
        """The largest clusters: labels, pieces and size."""
        rows: list[Sequence[str]] = []
        for cluster in self.clusters.index[:_MOST_CLUSTERS]:
            members = self.pieces[self.pieces["cluster"] == cluster]
            labels = ", ".join(sorted(members["label"].fillna("(none)").unique()))
            names = [_file(path) for path in members["path"].head(_NAMED_PIECES)]
            more = len(members) - len(names)
            listed = ", ".join(names) + f" and {more} more" * bool(more)
            rows.append([labels, listed, f"{len(members)}"])
        return rows

    @property
    def reject_rows(self) -> list[Sequence[str]]:
        """Rejected files by reason: error, stage, an example and their number."""
        rejects = self.dataset.rejects()
        rows: list[tuple[str, str, str, int]] = []
        for (stage, error), group in rejects.groupby(["stage", "error"], sort=False):
            rows.append((str(error), str(stage), _file(group.iloc[0]["path"]), len(group)))
        rows.sort(key=lambda row: -row[-1])
        return [[*row[:-1], f"{row[-1]:,}"] for row in rows]

    # --- plots

    def _draw(self) -> None:
        figures, pieces, labelled = self.figures, self.pieces, self.labelled
        if len(labelled):
            figures["shares"] = dataset_figures.class_shares(labelled)
            figures["meters"] = dataset_figures.time_signatures(labelled, self.labels)
            self._boxes("length_s", "Length, s", logarithmic=True)
            self._boxes("polyphony_mean", "Notes sounding together, mean")
            self._boxes("velocity_mean", "Velocity, mean")
        self._histogram("n_notes", "Notes", logarithmic=True)
        self._histogram("tempo_mean_qpm", "Quarter notes per minute")
        self._histogram("velocity_mean", "Velocity")
        figures["tempo_changes"] = dataset_figures.doublings(
            pieces["n_tempo_changes"].to_numpy(), "Tempo changes"
        )
        if self.n_keyed:
            figures["keys"] = dataset_figures.key_signatures(pieces)
        if len(self.clusters):
            figures["clusters"] = dataset_figures.cluster_sizes(pieces["cluster"].to_numpy())
        self._draw_example()

    def _boxes(self, column: str, label: str, *, logarithmic: bool = False) -> None:
        """Draw a column by label, with and without outliers."""
        groups = {
            name: self.labelled.loc[self.labelled["label"] == name, column]
            .dropna()
            .to_numpy(dtype=np.float64)
            for name in self.labels
        }
        clipped = {name: dataset_figures.clip_outliers(values) for name, values in groups.items()}
        name = f"box_{column}"
        self.figures[name] = dataset_figures.boxes(groups, label, logarithmic=logarithmic)
        self.figures[f"{name}_clipped"] = dataset_figures.boxes(clipped, label)
        self.left_out[name] = sum(map(len, groups.values())) - sum(map(len, clipped.values()))

    def _histogram(self, column: str, label: str, *, logarithmic: bool = False) -> None:
        """Draw the distribution of a column, with and without outliers."""
        values = self.pieces[column].dropna().to_numpy(dtype=np.float64)
        clipped = dataset_figures.clip_outliers(values)
        name = f"histogram_{column}"
        self.figures[name] = dataset_figures.histogram(values, label, logarithmic=logarithmic)
        self.figures[f"{name}_clipped"] = dataset_figures.histogram(clipped, label)
        self.left_out[name] = len(values) - len(clipped)

    def _draw_example(self) -> None:
        """Draw one piece as models could see it."""
        if self.example is None:
            return
        name = self.example.piece_id
        score = _score(self.dataset.notes([name])[name])
        rate = self.manifest.frames_per_second
        frames = int(_EXAMPLE_S * rate)
        channels = {
            "Binary: sounding or not": binary_roll(score, rate)[:frames],
            "Velocity: loudness (stored)": velocity_roll(score, rate)[:frames],
            "Instrumentation: number of instruments": instrumentation_roll(score, rate)[:frames],
            "Timing: note onsets": timing_roll(score, rate)[:frames],
        }
        rates = {r: velocity_roll(score, r)[: int(_EXAMPLE_S * r)] for r in _RATES}
        self.figures["channels"] = roll_figures.by_channel(channels, rate)
        self.figures["rates"] = roll_figures.by_rate(rates)


@dataclass(frozen=True)
class _Example:
    """The piece that the card shows.

    Attributes
    ----------
    piece_id, name
        Its id and the name of its file.
    label
        Its label, None where it has none.
    length_s
        Length of the part that is shown, in seconds.
    """

    piece_id: str
    name: str
    label: str | None
    length_s: float = _EXAMPLE_S


def _example(pieces: "pd.DataFrame") -> _Example | None:
    """Return the piece of middling length of the largest label, None where there are no pieces."""
    if pieces.empty:
        return None
    if pieces["label"].notna().any():
        largest = pieces["label"].value_counts().index[0]
        pieces = pieces[pieces["label"] == largest]
    lengths = pieces["length_s"].to_numpy()
    chosen = pieces.iloc[int(np.abs(lengths - np.median(lengths)).argmin())]
    label = chosen["label"] if isinstance(chosen["label"], str) else None
    return _Example(chosen["piece_id"], _file(chosen["path"]), label)


def _file(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _score(notes: npt.NDArray[np.void]) -> Score:
    """Return a score of stored notes, for drawing; pedals and bends are not stored."""
    end_s = float(notes["offset_s"].max())
    drums = {int(i) for i in np.unique(notes["instrument"][notes["is_drum"]])}
    n_instruments = int(notes["instrument"].max()) + 1
    none = np.empty(0)
    return Score(
        notes=notes,
        instruments=tuple(
            Instrument(program=0, is_drum=i in drums, end_time_s=end_s)
            for i in range(n_instruments)
        ),
        tempos=(np.zeros(1), np.full(1, 120.0)),
        time_signatures=(none, none.astype(np.int64), none.astype(np.int64)),
        key_signatures=(none, none.astype(np.int64)),
        ticks_per_quarter=480,
        end_time_s=end_s,
        reader="stored",
        n_tracks=n_instruments,
    )
