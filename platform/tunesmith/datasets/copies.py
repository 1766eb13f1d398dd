"""Copies of pieces made in another way, seen through the views that models read.

A search learns from them beside the pieces, and judges by them: a model that knows a composer by
the way the files were made fails on the copies.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.datasets.examples import View
from tunesmith.datasets.pieces import preparation_of
from tunesmith.datasets.reader import Dataset
from tunesmith.midi import rolls
from tunesmith.midi.augmentation import KINDS, copy_of
from tunesmith.midi.features import feature_rows
from tunesmith.midi.ngrams import ngram_rows
from tunesmith.midi.sequences import note_rows

__all__ = ["COPIES", "copies_of_pieces", "copy_in_turn", "views_of_notes"]

COPIES: Mapping[str, int] = {"features": 3, "ngrams": 4, "notes": 1, "chunks": 1}
"""Copies of a piece by view: rolls take much memory, and n-grams gain most by more."""


def copies_of_pieces(
    dataset: Dataset, piece_ids: Sequence[str], names: Sequence[str], seed: int
) -> tuple[Mapping[str, View], ...]:
    """Return copies of pieces as a model reads them.

    Neighbouring pieces get the kinds of `tunesmith.midi.augmentation.KINDS` by turns, and the next
    copy of a piece is of the next kind.

    Parameters
    ----------
    dataset
        The dataset version.
    piece_ids
        The pieces, in the order of the items.
    names
        Names of the views that are wanted.
    seed
        Seed of the copies.

    Returns
    -------
    tuple of mappings
        Views by name, one mapping a copy. The first has all views of `COPIES` that are wanted.
    """
    pieces, preparation = dataset.notes(piece_ids), preparation_of(dataset)
    numbers = range(max((COPIES.get(name, 0) for name in names), default=0))
    copies = []
    for number in numbers:
        wanted = [name for name in names if number < COPIES.get(name, 0)]
        notes = [
            copy_in_turn(pieces[piece_id], piece_id, item, number, seed)
            for item, piece_id in enumerate(piece_ids)
        ]
        copies.append(views_of_notes(notes, wanted, preparation))
    return tuple(copies)


def copy_in_turn(
    notes: npt.NDArray[np.void], piece_id: str, item: int, number: int, seed: int
) -> npt.NDArray[np.void]:
    """Return a copy of a piece, of a kind by turns; see `copies_of_pieces`.

    Parameters
    ----------
    notes, piece_id
        The piece.
    item, number
        Its place among the pieces, and the number of the copy.
    seed
        Seed of all copies.
    """
    kind = KINDS[(item + number) % len(KINDS)]
    return copy_of(notes, kind, [seed, number, zlib.crc32(piece_id.encode())])


def views_of_notes(
    notes: Sequence[npt.NDArray[np.void]], names: Sequence[str], preparation: MidiPreparation
) -> dict[str, View]:
    """Return views of notes that stand in no dataset, such as changed pieces.

    Parameters
    ----------
    notes
        `tunesmith.midi.NOTE_DTYPE` arrays by onset, an item each.
    names
        ``"features"``, ``"ngrams"``, ``"chunks"`` or ``"notes"``.
    preparation
        Frame rate and length of the chunks. They are cut from rolls of the notes alone: a pedal
        or a bend has no effect.
    """
    views = {}
    if "features" in names:
        views["features"] = View.one_row_each(feature_rows(notes))
    if "ngrams" in names:
        views["ngrams"] = View.one_row_each(ngram_rows(notes))
    if {"chunks", "notes"} & set(names):
        rate, length = preparation.frames_per_second, preparation.chunk_frames
        hop = preparation.hop_frames
        cut = [rolls.sounding_chunks(rolls.notes_roll(each, rate), length, hop) for each in notes]
        item = np.repeat(np.arange(len(notes)), [len(chunks) for chunks, _ in cut])
        if "chunks" in names:
            none = np.zeros((0, length, rolls.N_PITCHES), dtype=np.uint8)
            views["chunks"] = View(np.concatenate([none, *(chunks for chunks, _ in cut)]), item)
        if "notes" in names:
            rows = [
                note_rows(each, starts / rate, length / rate)
                for each, (_, starts) in zip(notes, cut, strict=True)
            ]
            views["notes"] = View(np.concatenate(rows), item)
    return views
