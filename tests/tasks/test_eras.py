from itertools import pairwise

import pytest

from tunesmith.midi.composers import canonical_composer
from tunesmith.tasks.support.eras import ERAS, composers_by_era


def test_composers_are_grouped_by_era():
    names = ["Palestrina", "Bach", "Mozart", "Chopin", "Ravel", "Unknown"]
    groups = composers_by_era(names)["era"]
    assert list(groups) == [name for name, *_ in ERAS]
    assert list(groups.values()) == [[name] for name in names[:-1]]


@pytest.mark.parametrize("raw", ["bach-js", "haendel", "skrjabin", "tchakoff"])
def test_canonical_names_are_known(raw):
    name = canonical_composer(raw)
    assert [name] in composers_by_era([name])["era"].values()


def test_eras_follow_one_another():
    for (_, _, last), (_, first, _) in pairwise(ERAS):
        assert first == last + 1
