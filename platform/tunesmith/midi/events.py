"""Events of a MIDI file, in order of the bytes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi import decoding
from tunesmith.midi.decoding import KIND, TICK

__all__ = ["Events", "decode_events"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Events:
    """Events of a file, timed in ticks.

    Attributes
    ----------
    messages
        Channel messages, and an entry at the end of each track, in file order; int64
        [2, capacity], of which the first `n_messages` are in use.
    n_messages
        Number of messages.
    metas
        Track names, tempos, time and key signatures, in file order; int64 [5, capacity], of which
        the first `n_metas` are in use.
    n_metas
        Number of these.
    source
        The decoded bytes, padded.
    n_tracks
        Number of tracks.
    counts
        Number of faults of each kind; int64 [5].
    """

    messages: Ints
    n_messages: int
    metas: Ints
    n_metas: int
    source: NDArray[np.uint8]
    n_tracks: int
    counts: Ints

    def meta(self, kind: int) -> Ints:
        """Return the meta events of a kind, by tick; those of one tick in file order."""
        metas = self.metas[:, : self.n_metas]
        events = metas[:, metas[KIND] == kind]
        tick = events[TICK]
        if tick.size > 1 and (tick[1:] < tick[:-1]).any():
            events = events[:, np.argsort(tick, kind="stable")]
        return events


def decode_events(data: bytes, first: int, declared_tracks: int) -> Events:
    """Decode all events of all tracks.

    Tracks beyond the declared number are read where they follow directly. Behind other bytes they
    are left out: they are the rest of a longer file that this one was written over.

    Parameters
    ----------
    data
        Bytes of the file.
    first
        Offset of the first chunk after the header.
    declared_tracks
        Number of tracks that the header declares.

    Returns
    -------
    Events
        All events whose bytes are there.
    """
    source = np.zeros(len(data) + decoding.PADDING, dtype=np.uint8)
    source[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    # An event takes at least two bytes. Untouched pages of the tables take no memory.
    capacity = len(data) // 2 + 1
    messages = np.empty((decoding.MESSAGE_ROWS, capacity), dtype=np.int64)
    n_metas = data.count(b"\xff") + 1  # the most there can be
    metas = np.empty((decoding.META_ROWS, min(capacity, n_metas)), dtype=np.int64)
    counts = np.zeros(decoding.N_COUNTS, dtype=np.int64)
    n_messages, n_metas, n_tracks = decoding.decode(
        source, first, declared_tracks, messages, metas, counts
    )
    return Events(messages, n_messages, metas, n_metas, source, n_tracks, counts)
