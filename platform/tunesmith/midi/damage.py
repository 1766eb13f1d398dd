"""Damage of a MIDI file: counts of what was wrong with its bytes, and a sentence for each."""

from dataclasses import dataclass

__all__ = ["Damage"]


@dataclass(frozen=True, slots=True)
class Damage:
    """Counts of the faults of a file that was read all the same.

    Attributes
    ----------
    tracks_declared, tracks_found
        Number of tracks in the header, and number of tracks that follow it.
    wrong_lengths
        Tracks that end elsewhere than their length says.
    missing_ends
        Tracks without an end-of-track event.
    lost_bytes
        Bytes that belong to no chunk and no event, such as padding, and the rest of a cut event.
    lost_events
        Events that were skipped because they cannot be decoded.
    clipped_bytes
        Data bytes above 127 that are read as 127.
    unended_notes
        Notes without a note-off in their track. They end at the note-off of their channel in
        another track, at "all notes off", at the next note of their pitch, or with their track.
    empty_notes
        Notes of no length, which are left out.
    bad_signatures
        Tempos, time signatures and key signatures that cannot be, which are left out.
    """

    tracks_declared: int = 0
    tracks_found: int = 0
    wrong_lengths: int = 0
    missing_ends: int = 0
    lost_bytes: int = 0
    lost_events: int = 0
    clipped_bytes: int = 0
    unended_notes: int = 0
    empty_notes: int = 0
    bad_signatures: int = 0

    def __bool__(self) -> bool:
        """Return whether anything is wrong."""
        return bool(
            self.tracks_declared != self.tracks_found
            or self.wrong_lengths
            or self.missing_ends
            or self.lost_bytes
            or self.lost_events
            or self.clipped_bytes
            or self.unended_notes
            or self.empty_notes
            or self.bad_signatures
        )

    def sentences(self) -> tuple[str, ...]:
        """Return a sentence for each fault; bad signatures are described where they are read."""
        if not self:
            return ()
        lines = [
            (self.wrong_lengths, "{} with a wrong length", "track"),
            (self.missing_ends, "{} without an end mark", "track"),
            (self.lost_bytes, "{} outside any event left out", "byte"),
            (self.lost_events, "{} left out: cannot be decoded", "event"),
            (self.clipped_bytes, "{} above 127 read as 127", "data byte"),
            (self.unended_notes, "{} without a note-off", "note"),
            (self.empty_notes, "{} of no length left out", "note"),
        ]
        sentences = [
            text.format(f"{number:,} {noun}{'' if number == 1 else 's'}")
            for number, text, noun in lines
            if number
        ]
        if self.tracks_declared != self.tracks_found:
            declared = f"{self.tracks_declared:,} tracks declared, {self.tracks_found:,} found"
            sentences.insert(0, declared)
        return tuple(sentences)
