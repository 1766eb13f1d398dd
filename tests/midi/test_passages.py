import numpy as np

from tunesmith.midi.passages import Passage, common_passage
from tunesmith.midi.score import NOTE_DTYPE


def melody(pitches, start_s=0.0, step_s=0.5):
    notes = np.zeros(len(pitches), dtype=NOTE_DTYPE)
    notes["pitch"] = pitches
    notes["onset_s"] = start_s + step_s * np.arange(len(pitches))
    notes["offset_s"] = notes["onset_s"] + step_s
    return notes


def test_the_passage_is_found_at_another_pitch_and_tempo():
    rng = np.random.default_rng(0)
    theme, opening = rng.integers(50, 80, 40), rng.integers(50, 80, 20)
    second = melody(np.concatenate([opening, theme + 3]), step_s=0.25)
    assert common_passage(melody(theme), second) == Passage(0.0, 5.0, 3)
    assert common_passage(second, melody(theme)) == Passage(5.0, 0.0, -3)


def test_pieces_with_nothing_in_common_begin_at_their_beginning():
    rng = np.random.default_rng(1)
    notes = melody(rng.integers(50, 80, 40)), melody(rng.integers(50, 80, 40))
    nothing = Passage(0.0, 0.0, None)
    assert common_passage(*notes) == nothing
    assert common_passage(notes[0], melody([])) == nothing
    # Repeated notes are alike everywhere, and say nothing.
    assert common_passage(melody([60] * 20), melody([40] * 20)) == nothing
