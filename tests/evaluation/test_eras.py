from itertools import pairwise

import pytest

from tunesmith.evaluation.eras import ERAS, era_of
from tunesmith.midi.composers import canonical_composer


def test_composers_are_put_into_their_eras():
    found = era_of(["Palestrina", "Bach", "Mozart", "Chopin", "Ravel", "Nobody"])
    assert found == [*(name for name, *_ in ERAS), None]


@pytest.mark.parametrize("raw", ["bach-js", "haendel", "skrjabin", "tchakoff"])
def test_canonical_names_are_known(raw):
    assert era_of([canonical_composer(raw)]) != [None]


def test_eras_follow_one_another():
    for (_, _, last), (_, first, _) in pairwise(ERAS):
        assert first == last + 1
