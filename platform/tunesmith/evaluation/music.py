"""Pieces of music as evaluation needs them: notes, rolls, windows, facts about the files."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.datasets.examples import View
from tunesmith.datasets.reader import Dataset
from tunesmith.inference import pieces
from tunesmith.midi.duplicates import duplicate_clusters
from tunesmith.midi.rolls import N_PITCHES, sounding_chunks
from tunesmith.midi.score import NOTE_DTYPE
from tunesmith.midi.sequences import window_notes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pieces", "clusters_of", "on_grid", "rechunk", "whole_rolls", "windows_of"]

_GRID = 12
# One tick of a file of 96 ticks a quarter note.
_NEAR_QUARTERS = 0.0105

_NO_NOTES = np.zeros(0, dtype=NOTE_DTYPE)

Notes = npt.NDArray[np.void]
Rolls = npt.NDArray[np.uint8]


class Pieces:
    """Some pieces of a dataset version, item i being piece ``ids[i]``.

    Parameters
    ----------
    dataset
        The dataset version.
    ids
        Ids of the pieces.
    """

    def __init__(self, dataset: Dataset, ids: Sequence[str]) -> None:
        self.dataset = dataset
        self.ids = list(ids)
        self.frames_per_second = dataset.manifest.frames_per_second
        self.chunk_frames = dataset.manifest.chunk_frames
        self.hop_frames = dataset.manifest.hop_frames

    @property
    def preparation(self) -> MidiPreparation:
        """Preparation that cuts chunks as the dataset does and computes all features."""
        return MidiPreparation(
            frames_per_second=self.frames_per_second,
            chunk_frames=self.chunk_frames,
            hop_frames=self.hop_frames,
        )

    @cached_property
    def facts(self) -> "pd.DataFrame":
        """A row per piece: the columns of `pieces` without the features, and `on_grid`."""
        table = self.dataset.pieces().drop(columns="features").set_index("piece_id")
        return table.loc[self.ids].assign(on_grid=[on_grid(notes) for notes in self.notes])

    @cached_property
    def notes(self) -> list[Notes]:
        """Notes of each piece."""
        notes = self.dataset.notes(self.ids)
        return [notes[name] for name in self.ids]

    @cached_property
    def rolls(self) -> list[Rolls]:
        """Velocity roll of each whole piece, ``uint8 [frames, 128]``."""
        chunks = self.dataset.chunks(self.ids)
        return whole_rolls(
            chunks.rolls, chunks.piece_index, chunks.padded_frames, len(self.ids), self.hop_frames
        )

    @cached_property
    def chunk_starts_s(self) -> npt.NDArray[np.float64]:
        """Start in its piece of each chunk in which something sounds, piece by piece."""
        starts = [
            sounding_chunks(roll, self.chunk_frames, self.hop_frames)[1] for roll in self.rolls
        ]
        return np.concatenate([np.zeros(0), *starts]) / self.frames_per_second

    @cached_property
    def fingerprints(self) -> Mapping[str, npt.NDArray[np.uint64]]:
        """Fingerprint of every piece of the dataset by id."""
        return self.dataset.fingerprints()

    def windows(self, names: Collection[str]) -> tuple[dict[str, View], npt.NDArray[np.float64]]:
        """Return views of the notes of each chunk, as on a server, and the starts of the chunks."""
        rate = self.frames_per_second
        counts = self.facts["n_chunks"].to_numpy()
        hop_s, length_s = self.hop_frames / rate, self.chunk_frames / rate
        return windows_of(self.notes, counts, hop_s, length_s, names)


def clusters_of(
    *sides: tuple[Pieces, Sequence[str]],
) -> list[npt.NDArray[np.int64]]:
    """Return the clusters of near-duplicates among pieces of several datasets together.

    Parameters
    ----------
    *sides
        Pieces of a dataset, and the ids that are wanted of it. One without a fingerprint is like
        no other.

    Returns
    -------
    list of numpy.ndarray
        For each side the cluster of each piece, ``int [ids]``.
    """
    none = np.empty(0, dtype=np.uint64)
    prints = [pieces.fingerprints.get(name, none) for pieces, ids in sides for name in ids]
    ends = np.cumsum([len(ids) for _, ids in sides])
    return np.split(np.asarray(duplicate_clusters(prints)), ends[:-1])


def whole_rolls(
    chunks: Rolls,
    piece: npt.NDArray[np.int64],
    padded: npt.NDArray[np.int32],
    n_pieces: int,
    hop_frames: int,
) -> list[Rolls]:
    """Put chunks together again.

    Parameters
    ----------
    chunks
        ``uint8 [chunks, frames, 128]``, piece by piece in order of time.
    piece
        Piece of each chunk, ascending, ``int [chunks]``.
    padded
        Silent frames added at the end of each chunk, ``int [chunks]``.
    n_pieces, hop_frames
        Number of pieces, and of frames from one chunk's start to the next.

    Returns
    -------
    list
        A roll ``uint8 [frames, 128]`` per piece.
    """
    bounds = np.searchsorted(piece, np.arange(n_pieces + 1))
    rolls = []
    for start, stop in pairwise(bounds.tolist()):
        if start == stop:
            rolls.append(np.zeros((0, chunks.shape[2]), dtype=np.uint8))
            continue
        heads = chunks[start : stop - 1, :hop_frames].reshape(-1, chunks.shape[2])
        tail = chunks[stop - 1, : chunks.shape[1] - int(padded[stop - 1])]
        rolls.append(np.concatenate([heads, tail]))
    return rolls


def on_grid(notes: Notes) -> float:
    """Return the share of notes that begin on a grid of 12 to a quarter note.

    It holds sixteenths and triplets of eighths, so it is near 1 for music that was written or
    quantised. Where a performance was recorded against a beat that it does not follow it is near
    0.25, what chance gives.
    """
    places = notes["onset_quarters"].astype(np.float64) * _GRID
    return float(np.mean(np.abs(places - np.round(places)) <= _GRID * _NEAR_QUARTERS))


def rechunk(rolls: Sequence[Rolls], chunk_frames: int, hop_frames: int) -> View:
    """Cut rolls into the chunks that models read: those in which something sounds."""
    parts = [sounding_chunks(roll, chunk_frames, hop_frames)[0] for roll in rolls]
    item = np.repeat(np.arange(len(rolls)), [len(part) for part in parts])
    none = np.zeros((0, chunk_frames, N_PITCHES), dtype=np.uint8)
    return View(np.concatenate([none, *parts]), item)


def windows_of(
    notes: Sequence[Notes],
    counts: Sequence[int] | npt.NDArray[Any],
    hop_s: float,
    length_s: float,
    names: Collection[str],
) -> tuple[dict[str, View], npt.NDArray[np.float64]]:
    """Return views of the notes of each window.

    Parameters
    ----------
    notes
        Notes of each item.
    counts
        Windows of each item.
    hop_s, length_s
        From a window's start to the next, and its length.
    names
        Names of the views, of `tunesmith.inference.pieces.OF_WHOLE_PIECES`.

    Returns
    -------
    dict of View
        A row a window. Windows in which no note begins are left out.
    numpy.ndarray
        Start of each window in its item, in seconds.
    """
    rows: dict[str, list[npt.NDArray[Any]]] = {
        name: [pieces.window_rows(name, _NO_NOTES, np.zeros(0), length_s)] for name in names
    }
    item: list[int] = []
    starts_s: list[float] = []
    for index, (whole, count) in enumerate(zip(notes, counts, strict=True)):
        every = np.arange(int(count)) * hop_s
        sounding = [start for start in every if len(window_notes(whole, start, length_s))]
        for name, of_name in rows.items():
            of_name.append(pieces.window_rows(name, whole, np.asarray(sounding), length_s))
        item += [index] * len(sounding)
        starts_s += sounding
    of_row = np.asarray(item, dtype=np.int64)
    views = {name: View(np.concatenate(of_name), of_row) for name, of_name in rows.items()}
    return views, np.asarray(starts_s)
