"""Damaged bytes: never a crash, a hang or a flood of memory; a score or a typed refusal."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.midi.conftest import MidiFiles
from tests.midi.material import event, meta, midi_file, midi_files, scale_notes, tempo
from tunesmith.errors import MidiError
from tunesmith.midi import Limits, chunk_roll, read_score, velocity_roll
from tunesmith.midi.features import musical_features
from tunesmith.midi.fingerprints import fingerprint, note_hash
from tunesmith.midi.statistics import piece_statistics

LIMITS = Limits(max_bytes=1_000_000, max_duration_s=3600.0)
LONGEST_S = 5.0
MEMORY_BOUND = 550 * 2**20
"""How far the process may grow while it decodes, at its peak."""


def memory(figure: str) -> int:
    """Return a line of this process's memory account in bytes: VmRSS is now, VmHWM the peak."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{figure}:"))
    return int(line.split()[1]) * 1024


@pytest.fixture
def peak_growth() -> Callable[[], int]:
    """Return how to ask for the peak since now; what other tests used before does not count."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    return lambda: memory("VmHWM") - before


def whole_road(data: bytes) -> str:
    """Do with a file everything that ingest does; name what became of it."""
    try:
        score = read_score(data, limits=LIMITS)
    except MidiError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.stage in {"read", "limits", "parse"}
        assert str(refusal)
        return type(refusal).__name__
    assert score.notes.size > 0
    assert (score.notes["offset_s"] > score.notes["onset_s"]).all()
    assert ((score.notes["pitch"] >= 0) & (score.notes["pitch"] <= 127)).all()
    assert ((score.notes["velocity"] >= 1) & (score.notes["velocity"] <= 127)).all()
    chunk_roll(velocity_roll(score))
    assert np.isfinite(musical_features(score.notes)).all()
    piece_statistics(score)
    note_hash(score)
    fingerprint(score.notes)
    return "kept"


def set_byte(out: bytearray, at: int, chance: random.Random) -> None:
    out[at] = chance.choice([chance.randrange(256), 0xF0, 0xF4, 0xF7, 0xFF, 0x80, 0xC0])


def flip_bit(out: bytearray, at: int, chance: random.Random) -> None:
    out[at] ^= 1 << chance.randrange(8)


def remove(out: bytearray, at: int, chance: random.Random) -> None:
    del out[at : at + chance.randrange(1, 9)]


def insert(out: bytearray, at: int, chance: random.Random) -> None:
    out[at:at] = chance.randbytes(chance.randrange(1, 9))


def cut(out: bytearray, at: int, _chance: random.Random) -> None:
    del out[max(1, at) :]


def largest_delta(out: bytearray, at: int, _chance: random.Random) -> None:
    out[at : at + 4] = b"\xff\xff\xff\x7f"


def repeat(out: bytearray, at: int, chance: random.Random) -> None:
    begin = chance.randrange(len(out))
    out[at:at] = out[begin : begin + 64]


def any_tempo(out: bytearray, at: int, chance: random.Random) -> None:
    out[at:at] = b"\x00\xff\x51\x03" + chance.choice([bytes(3), b"\xff" * 3, chance.randbytes(3)])


DAMAGES = (set_byte, set_byte, flip_bit, remove, insert, cut, largest_delta, repeat, any_tempo)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Damage a file in one to sixteen ways, its first bytes more often than the rest."""
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4, 16])):
        if len(out) < 2:
            break
        early = chance.random() < 0.3
        at = chance.randrange(min(len(out), 60) if early else len(out))
        chance.choice(DAMAGES)(out, at, chance)
    return bytes(out)


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Fail instead of hanging: call before each file."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        msg = f"a file took more than {LONGEST_S} s of a processor"
        raise TimeoutError(msg)

    # Time of the process alone: how long a file takes on a busy machine says nothing of the file.
    before = signal.signal(signal.SIGPROF, ring)
    yield lambda: signal.setitimer(signal.ITIMER_PROF, LONGEST_S) and None
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def fuzz(
    files: list[bytes], n: int, seed: int, alarm: Callable[[], None], folder: Path
) -> Counter[str]:
    whole_road(midi_file(scale_notes(8)))  # machine code is compiled or loaded on the first call
    chance = random.Random(seed)
    fates: Counter[str] = Counter()
    slowest_s = 0.0
    for i in range(n):
        data = mutate(chance.choice(files), chance)
        last = folder / "last.mid"
        if i % 50 == 0 or n <= 500:
            last.write_bytes(data)  # what to look at if the process dies
        alarm()
        start = time.process_time()
        fates[whole_road(data)] += 1
        slowest_s = max(slowest_s, time.process_time() - start)
    print(f"\n{n} files: {dict(fates)}; slowest {slowest_s:.2f} s of a processor")
    return fates


