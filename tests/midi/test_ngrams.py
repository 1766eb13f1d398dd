"""N-grams: what they count, and what changes of a piece leave them as they are."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from tests.midi.material import note_arrays, notes_of
from tunesmith.midi.fingerprints import CHORD_SPREAD_S
from tunesmith.midi.ngrams import NGRAM_SLOTS, ngram_counts, ngram_rows
from tunesmith.midi.transforms import scale_tempo_notes, transpose_notes

# Four chords of two notes: C-E, D-F, E-G, C-E.
CHORDS = [
    (0.5 * beat, 0.4, pitch, 80)
    for beat, pair in enumerate([(60, 64), (62, 65), (64, 67), (60, 64)])
    for pitch in pair
]


def counted(notes: NDArray[np.void]) -> Counter[tuple[object, ...]]:
    """Count the n-grams of notes by plain loops over lists."""
    chords: list[tuple[float, list[int]]] = []
    before_s = -np.inf
    for note in notes[~notes["is_drum"]]:
        onset_s, pitch = float(note["onset_s"]), int(note["pitch"])
        if onset_s - before_s <= CHORD_SPREAD_S:
            chords[-1][1].append(pitch)
        else:
            chords.append((onset_s, [pitch]))
        before_s = onset_s
    if len(chords) < 2:
        return Counter()
    tops, lows = [max(of) for _, of in chords], [min(of) for _, of in chords]
    classes = [frozenset((p - min(of)) % 12 for p in of) for _, of in chords]
    steps = range(len(chords) - 1)
    upper = [max(-14, min(14, tops[k + 1] - tops[k])) for k in steps]
    bass = [max(-14, min(14, lows[k + 1] - lows[k])) for k in steps]
    gaps = [max(chords[k + 1][0] - chords[k][0], 0.01) for k in steps]
    pace = [max(-4, min(4, round(2 * np.log2(gaps[k] / gaps[k - 1])))) for k in steps if k]
    grams: list[tuple[object, ...]] = [("chord", each) for each in classes]
    grams += [
        ("register", tops[k], tops[k] - lows[k], min(len(of), 5))
        for k, (_, of) in enumerate(chords)
    ]
    grams += [("chords", classes[k], classes[k + 1]) for k in steps]
    grams += [("progression", classes[k], bass[k], classes[k + 1]) for k in steps]
    grams += [("lines", upper[k], bass[k]) for k in steps]
    for name, line, lengths in (("upper", upper, (2, 3, 4)), ("bass", bass, (2, 3))):
        for n in lengths:
            grams += [(name, *line[k : k + n]) for k in range(len(line) - n + 1)]
    grams += [("paced", *upper[k - 1 : k + 1], pace[k - 1]) for k in steps if k]
    grams += [("both", *upper[k - 1 : k + 1], *bass[k - 1 : k + 1]) for k in steps if k]
    grams += [("rhythm", *pace[k : k + 3]) for k in range(len(pace) - 2)]
    return Counter(grams)


def test_ngrams_are_counted_in_slots_of_their_own_but_for_a_few() -> None:
    expected = counted(notes_of(CHORDS))
    counts = ngram_counts(notes_of(CHORDS))
    assert counts.shape == (NGRAM_SLOTS,)
    assert counts.sum() == sum(expected.values())
    assert len(expected) - 2 <= np.count_nonzero(counts) <= len(expected)


@given(notes=note_arrays())
def test_as_many_ngrams_are_counted_as_there_are(notes: NDArray[np.void]) -> None:
    # Two n-grams may share a slot, so the sums are compared.
    assert int(ngram_counts(notes).sum()) == sum(counted(notes).values())


@pytest.mark.parametrize("semitones", [-5, 7])
def test_another_key_changes_nothing_but_the_register(semitones: int) -> None:
    notes = notes_of(CHORDS)
    counts, moved = ngram_counts(notes), ngram_counts(transpose_notes(notes, semitones))
    assert np.minimum(counts, moved).sum() == counts.sum() - len(CHORDS) // 2


def test_tempo_loudness_lengths_and_drums_change_nothing() -> None:
    notes = notes_of(CHORDS)
    counts = ngram_counts(notes)
    np.testing.assert_array_equal(ngram_counts(scale_tempo_notes(notes, 1.3)), counts)
    other = notes.copy()
    other["velocity"], other["offset_s"] = 20, other["onset_s"] + 0.1
    np.testing.assert_array_equal(ngram_counts(other), counts)
    drum = notes[:1].copy()
    drum["is_drum"] = True
    np.testing.assert_array_equal(ngram_counts(np.concatenate([drum, notes])), counts)


def test_more_than_255_are_255() -> None:
    trill = notes_of([(0.1 * i, 0.1, 60 + i % 2, 80) for i in range(1200)])
    assert ngram_counts(trill).max() == 255


@pytest.mark.parametrize(
    "notes", [[], [(0.0, 1.0, 60, 80)], [(0.0, 1.0, 60, 80), (0.0, 1.0, 64, 80)]]
)
def test_fewer_than_two_chords_have_none(notes: list[tuple[float, float, int, int]]) -> None:
    assert not ngram_counts(notes_of(notes)).any()


def test_rows_of_no_pieces_have_the_width_of_others() -> None:
    assert ngram_rows([]).shape == (0, NGRAM_SLOTS)
    assert ngram_rows([notes_of(CHORDS)]).shape == (1, NGRAM_SLOTS)
