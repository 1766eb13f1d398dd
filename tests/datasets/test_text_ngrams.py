"""N-grams of short texts, against scikit-learn's own."""

from zlib import crc32

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from tunesmith.artifacts.preparation import TEXT_COUNTS
from tunesmith.datasets.text_ngrams import SLOTS, counts_of, ngram_slots

CHARACTERS = CountVectorizer(analyzer="char_wb", ngram_range=(1, 4), lowercase=False)
WORDS = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", lowercase=False)  # noqa: S106
TEXTS = st.text(
    st.one_of(
        st.sampled_from("aA bÉß.,-('0٣夜мİ\t"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=40,
)


def slot(gram: str) -> int:
    return 1 + crc32(gram.encode()) % (SLOTS - 1)


@given(text=TEXTS)
def test_ngrams_are_those_of_scikit_learn(text: str) -> None:
    words = WORDS.build_analyzer()(text.casefold())
    wanted = {slot(gram) for gram in CHARACTERS.build_analyzer()(text)}
    wanted |= {slot(f"\x00{gram}") for gram in words}
    slots = ngram_slots(text, 600)
    assert set(slots[slots > 0].tolist()) == wanted
    assert np.count_nonzero(slots) == len(wanted)
    # Where there is less room, the first are kept.
    assert ngram_slots(text, 7).tolist() == slots[:7].tolist()


def test_case_is_told_apart_in_characters_and_not_in_words() -> None:
    lower, upper = (set(ngram_slots(text, 64).tolist()) for text in ("remix", "REMIX"))
    assert slot("\x00remix") in lower & upper
    assert slot("mix ") in lower - upper


def test_counts_of_a_title() -> None:
    counts = dict(zip(TEXT_COUNTS, counts_of("L'Été (Op. 27), No. 1 - Live"), strict=True))
    assert counts == {
        "characters": 28,
        "words": 7,
        "capitals": 5,
        "numerals": 3,
        "signs": 7,
        "letters beyond ASCII": 2,
        "hyphens": 1,
        "brackets": 1,
        "commas": 1,
        "apostrophes": 1,
    }
    assert counts_of("") == (0,) * len(TEXT_COUNTS)
