"""The claims about real corpora: rolls, duplicates, speed. Needs TUNESMITH_DATA."""

import io
import itertools
import re
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable

import mido
import numpy as np
import pretty_midi
import pytest
from numpy.typing import NDArray

from tests.midi.conftest import MidiFiles
from tunesmith.errors import MidiError
from tunesmith.midi import Limits, Score, chunk_roll, piano_roll, read_score, velocity_roll
from tunesmith.midi.container import open_container
from tunesmith.midi.decoding import TEMPO, TRACK
from tunesmith.midi.duplicates import duplicate_clusters
from tunesmith.midi.events import decode_events
from tunesmith.midi.features import musical_features
from tunesmith.midi.fingerprints import fingerprint, note_hash
from tunesmith.midi.score import DEFAULT_BEND_SEMITONES
from tunesmith.midi.statistics import piece_statistics
from tunesmith.midi.transforms import scale_tempo_notes, transpose_notes

pytestmark = pytest.mark.data

Corpus = Callable[[str], MidiFiles]

FRAME_RATES = (4, 8, 10, 16)

REFUSED = {
    "K281 Piano Sonata n03 3mov.mid": "KeySignatureError",  # 2 flats, mode 2: we lose the key alone
}
"""Files of midi-big4 that the reference refuses, and with what."""


def reason_to_differ(data: bytes, score: Score) -> str:
    """Return why a roll may differ from the reference's; empty if it must not."""
    layout = open_container(data, Limits())
    tempos = decode_events(layout.data, layout.first, layout.declared_tracks).meta(TEMPO)
    if tempos[TRACK].any():
        return "a tempo outside the first track"
    if score.damage.unended_notes:
        return "notes without a note-off"
    if any((i.bend_ranges != DEFAULT_BEND_SEMITONES).any() for i in score.instruments):
        return "another range of bends"
    return ""


