"""Pieces of a dataset that are the same music as a piece or an excerpt."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.api.html import table_html
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.artifacts.store import Store
from tunesmith.audio import read_music
from tunesmith.datasets.index import SimilarityIndex, SimilarPiece, match_of
from tunesmith.datasets.reader import open_dataset
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Similar", "find_similar", "similar"]


class Similar:
    """Answer of a search for the same music.

    Attributes
    ----------
    dataset, version
        Dataset version that was searched.
    pieces
        The closest pieces, the closest first.
    """

    def __init__(self, dataset: str, version: str, pieces: list[SimilarPiece]) -> None:
        self.dataset = dataset
        self.version = version
        self.pieces = pieces

    @property
    def match(self) -> SimilarPiece | None:
        """The closest piece where it is the same music; None where the dataset has no such one."""
        return match_of(self.pieces)

    def frame(self) -> "pd.DataFrame":
        """Return a row per piece: path, label, onsets in order, strength."""
        import pandas as pd

        columns = ["path", "label", "in_order", "strength", "piece_id"]
        return pd.DataFrame([asdict(piece) for piece in self.pieces], columns=columns)

    def __repr__(self) -> str:
        path = self.match.path if self.match else None
        return f"Similar({self.dataset!r}, match={path!r}, pieces={len(self.pieces)})"

    def _repr_html_(self) -> str:
        answer = self.match.path if self.match else "not in this dataset"
        return table_html(f"{self.dataset} {self.version}: {answer}", self.frame(), "")


def similar(
    piece: str | Path,
    *,
    dataset: str,
    version: str | None = None,
    limit: int = 10,
    store: AnyStore | None = None,
) -> Similar:
    """Find the pieces of a dataset that are the same music as a piece or an excerpt.

    Key and tempo do not matter, nor do some wrong notes.

    Parameters
    ----------
    piece
        File of music: MIDI, and with the extras ``scores`` and ``audio`` notation and recordings.
    dataset
        Name of the dataset.
    version
        Version; the latest by default.
    limit
        Most pieces to return.
    store
        A folder, URI or store; see `open_store`.

    Returns
    -------
    Similar
        The closest pieces, and the one of them that the piece is, if any.

    Raises
    ------
    UsageError
        When there is no such file, dataset or version.
    MidiError
        When the file cannot be read as music.

    Examples
    --------
    >>> import tunesmith
    >>> tunesmith.similar("hummed.mid", dataset="mine").match  # doctest: +SKIP
    SimilarPiece(piece_id='5e1c0d3ab9f2a001', path='mine/bach/bwv0846.mid', ...)
    """
    return find_similar(open_store(store), Path(piece), dataset, version, limit)


def find_similar(
    store: Store, piece: Path, dataset: str, version: str | None = None, limit: int = 10
) -> Similar:
    """Search a dataset version of a store; see `similar`."""
    if limit < 1:
        msg = f"The limit is {limit}: ask for at least one piece."
        raise UsageError(msg)
    try:
        data = piece.read_bytes()
    except OSError as error:
        msg = f"{piece} cannot be read: {error.strerror or error}. Name a file of music."
        raise UsageError(msg) from error
    opened = open_dataset(store, dataset, version)
    pieces = SimilarityIndex(opened).find(read_music(data).notes, limit)
    return Similar(opened.name, opened.version, pieces)
