"""Short texts of a table, such as titles and names, as hashed n-grams and as a few counts.

A title tells much by how it is written: "Op. 27", "(Remix)", a script, capitals, an ellipsis. So
n-grams of characters keep the case, and mark where a word begins and ends.
"""

import re
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

__all__ = ["SLOTS", "VIEW", "counts_of", "ngram_slots", "slots_of"]

SLOTS = 2**17
"""Slots that the n-grams of one column are hashed into; slot 0 is none."""

VIEW = "text_ngrams"
"""Name of the view, and of a model's input: ``int32 [rows, n-grams]``, 0 for none."""

_WORD = re.compile(r"\w+")
_LONGEST = 4


def counts_of(text: str) -> tuple[float, ...]:
    """Return the counts of a text, as `tunesmith.artifacts.preparation.TEXT_COUNTS` names them."""
    return (
        len(text),
        len(text.split()),
        sum(character.isupper() for character in text),
        sum(character.isdigit() for character in text),
        sum(not character.isalnum() and character != " " for character in text),
        sum(character > "\x7f" for character in text),
        text.count("-"),
        text.count("("),
        text.count(","),
        text.count("'"),
    )


def slots_of(text: str) -> list[int]:
    """Return the slots of the n-grams that stand in a text, each once, in their order.

    They are its words and pairs of words in lower case, and the runs of one to four characters of
    each word with a space around it, as ``analyzer="char_wb"`` of scikit-learn makes them. A slot
    is a number from 1 to `SLOTS` - 1.
    """
    words = _WORD.findall(text.casefold())
    pairs = [f"{one} {two}" for one, two in pairwise(words)]
    grams = [f"\x00{word}" for word in (*words, *pairs)]
    for word in text.split():
        padded = f" {word} "
        for length in range(1, _LONGEST + 1):
            grams += [padded[at : at + length] for at in range(len(padded) - length + 1)]
    hashed = [1 + crc32(gram.encode("utf-8", "surrogatepass")) % (SLOTS - 1) for gram in grams]
    return list(dict.fromkeys(hashed))


def ngram_slots(text: str, most: int) -> npt.NDArray[np.int32]:
    """Return the slots of a text in a row of fixed length.

    Parameters
    ----------
    text
        The text.
    most
        Length of the row: of a longer text the first are kept, after a shorter one stand zeros.

    Returns
    -------
    numpy.ndarray
        ``int32 [most]``.
    """
    row = np.zeros(most, dtype=np.int32)
    slots = slots_of(text)[:most]
    row[: len(slots)] = slots
    return row