def synthetic_files() -> list[bytes]:
    head = tempo(0, 400_000) + meta(0, 0x58, bytes([3, 2, 24, 8])) + meta(0, 0x59, bytes([2, 0]))
    pedal = event(0, 0xB0, 64, 127) + scale_notes(60) + event(0, 0xB0, 64, 0)
    bent = event(0, 0xE0, 0, 80) + scale_notes(40, seed=2) + event(0, 0xE0, 0, 64)
    drums = b"".join(event(0, 0x99, 38, 90) + event(60, 0x89, 38, 0) for _ in range(40))
    return [
        midi_file(head + scale_notes(80), kind=0),
        midi_file(head, pedal, bent, drums),
        midi_file(head, scale_notes(30), division=((256 - 25) << 8) | 40),
        b"RIFF\x00\x00\x00\x00RMIDdata\x00\x00\x00\x00" + midi_file(pedal),
    ]


def test_mutated_synthetic_files(alarm: Callable[[], None], tmp_path: Path) -> None:
    fates = fuzz(synthetic_files(), 400, 1, alarm, tmp_path)
    assert fates["kept"] > 20
    assert sum(n for fate, n in fates.items() if fate != "kept") > 100


@settings(max_examples=150)
@given(data=midi_files(), share=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_any_file_cut_or_damaged(data: bytes, share: float, seed: int) -> None:
    whole_road(data)
    whole_road(data[: int(len(data) * share)])
    whole_road(mutate(data, random.Random(seed)))


@given(data=st.binary(max_size=400))
def test_noise(data: bytes) -> None:
    whole_road(data)
    whole_road(midi_file(data))


def test_a_file_full_of_notes_stays_within_its_memory(alarm: Callable[[], None]) -> None:
    dense = bytes([0, 0x90, 60, 64]) + bytes([1, 60, 0, 0, 60, 64]) * 150_000
    alarm()
    assert whole_road(midi_file(dense)) == "kept"
    alarm()
    assert whole_road(midi_file(dense, dense)) == "MidiLimitExceeded"


def test_a_file_full_of_tempos_is_read_in_time(alarm: Callable[[], None]) -> None:
    tempos = b"".join(tempo(1, 400_000 + i) for i in range(50_000))
    alarm()
    assert whole_road(midi_file(tempos + scale_notes(10))) == "kept"


@pytest.mark.data
def test_mutated_real_files(
    real_files: Callable[[str], MidiFiles], alarm: Callable[[], None], tmp_path: Path
) -> None:
    files = [d for _, d in real_files("midi-big4")[::40] if len(d) < 40_000]
    fates = fuzz(files, 300, 2, alarm, tmp_path)
    assert fates["kept"] > 20


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("n_files", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_thousands_of_mutated_files(
    n_files: int,
    real_files: Callable[[str], MidiFiles],
    alarm: Callable[[], None],
    peak_growth: Callable[[], int],
    tmp_path: Path,
) -> None:
    files = [d for _, d in real_files("midi-big4")[::10] if len(d) < 100_000]
    files += [d for _, d in real_files("midi-classical")[::30] if len(d) < 100_000]
    fates = fuzz(files + synthetic_files(), n_files, 3, alarm, tmp_path)
    assert sum(fates.values()) == n_files
    growth = peak_growth()
    print(f"grew by {growth / 2**20:.0f} MB at the peak")
    assert growth < MEMORY_BOUND
