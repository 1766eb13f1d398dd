"""Small MIDI files, note arrays and strategies the midi tests share."""

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
from numpy.typing import NDArray

from tunesmith.midi import NOTE_DTYPE

END_OF_TRACK = b"\x00\xff\x2f\x00"


def quantity(value: int) -> bytes:
    """Encode a variable-length quantity."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))


def event(delta: int, *data: int) -> bytes:
    """Encode a message after a delta time."""
    return quantity(delta) + bytes(data)


def meta(delta: int, kind: int, payload: bytes) -> bytes:
    """Encode a meta event."""
    return quantity(delta) + bytes([0xFF, kind]) + quantity(len(payload)) + payload


def tempo(delta: int, microseconds: int) -> bytes:
    """Encode a tempo in microseconds a quarter note."""
    return meta(delta, 0x51, microseconds.to_bytes(3, "big"))


def midi_file(
    *tracks: bytes, division: int = 480, kind: int = 1, end: bytes = END_OF_TRACK
) -> bytes:
    """Put tracks into a standard MIDI file."""
    header = b"MThd" + (6).to_bytes(4, "big") + kind.to_bytes(2, "big")
    header += len(tracks).to_bytes(2, "big") + (division & 0xFFFF).to_bytes(2, "big")
    chunks = [t + end for t in tracks]
    return header + b"".join(b"MTrk" + len(c).to_bytes(4, "big") + c for c in chunks)


def scale_notes(n: int = 40, *, seed: int = 0) -> bytes:
    """Track of single notes on random pitches, a 16th each."""
    random = np.random.default_rng(seed)
    pitches = random.integers(48, 84, n).tolist()
    return b"".join(event(0, 0x90, p, 80) + event(120, 0x80, p, 0) for p in pitches)


def notes_of(rows: Sequence[tuple[float, float, int, int]]) -> NDArray[np.void]:
    """Note array from onset and duration in seconds, pitch and velocity; 120 quarters a minute."""
    notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
    for i, (onset_s, duration_s, pitch, velocity) in enumerate(sorted(rows)):
        notes[i] = (
            onset_s,
            onset_s + duration_s,
            onset_s * 2,
            duration_s * 2,
            pitch,
            velocity,
            0,
            False,
        )
    return notes[np.lexsort((notes["pitch"], notes["onset_s"]))]


@st.composite
def note_arrays(draw: st.DrawFn, *, min_size: int = 0, max_size: int = 120) -> NDArray[np.void]:
    """Any note array, drums and doubled notes included, in the order the contract asks for."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 400),
                st.integers(1, 60),
                st.integers(0, 127),
                st.integers(1, 127),
                st.booleans(),
            ),
            min_size=min_size,
            max_size=max_size,
        )
    )
    notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
    for i, (onset, duration, pitch, velocity, is_drum) in enumerate(rows):
        notes[i] = (
            onset / 32,
            (onset + duration) / 32,
            onset / 16,
            duration / 16,
            pitch,
            velocity,
            0,
            is_drum and pitch % 4 == 0,
        )
    return notes[np.lexsort((notes["pitch"], notes["onset_s"]))]


@st.composite
def melodies(draw: st.DrawFn, *, min_size: int = 40, max_size: int = 120) -> NDArray[np.void]:
    """A line with an accompaniment, far enough from the ends of the range to be transposed."""
    n = draw(st.integers(min_size, max_size))
    steps = draw(st.lists(st.integers(-7, 7), min_size=n, max_size=n))
    gaps = draw(st.lists(st.sampled_from([0.125, 0.25, 0.5]), min_size=n, max_size=n))
    onset_s, pitch = 0.0, 72
    rows = []
    for i, (step, gap) in enumerate(zip(steps, gaps, strict=True)):
        pitch = int(np.clip(pitch + step, 60, 100))
        rows.append((onset_s, gap, pitch, 80))
        if i % 3 == 0:
            rows.append((onset_s, gap, 40 + pitch % 12, 60))
        onset_s += gap
    return notes_of(rows)


_PITCHES = st.sampled_from([36, 60, 61, 64, 67, 127, 0])
_CHANNELS = st.sampled_from([0, 0, 0, 1, 9])
_EVENTS = st.one_of(
    st.tuples(st.just("on"), _CHANNELS, _PITCHES, st.integers(0, 127)),
    st.tuples(st.just("on"), _CHANNELS, _PITCHES, st.integers(1, 127)),
    st.tuples(st.just("off"), _CHANNELS, _PITCHES, st.integers(0, 127)),
    st.tuples(st.just("pedal"), _CHANNELS, st.sampled_from([0, 63, 64, 127]), st.just(0)),
    st.tuples(st.just("volume"), _CHANNELS, st.integers(0, 127), st.just(0)),
    st.tuples(st.just("bend"), _CHANNELS, st.integers(0, 127), st.sampled_from([0, 32, 64, 127])),
    st.tuples(st.just("program"), _CHANNELS, st.sampled_from([0, 5, 40]), st.just(0)),
    st.tuples(st.just("pressure"), _CHANNELS, st.integers(0, 127), st.just(0)),
    st.tuples(st.just("tempo"), _CHANNELS, st.sampled_from([1, 30, 50, 120]), st.just(0)),
    st.tuples(st.just("text"), _CHANNELS, st.integers(0, 127), st.just(0)),
    st.tuples(st.just("sysex"), _CHANNELS, st.integers(0, 127), st.just(0)),
)
_DELTAS = st.sampled_from([0, 0, 1, 7, 60, 120, 240, 200_00])


def _encode(kind: str, channel: int, first: int, second: int) -> bytes:
    return {
        "on": bytes([0x90 | channel, first, second]),
        "off": bytes([0x80 | channel, first, second]),
        "pedal": bytes([0xB0 | channel, 64, first]),
        "volume": bytes([0xB0 | channel, 7, first]),
        "bend": bytes([0xE0 | channel, first, second]),
        "program": bytes([0xC0 | channel, first]),
        "pressure": bytes([0xD0 | channel, first]),
        "tempo": b"\xff\x51\x03" + (first * 10_000).to_bytes(3, "big"),
        "text": b"\xff\x01\x02" + bytes([65, first]),
        "sysex": bytes([0xF0, 0x02, first, 0xF7]),
    }[kind]


def note_offs(delta: int = 10) -> bytes:
    """End every note of the strategy `midi_files`, `delta` ticks later."""
    keys = [(channel, pitch) for channel in (0, 1, 9) for pitch in (36, 60, 61, 64, 67, 127, 0)]
    return event(delta, 0x80, 0, 0) + b"".join(event(0, 0x80 | c, p, 0) for c, p in keys)


@st.composite
def midi_files(draw: st.DrawFn, *, tidy: bool = False) -> bytes:
    """Files of any legal events: doubled notes, stuck notes, pedals, bends, drums, tempos.

    If tidy, only the first track has tempos, and every note ends: readers do not disagree.
    """
    tracks: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        data = b""
        running = None
        for delta, (kind, channel, first, second) in draw(
            st.lists(st.tuples(_DELTAS, _EVENTS), max_size=60)
        ):
            if tidy and tracks and kind == "tempo":
                continue
            message = _encode(kind, channel, first, second)
            if message[0] < 0xF0:
                if message[0] == running and draw(st.booleans()):
                    data += quantity(delta) + message[1:]
                    continue
                running = message[0]
            elif message[0] == 0xF0:
                running = None
            data += quantity(delta) + message
        tracks.append(data + note_offs() if tidy else data)
    return midi_file(*tracks, division=draw(st.sampled_from([96, 120, 480])))