def compare_rolls(files: MidiFiles) -> tuple[int, dict[str, str], Counter[str]]:
    """Count the files with identical rolls; name the refused ones, and the reasons of others."""
    identical = 0
    refused: dict[str, str] = {}
    others: Counter[str] = Counter()
    for name, data in files:
        short = name.rsplit("/", 1)[-1]
        score = read_score(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                expected = pretty_midi.PrettyMIDI(io.BytesIO(data))
        except (OSError, EOFError, ValueError, KeyError, mido.KeySignatureError) as error:
            refused[short] = type(error).__name__
            continue
        rolls = [(piano_roll(score, fps).T, expected.get_piano_roll(fps)) for fps in FRAME_RATES]
        # Ours ends with the last note, the reference's with the last event.
        if all(np.array_equal(ours, theirs[:, : ours.shape[1]]) for ours, theirs in rolls):
            identical += 1
        else:
            reason = reason_to_differ(data, score)
            assert reason, short
            others[reason] += 1
    return identical, refused, others


def test_rolls_equal_the_reference_on_a_sample(real_files: Corpus) -> None:
    # Sizes vary a lot: of every 25th file, the shorter ones.
    files = [f for f in real_files("midi-big4")[::25] if len(f[1]) < 40_000]
    identical, refused, others = compare_rolls(files)
    assert len(files) > 45
    assert refused.items() <= REFUSED.items()
    assert identical >= 0.95 * len(files)
    assert identical + len(refused) + others.total() == len(files)


@pytest.mark.long
def test_rolls_equal_the_reference_on_all_of_big4(real_files: Corpus) -> None:
    files = real_files("midi-big4")
    identical, refused, others = compare_rolls(files)
    print(f"\n{len(files)} files, identical: {identical}, refused: {refused}, others: {others}")
    assert refused == REFUSED
    assert identical >= 0.99 * len(files)


def test_every_file_is_kept_or_refused_with_a_type(real_files: Corpus) -> None:
    refused: Counter[str] = Counter()
    for corpus in ("midi-big4", "midi-classical"):
        for _, data in real_files(corpus):
            try:
                read_score(data)
            except MidiError as error:
                refused[type(error).__name__] += 1
    assert refused == {"NotMidi": 27, "NoNotes": 1, "NotScore": 1}


# ---------------------------------------------------------------- duplicates

Notes = NDArray[np.void]


def in_order(notes: Notes) -> Notes:
    return notes[np.lexsort((notes["pitch"], notes["onset_s"]))]


def quarter_s(notes: Notes) -> float:
    """Seconds of a quarter note, on average."""
    quarters = notes["onset_quarters"].astype(np.float64)
    length_s = notes["onset_s"][-1] - notes["onset_s"][0] + 1e-3
    return float(length_s / (quarters[-1] - quarters[0] + 1e-3))


def jittered(notes: Notes, random: np.random.Generator) -> Notes:
    moved = notes.copy()
    moved["onset_s"] = np.maximum(0, moved["onset_s"] + random.uniform(-0.01, 0.01, notes.size))
    moved["onset_quarters"] += (moved["onset_s"] - notes["onset_s"]) / quarter_s(notes)
    moved["offset_s"] = np.maximum(
        moved["onset_s"] + 1e-3, moved["offset_s"] + random.uniform(-0.01, 0.01, notes.size)
    )
    return in_order(moved)


def first_half(notes: Notes) -> Notes:
    middle_s = (notes["onset_s"][0] + notes["onset_s"][-1]) / 2
    return notes[notes["onset_s"] <= middle_s]


def quantised(notes: Notes, steps_per_quarter: int, round_ties: float = 0.5) -> Notes:
    """Snap to a grid, at the piece's mean tempo; 0.5 rounds ties up, a little less down."""
    moved = notes.copy()
    quarters, seconds = notes["onset_quarters"].astype(np.float64), quarter_s(notes)
    snapped = np.floor(quarters * steps_per_quarter + round_ties) / steps_per_quarter
    moved["onset_quarters"], moved["onset_s"] = snapped, snapped * seconds
    length = np.maximum(1, np.rint(notes["duration_quarters"] * float(steps_per_quarter)))
    moved["offset_s"] = moved["onset_s"] + length / steps_per_quarter * seconds
    return in_order(moved)


def variants(notes: Notes, random: np.random.Generator) -> list[tuple[str, Notes]]:
    return [
        *(("transposed", transpose_notes(notes, s)) for s in (*range(-6, 0), *range(1, 6))),
        ("tempo x 0.8", scale_tempo_notes(notes, 0.8)),
        ("tempo x 1.25", scale_tempo_notes(notes, 1.25)),
        ("first half", first_half(notes)),
        ("jitter", jittered(notes, random)),
        ("quantised to 32nds", quantised(notes, 8)),
        ("quantised to 16ths", quantised(notes, 4)),
        ("quantised to 16ths, ties down", quantised(notes, 4, 0.499)),
        ("quantised to 16th triplets", quantised(notes, 6)),
    ]


def catalogue_number(name: str) -> tuple[str, str] | None:
    """Composer and work of a midi-classical file whose name holds a catalogue number."""
    composer, _, rest = name.rsplit("/", 1)[-1].lower().partition("-")
    pattern = {
        "scarlatti": r"k_?0*(\d+)",
        "bach": r"bwv_?0*(\d{3,})(?!.*-\d{3})",
        "mozart": r"k_?0*(\d{2,3})",
        "chopin": r"(op\d+_n\d+|n\d+_op\d+)",
    }.get(composer)
    found = re.search(pattern, rest) if pattern else None
    if found is None or "inventions" in rest or "chorales" in rest:
        return None
    return composer, "/".join(sorted(str(int(d)) for d in re.findall(r"\d+", found.group(0))))


ARRANGEMENTS = (
    # Works that share their music: Bach's harpsichord concertos are arrangements of others, and
    # the sonata K. 547a ends with the rondo of K. 545.
    {"545", "547"},
    {"1041", "1058"},
    {"1042", "1054"},
    {"1043", "1062"},
    {"1049", "1057"},
)


def test_planted_variants_are_found_and_different_works_are_not_merged(
    real_files: Corpus,
) -> None:
    pieces: list[tuple[str, Notes]] = []
    for corpus in ("midi-big4", "midi-classical"):
        for name, data in real_files(corpus):
            try:
                pieces.append((name, read_score(data).notes))
            except MidiError:
                continue
    random = np.random.default_rng(2026)
    chosen = random.choice(len(pieces), 200, replace=False)
    planted = [
        (int(i), kind, fingerprint(notes))
        for i in chosen
        for kind, notes in variants(pieces[i][1], random)
    ]
    own = [fingerprint(notes) for _, notes in pieces]
    labels = duplicate_clusters([*own, *(sketch for *_, sketch in planted)])
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for (i, kind, _), label in zip(planted, labels[len(own) :], strict=True):
        found[kind].append(bool(label == labels[i]))
    recall = {kind: float(np.mean(hits)) for kind, hits in found.items()}

    labels = duplicate_clusters(own)
    works: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for (name, _), label in zip(pieces, labels, strict=True):
        work = catalogue_number(name) if "classical" in name else None
        if work:
            works[work[0]].append((work[1], int(label)))
    pairs = merged = 0
    for composer in works.values():
        for (work, label), (other, other_label) in itertools.combinations(composer, 2):
            if work != other and {work, other} not in ARRANGEMENTS:
                pairs += 1
                merged += label == other_label
    print(f"\nrecall {recall}; false merges {merged} of {pairs} pairs ({merged / pairs:.5%})")
    assert all(r >= 0.98 for r in recall.values())
    assert pairs > 300_000
    assert merged / pairs <= 0.001


# --------------------------------------------------------------------- speed


def test_the_whole_road_takes_milliseconds(real_files: Corpus) -> None:
    spent: Counter[str] = Counter()
    n = 0
    for _, data in real_files("midi-big4")[::20]:
        clock = [time.process_time()]
        score = read_score(data)
        clock.append(time.process_time())
        chunk_roll(velocity_roll(score))
        clock.append(time.process_time())
        piece_statistics(score)
        musical_features(score.notes)
        clock.append(time.process_time())
        note_hash(score)
        fingerprint(score.notes)
        clock.append(time.process_time())
        for stage, seconds in zip(
            ("read", "roll", "describe", "identify"), np.diff(clock), strict=True
        ):
            spent[stage] += seconds
        n += 1
    each_ms = {stage: round(1000 * s / n, 2) for stage, s in spent.items()}
    print(f"\nmilliseconds a piece over {n} pieces: {each_ms}")
    assert sum(each_ms.values()) < 20  # about 4 when the machine is idle
