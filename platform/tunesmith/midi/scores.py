"""Read notation, MusicXML, MEI, Humdrum kern and ABC, as notes.

The music is read as it sounds: repeats are played, ties joined, transposing instruments at their
sounding pitch, tempo marks followed. A grace note is a 32nd before the beat: music21's own MIDI
export gives it no length.
"""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.container import Limits
from tunesmith.midi.converters import parse_notation
from tunesmith.midi.errors import MidiError, NoNotes, ScoresNotInstalled, UnreadableMidi
from tunesmith.midi.marks import key_number
from tunesmith.midi.notation import open_notation
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score, TempoMap

__all__ = ["read_notation"]

TICKS_PER_QUARTER = 10_080
"""Resolution: the one of music21's MIDI export, which every usual tuplet divides."""
GRACE_TICKS = TICKS_PER_QUARTER // 8
"""Length of a grace note: a 32nd, before the beat."""
MOST_TIMES = 20
"""Times that one repeat is played; more is an error of the file, or an attack."""
MICROSECONDS_PER_MINUTE = 60_000_000


def read_notation(data: bytes, limits: Limits) -> Score:
    """Decode a score.

    Parameters
    ----------
    data
        Bytes of the file.
    limits
        Limits on the size.

    Raises
    ------
    MidiError
        If the file cannot be read; one of the classes of `tunesmith.midi.errors`.
    """
    notation = open_notation(data, limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            music, others = parse_notation(notation)
            return _score(music, limits, (*notation.warnings, *others), notation.format)
        except ModuleNotFoundError as error:
            raise ScoresNotInstalled(notation.name) from error
        except MidiError:
            raise
        # Whatever a parser of another project raises is about this file.
        except Exception as error:
            message = (
                f"The score cannot be read as {notation.name}: {type(error).__name__}: {error}. "
                "Open it in a notation program and export it again."
            )
            raise UnreadableMidi(message) from error


def _score(music: Any, limits: Limits, others: tuple[str, ...], reader: str) -> Score:
    from music21 import bar, repeat, stream, volume

    for sign in music.recurse().getElementsByClass(bar.Repeat):
        if (sign.times or 0) > MOST_TIMES:
            message = f"A repeat is to be played {sign.times:,} times; at most {MOST_TIMES} are."
            raise UnreadableMidi(message)
    limits.check("max_notes", len(music.recurse().notes))
    for part in music.getElementsByClass(stream.Part):
        if not part.recurse().notes:
            music.remove(part)
    if music[stream.Measure]:
        try:
            music = music.expandRepeats()
        except repeat.ExpanderException:
            others = (*others, "the signs of repeats contradict each other: played once")
    music.toSoundingPitch(inPlace=True)
    parts = list(music.getElementsByClass(stream.Stream)) if music.hasPartLikeStreams() else [music]
    rows: list[tuple[int, int, int, int, int, bool]] = []
    instruments = []
    n_grace = 0
    for number, part in enumerate(parts):
        program, name = _instrument(part)
        volume.realizeVolume(part)  # type: ignore[no-untyped-call]
        of_part, grace = _notes(part.stripTies(matchByPitch=True), number)
        n_grace += grace
        rows += of_part
        instruments.append((program, name, bool(of_part) and all(row[5] for row in of_part)))
    rows = [row for row in rows if row[1] > row[0]]
    limits.check("max_notes", len(rows))
    if not rows:
        raise NoNotes
    rows.sort(key=lambda row: (row[0], row[2]))
    on, off, pitch, velocity, instrument, is_drum = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    limits.check("max_ticks", int(off.max()))
    tempo_map = _tempo_map(music)
    end_time_s = float(tempo_map.seconds(off.max(keepdims=True))[0])
    limits.check("max_duration_s", end_time_s)
    notes = np.empty(len(rows), dtype=NOTE_DTYPE)
    notes["onset_s"], notes["offset_s"] = tempo_map.seconds(on), tempo_map.seconds(off)
    notes["onset_quarters"] = on / TICKS_PER_QUARTER
    notes["duration_quarters"] = (off - on) / TICKS_PER_QUARTER
    notes["pitch"], notes["velocity"] = pitch, velocity
    notes["instrument"], notes["is_drum"] = instrument, is_drum
    return Score(
        notes=notes,
        instruments=tuple(
            Instrument(program=program, is_drum=drums, name=name, end_time_s=end_time_s)
            for program, name, drums in instruments
        ),
        tempos=(tempo_map.start_s, tempo_map.quarters_per_minute),
        time_signatures=_time_signatures(music, tempo_map),
        key_signatures=_key_signatures(music, tempo_map),
        ticks_per_quarter=TICKS_PER_QUARTER,
        end_time_s=end_time_s,
        n_tracks=len(parts),
        reader=reader,
        warnings=(*others, *_grace_warning(n_grace)),
    )


def _grace_warning(number: int) -> tuple[str, ...]:
    if not number:
        return ()
    return (f"{number:,} grace {'note' if number == 1 else 'notes'} read as 32nds before the beat",)


def _instrument(part: Any) -> tuple[int, str]:
    """Return the General MIDI program and the name of a part."""
    from music21 import instrument as instruments

    own = part.recurse().getElementsByClass(instruments.Instrument).first()
    instrument = own or part.getInstrument(returnDefault=True)
    name = getattr(part, "partName", None) or instrument.partName or ""
    return int(instrument.midiProgram or 0), str(name)


def _notes(part: Any, number: int) -> tuple[list[tuple[int, int, int, int, int, bool]], int]:
    """Return start, end, pitch, velocity, part and kind of each note, in ticks; and grace notes."""
    from music21 import chord, note, percussion

    rows = []
    n_grace = 0
    for element, on, off in _times(part.flatten().notes):
        if isinstance(element, chord.Chord | percussion.PercussionChord):
            members: list[Any] = list(element.notes)
        else:
            members = [element]
        n_grace += element.duration.isGrace
        velocity = max(1, min(127, round((element.volume.cachedRealized or 0.71) * 127)))
        for member in members:
            is_drum = isinstance(member, note.Unpitched)
            pitch = 38 if is_drum else member.pitch.midi
            if 0 <= pitch <= 127:
                rows.append((on, off, int(pitch), velocity, number, is_drum))
    return rows, n_grace


def _times(elements: Iterable[Any]) -> Iterator[tuple[Any, int, int]]:
    """Yield notes and chords with start and end; grace notes end where the next note begins."""
    grace: list[Any] = []
    for element in [*elements, None]:
        is_grace = element is not None and element.duration.isGrace
        if grace and (not is_grace or element.offset != grace[0].offset):
            end = round(grace[0].offset * TICKS_PER_QUARTER)
            for place, each in enumerate(grace):
                on = end - (len(grace) - place) * GRACE_TICKS
                yield each, max(on, 0), max(on, 0) + GRACE_TICKS
            grace = []
        if is_grace:
            grace.append(element)
        elif element is not None:
            on = round(element.offset * TICKS_PER_QUARTER)
            yield element, on, on + round(element.quarterLength * TICKS_PER_QUARTER)


def _tempo_map(music: Any) -> TempoMap:
    """Return the tempos of all parts; of several at one time, the last."""
    from music21 import tempo

    marks = {}
    for mark in music.flatten().getElementsByClass(tempo.MetronomeMark):
        beats = mark.getQuarterBPM()
        if beats:
            marks[round(mark.offset * TICKS_PER_QUARTER)] = round(MICROSECONDS_PER_MINUTE / beats)
    ticks = sorted(marks)
    return TempoMap.build(
        np.array(ticks, dtype=np.int64),
        np.array([marks[tick] for tick in ticks], dtype=np.int64),
        TICKS_PER_QUARTER,
    )


def _time_signatures(
    music: Any, tempo_map: TempoMap
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    from music21 import meter

    by_tick = {
        round(each.offset * TICKS_PER_QUARTER): (each.numerator, each.denominator)
        for each in music.flatten().getElementsByClass(meter.TimeSignature)
    }
    values = np.array([by_tick[tick] for tick in sorted(by_tick)], dtype=np.int64).reshape(-1, 2)
    return _seconds(by_tick, tempo_map), values[:, 0], values[:, 1]


def _key_signatures(
    music: Any, tempo_map: TempoMap
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the keys of the first part that has any: others may be written transposed."""
    from music21 import key

    by_tick: dict[int, int] = {}
    for each in music.flatten().getElementsByClass(key.KeySignature):
        is_minor = isinstance(each, key.Key) and each.mode == "minor"
        if abs(each.sharps) <= 7:
            number = key_number(each.sharps, is_minor)
            by_tick.setdefault(round(each.offset * TICKS_PER_QUARTER), number)
    values = np.array([by_tick[tick] for tick in sorted(by_tick)], dtype=np.int64)
    return _seconds(by_tick, tempo_map), values


def _seconds(by_tick: dict[int, Any], tempo_map: TempoMap) -> NDArray[np.float64]:
    return tempo_map.seconds(np.array(sorted(by_tick), dtype=np.int64))
