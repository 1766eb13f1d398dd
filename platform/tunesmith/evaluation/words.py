"""Which words move a model of texts, asked by leaving each one out (Li et al., 2016)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.predictions import Predictions, predict

if TYPE_CHECKING:
    from tunesmith.inference.classifier import Classifier

__all__ = ["word_effects"]

_MOST_TEXTS = 600
_LEAST_TEXTS = 12
_MOST_OF_A_WORD = 30
_EACH_WAY = 12


def word_effects(
    classifier: "Classifier",
    examples: Examples,
    answer: Callable[[Predictions], npt.NDArray[np.float64]],
    rules: Mapping[str, Any],
    seed: int = 0,
) -> dict[str, Any] | None:
    """Return how the answer moves when a word is left out of the texts that hold it.

    The words that go with the model's own answers most, either way, are asked about; each is
    replaced by the token of words that the model does not know.

    Parameters
    ----------
    classifier
        Reads the view ``tokens``.
    examples
        Held-out texts; of very many a random part is taken.
    answer
        Gives the probabilities that users see, ``float [items, classes]``.
    rules
        The member ``text`` of a run's parameters.
    seed
        Of the part.

    Returns
    -------
    dict | None
        ``class`` whose probability is told of, and ``words``: ``word``, ``texts`` that hold it,
        and ``effect``, by how much it raises that probability; the highest first. None for more
        than two classes or where no word is in enough texts.
    """
    if len(examples.classes) != 2 or set(classifier.inputs) != {"tokens"}:
        return None
    picked = np.random.default_rng(seed).permutation(len(examples))[:_MOST_TEXTS]
    few = examples.take(picked)
    x = np.asarray(few.view("tokens").x)
    before = answer(predict(classifier, few))[:, 1]
    first, n_words = int(rules["first"]), len(rules["words"])
    holds = np.zeros((len(x), n_words), dtype=bool)
    for row, tokens in enumerate(x):
        words = np.unique(tokens) - first
        holds[row, words[(words >= 0) & (words < n_words)]] = True
    count = holds.sum(axis=0)
    known = np.flatnonzero((count >= _LEAST_TEXTS) & (count < len(x)))
    if not len(known):
        return None
    with_word = (before @ holds[:, known]) / count[known]
    telling = (with_word - before.mean()) * np.sqrt(count[known])
    order = known[np.argsort(telling, kind="stable")]
    asked = list(dict.fromkeys([*order[-_EACH_WAY:][::-1].tolist(), *order[:_EACH_WAY].tolist()]))
    found: list[dict[str, Any]] = []
    for word in asked:
        rows = np.flatnonzero(holds[:, word])[:_MOST_OF_A_WORD]
        texts = few.take(rows)
        changed = np.where(x[rows] == first + word, int(rules["unknown"]), x[rows])
        without = Examples(
            texts.y, texts.classes, texts.groups, texts.ids,
            {"tokens": View.one_row_each(changed)},
        )  # fmt: skip
        after = answer(predict(classifier, without))[:, 1]
        found.append(
            {
                "word": str(rules["words"][word]),
                "texts": int(count[word]),
                "effect": float(np.mean(before[rows] - after)),
            }
        )
    found.sort(key=lambda row: -row["effect"])
    return {"class": examples.classes[1], "words": found}
