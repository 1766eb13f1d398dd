"""Pictures and texts to look at: where a model was confident, wrong and uncertain."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import TextPreparation
from tunesmith.artifacts.reports import ChosenPicture, ChosenText, Pictures
from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.predictions import Predictions

__all__ = ["choose_pictures", "choose_texts", "pictures_of", "words_of"]

_PIXEL = re.compile(r"pixel_(\d+)_(\d+)")
_EACH_PICTURE = 8
_EACH_TEXT = 3
_SHOWN_WORDS = 60

Pixels = npt.NDArray[np.uint8]


def pictures_of(examples: Examples, names: Sequence[str]) -> Pixels | None:
    """Return items as pictures, ``uint8 [items, height, width]``, None for items of another kind.

    Parameters
    ----------
    examples
        Items with a view ``image``, or with columns ``pixel_<row>_<column>``.
    names
        Names of the columns of the view ``features``.
    """
    if "image" in examples.views:
        x = np.asarray(examples.view("image").x)
        x = x[..., 0] if x.ndim == 4 else x
    else:
        places = [_PIXEL.fullmatch(name) for name in names]
        if not places or not all(places):
            return None
        rows, columns = (
            np.array([int(place[group]) for place in places if place]) for group in (1, 2)
        )
        flat = np.asarray(examples.view("features").x)
        x = np.zeros((len(flat), rows.max() + 1, columns.max() + 1))
        x[:, rows, columns] = flat
    if x.ndim != 3 or len(x) != len(examples):
        return None
    largest = float(x.max()) or 1.0
    return np.asarray(np.clip(x * (255.0 / largest), 0, 255), dtype=np.uint8)


def choose_pictures(predictions: Predictions, pictures: Pixels) -> Pictures:
    """Return pictures where the model was confident and right or wrong, or uncertain."""
    rows = tuple(
        ChosenPicture(**_shown(predictions, kind, index), pixels=pictures[index].ravel().tolist())
        for kind, index in _chosen(predictions, _EACH_PICTURE, per_class=1)
    )
    return Pictures(height=pictures.shape[1], width=pictures.shape[2], rows=rows)


def words_of(tokens: npt.NDArray[Any], rules: TextPreparation) -> list[str]:
    """Return the words of a text, ``…`` for those outside the vocabulary.

    Parameters
    ----------
    tokens
        ``int [length]``.
    rules
        The vocabulary and its numbers.
    """
    words, first = rules.words, rules.first
    text = []
    for token in tokens.tolist():
        if first <= token < first + len(words):
            text.append(words[token - first])
        elif token == rules.unknown:
            text.append("…")
    return text


def choose_texts(
    predictions: Predictions, rules: TextPreparation, view: str = "tokens"
) -> tuple[ChosenText, ...]:
    """Return the ends of texts where the model was confident and right or wrong, or uncertain."""
    x = predictions.examples.view(view).x
    return tuple(
        ChosenText(
            **_shown(predictions, kind, index),
            text=" ".join(words_of(x[index], rules)[-_SHOWN_WORDS:]),
        )
        for kind, index in _chosen(predictions, _EACH_TEXT, per_class=2)
    )


def _chosen(predictions: Predictions, each: int, per_class: int) -> list[tuple[str, int]]:
    """Return kind and index of `each` items of a kind, classes as even as they last."""
    examples, p = predictions.examples, predictions.by_item
    confidence = p.max(axis=1)
    is_right = p.argmax(axis=1) == examples.y
    wanted = (
        ("confident and right", np.where(is_right, confidence, -1.0)),
        ("confident and wrong", np.where(~is_right, confidence, -1.0)),
        ("uncertain", 1.0 - confidence),
    )
    chosen: list[tuple[str, int]] = []
    taken: set[int] = set()
    for kind, rank in wanted:
        order = [int(i) for i in np.argsort(-rank, kind="stable") if rank[i] >= 0]
        order = [i for i in order if i not in taken]
        count: dict[int, int] = {}
        first: list[int] = []
        rest: list[int] = []
        for i in order:
            label = int(examples.y[i])
            count[label] = count.get(label, 0) + 1
            (first if count[label] <= per_class else rest).append(i)
        for i in [*first, *rest][:each]:
            taken.add(i)
            chosen.append((kind, i))
    return chosen


def _shown(predictions: Predictions, kind: str, index: int) -> dict[str, Any]:
    """Return what every chosen item has, as keyword arguments of models of several kinds."""
    examples, p = predictions.examples, predictions.by_item[index]
    return {
        "kind": kind,
        "id": examples.ids[index],
        "label": examples.classes[examples.y[index]],
        "answer": examples.classes[int(p.argmax())],
        "confidence": float(p.max()),
    }
