"""Random changes of rolls keep what a composer wrote."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.models.support.augment import RollAugment, shift_pitch


def _rolls(seed: int, rows: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rolls = rng.integers(1, 128, (rows, 6, 128)).astype(np.uint8)
    rolls[rng.random(rolls.shape) < 0.9] = 0
    return rolls


@given(st.integers(0, 50), st.lists(st.integers(-12, 12), min_size=4, max_size=4))
def test_shifting_there_and_back_loses_only_what_left_the_range(
    seed: int, shifts: list[int]
) -> None:
    rolls = _rolls(seed)
    rolls[:, :, :12] = rolls[:, :, -12:] = 0
    semitones = np.array(shifts)
    moved = shift_pitch(rolls, semitones)
    np.testing.assert_array_equal(shift_pitch(moved, -semitones), rolls)
    for row, semitone in enumerate(shifts):
        np.testing.assert_array_equal(moved[row], np.roll(rolls[row], semitone, axis=-1))


def test_notes_that_leave_the_range_are_lost() -> None:
    rolls = np.zeros((1, 2, 128), dtype=np.uint8)
    rolls[0, 0, 127] = rolls[0, 1, 0] = 80
    assert shift_pitch(rolls, np.array([1])).sum() == 80
    assert shift_pitch(rolls, np.array([-1])).sum() == 80


def test_augmenting_keeps_type_shape_and_the_number_of_notes() -> None:
    rolls = _rolls(3)
    rolls[:, :, :8] = rolls[:, :, -8:] = 0
    changed = RollAugment(6, 0.5)(rolls, np.random.default_rng(0))
    assert changed.dtype == rolls.dtype
    assert changed.shape == rolls.shape
    assert (changed > 0).sum() == (rolls > 0).sum()
    assert changed.max() <= 127
    assert not np.array_equal(changed, rolls)


def test_no_change_is_no_change() -> None:
    rolls = _rolls(4)
    np.testing.assert_array_equal(RollAugment(0, 0.0)(rolls, np.random.default_rng(0)), rolls)
