"""Pieces of a dataset version through the views that models read."""

from collections.abc import Sequence

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.datasets.examples import View
from tunesmith.datasets.reader import Dataset
from tunesmith.datasets.sequences import note_rows_of
from tunesmith.midi.ngrams import ngram_rows

__all__ = ["PIECE_VIEWS", "preparation_of", "views_of_pieces"]

PIECE_VIEWS = ("chunks", "notes", "features", "ngrams")
"""Views of pieces."""


def views_of_pieces(
    dataset: Dataset, piece_ids: Sequence[str], names: Sequence[str] = PIECE_VIEWS
) -> dict[str, View]:
    """Return views of pieces as the dataset stores them.

    Parameters
    ----------
    dataset
        The dataset version.
    piece_ids
        The pieces, in the order of the items.
    names
        Names of the views that are wanted; those that are none of `PIECE_VIEWS` are left out.

    Returns
    -------
    dict of View
        Views by name. Chunks in which nothing sounds have no row in ``chunks`` and ``notes``.
    """
    views = {}
    if {"chunks", "notes"} & set(names):
        chunks = dataset.chunks(piece_ids, silent=False)
        views["chunks"] = View(chunks.rolls, chunks.piece_index)
        if "notes" in names:
            views["notes"] = View(note_rows_of(dataset, piece_ids, chunks), chunks.piece_index)
    if "features" in names:
        views["features"] = View.one_row_each(dataset.features(piece_ids))
    if "ngrams" in names:
        notes = dataset.notes(piece_ids)
        views["ngrams"] = View.one_row_each(ngram_rows(notes[name] for name in piece_ids))
    return {name: view for name, view in views.items() if name in names}


def preparation_of(dataset: Dataset) -> MidiPreparation:
    """Return how a MIDI file becomes the views of the dataset's pieces."""
    manifest = dataset.manifest
    return MidiPreparation(
        frames_per_second=manifest.frames_per_second,
        chunk_frames=manifest.chunk_frames,
        hop_frames=manifest.hop_frames,
        features=tuple(manifest.feature_names),
    )
