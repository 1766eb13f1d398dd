"""Effects of single words on a model of texts, measured by leaving each out (Li et al., 2016)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.importances import WordEffect, WordEffects
from tunesmith.artifacts.preparation import TextPreparation
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
    calibrate: Callable[[Predictions], npt.NDArray[np.float64]],
    rules: TextPreparation,
    seed: int = 0,
) -> WordEffects | None:
    """Return how predictions change when a word is left out of the texts that contain it.

    The words measured are those that go with the model's predictions most, either way. Each is
    replaced by the token of words outside the vocabulary.

    Parameters
    ----------
    classifier
        A model of the view ``tokens``.
    examples
        Held-out texts; of very many a random part is taken.
    calibrate
        Returns the probabilities that users get, ``float [items, classes]``.
    rules
        The vocabulary and its numbers.
    seed
        Seed of the part.

    Returns
    -------
    WordEffects | None
        The words, those that raise the probability of the second class most first. None for more
        than two classes or where no word is in enough texts.
    """
    if len(examples.classes) != 2 or set(classifier.inputs) != {"tokens"}:
        return None
    picked = np.random.default_rng(seed).permutation(len(examples))[:_MOST_TEXTS]
    few = examples.take(picked)
    x = np.asarray(few.view("tokens").x)
    before = calibrate(predict(classifier, few))[:, 1]
    first, n_words = rules.first, len(rules.words)
    holds = np.zeros((len(x), n_words), dtype=bool)
    for row, tokens in enumerate(x):
        words = np.unique(tokens) - first
        holds[row, words[(words >= 0) & (words < n_words)]] = True
    count = holds.sum(axis=0)
    known = np.flatnonzero((count >= _LEAST_TEXTS) & (count < len(x)))
    if not len(known):
        return None
    with_word = (before @ holds[:, known]) / count[known]
    relation = (with_word - before.mean()) * np.sqrt(count[known])
    order = known[np.argsort(relation, kind="stable")]
    chosen = list(dict.fromkeys([*order[-_EACH_WAY:][::-1].tolist(), *order[:_EACH_WAY].tolist()]))
    effects: list[WordEffect] = []
    for word in chosen:
        rows = np.flatnonzero(holds[:, word])[:_MOST_OF_A_WORD]
        texts = few.take(rows)
        changed = np.where(x[rows] == first + word, rules.unknown, x[rows])
        without = Examples(
            texts.y, texts.classes, texts.groups, texts.ids,
            {"tokens": View.one_row_each(changed)},
        )  # fmt: skip
        after = calibrate(predict(classifier, without))[:, 1]
        effects.append(
            WordEffect(
                word=rules.words[word],
                texts=int(count[word]),
                effect=float(np.mean(before[rows] - after)),
            )
        )
    effects.sort(key=lambda row: -row.effect)
    return WordEffects(label=examples.classes[1], words=tuple(effects))
