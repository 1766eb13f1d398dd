"""Texts to the numbers of their words."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import TextPreparation

__all__ = ["Vocabulary", "token_row"]


def token_row(words: Sequence[int], preparation: TextPreparation) -> npt.NDArray[np.int32]:
    """Return the numbers of a text's words as a row of the model's input.

    The text gets its beginning; of a long one the last numbers are kept, a short one is padded in
    front.

    Parameters
    ----------
    words
        Number of each word, without the beginning.
    """
    length = preparation.length
    row = np.full(length, preparation.padding, dtype=np.int32)
    numbers = np.asarray(words, dtype=np.int32)[-length:]
    row[length - len(numbers) :] = numbers
    if preparation.start is not None and len(words) < length:
        row[length - len(numbers) - 1] = preparation.start
    return row


class Vocabulary:
    """Turns texts into rows by the rules of a preparation.

    Parameters
    ----------
    preparation
        Words, their numbers and how a text is divided into words.
    """

    def __init__(self, preparation: TextPreparation) -> None:
        self.preparation = preparation
        first = preparation.first
        self.numbers: Mapping[str, int] = {
            word: first + index for index, word in enumerate(preparation.words)
        }
        self._spaces = str.maketrans(dict.fromkeys(preparation.removed, " "))

    def words(self, text: str) -> list[str]:
        """Return the words of a text."""
        plain = text.lower() if self.preparation.lower_case else text
        return plain.translate(self._spaces).split()

    def row(self, text: str) -> npt.NDArray[np.int32]:
        """Return a text as a row of the model's input, ``int32 [length]``."""
        unknown = self.preparation.unknown
        numbers = [self.numbers.get(word, unknown) for word in self.words(text)]
        return token_row(numbers, self.preparation)
