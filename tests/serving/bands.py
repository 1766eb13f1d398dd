"""Music for several instruments, for tests of the page."""

import io

import pretty_midi

__all__ = ["BAND", "band", "band_file", "file_of"]

BAND = ("Acoustic grand piano", "String ensemble 1", "Electric bass (finger)", "Drums")
"""Instruments of `band_file` as the page names them."""
_PROGRAMS = (0, 48, 33)
_CHORDS = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))
_BAR_S = 2.0
_EIGHTHS = 8
_KICK, _SNARE, _HAT, _CRASH, _TOM = 36, 38, 42, 49, 45


def band(bars: int = 16) -> pretty_midi.PrettyMIDI:
    """Return a piece: a piano's broken chords, strings, a bass in quarters and drums."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    piano, strings, bass = (pretty_midi.Instrument(program) for program in _PROGRAMS)
    drums = pretty_midi.Instrument(0, is_drum=True)
    eighth = _BAR_S / _EIGHTHS

    def add(part: pretty_midi.Instrument, pitch: int, start: float, length: float) -> None:
        part.notes.append(pretty_midi.Note(127, pitch, start, start + length))

    for bar in range(bars):
        chord, begin = _CHORDS[bar % len(_CHORDS)], bar * _BAR_S
        for step in range(_EIGHTHS):
            at = begin + step * eighth
            add(piano, chord[step % 3] + 12 * (1 + step // 4), at, eighth * 0.9)
            add(drums, _HAT, at, 0.05)
        for beat in range(4):
            add(bass, chord[0] - 24, begin + 2 * beat * eighth, 1.8 * eighth)
            add(drums, _SNARE if beat % 2 else _KICK, begin + 2 * beat * eighth, 0.05)
        for pitch in chord:
            add(strings, pitch, begin, _BAR_S * 0.98)
        if bar % 4 == 0:
            add(drums, _CRASH, begin, 0.05)
        if bar % 4 == 3:
            add(drums, _TOM, begin + 7 * eighth, 0.05)
    midi.instruments.extend([piano, strings, bass, drums])
    return midi


def file_of(midi: pretty_midi.PrettyMIDI) -> bytes:
    """Return a piece as a MIDI file."""
    buffer = io.BytesIO()
    midi.write(buffer)
    return buffer.getvalue()


def band_file() -> bytes:
    """Return the piece of `band` as a MIDI file."""
    return file_of(band())
