"""Pictures and texts to look at: where a model was sure, wrong and unsure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.predictions import Predictions

__all__ = ["choose_pictures", "choose_texts", "pictures_of", "words_of"]

_PIXEL = re.compile(r"pixel_(\d+)_(\d+)")
_EACH_PICTURE = 8
_EACH_TEXT = 3
_SHOWN_WORDS = 60

Pictures = npt.NDArray[np.uint8]


def pictures_of(examples: Examples, names: Sequence[str]) -> Pictures | None:
    """Return the items as pictures, ``uint8 [items, height, width]``, None where they are none.

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


def choose_pictures(predictions: Predictions, pictures: Pictures) -> dict[str, Any]:
    """Return pictures that were answered surely and right, surely and wrong, and unsurely.

    Returns
    -------
    dict
        ``height``, ``width`` and ``rows``: ``kind``, ``id``, true ``label``, ``answer``,
        ``confidence`` and the ``pixels`` row by row, 0 to 255.
    """
    rows = [
        found | {"pixels": pictures[index].ravel().tolist()}
        for index, found in _chosen(predictions, _EACH_PICTURE, per_class=1)
    ]
    return {"height": pictures.shape[1], "width": pictures.shape[2], "rows": rows}


def words_of(tokens: npt.NDArray[Any], rules: Mapping[str, Any]) -> list[str]:
    """Return the words of a text, ``…`` for those that the model does not know.

    Parameters
    ----------
    tokens
        ``int [length]``.
    rules
        The member ``text`` of a run's parameters: ``words``, ``first``, ``unknown``.
    """
    words, first = rules["words"], int(rules["first"])
    found = []
    for token in tokens.tolist():
        if first <= token < first + len(words):
            found.append(words[token - first])
        elif token == rules["unknown"]:
            found.append("…")
    return found


def choose_texts(
    predictions: Predictions, rules: Mapping[str, Any], view: str = "tokens"
) -> list[dict[str, Any]]:
    """Return texts that were answered surely and right, surely and wrong, and unsurely.

    Returns
    -------
    list of dict
        ``kind``, ``id``, true ``label``, ``answer``, ``confidence`` and the last 60 words.
    """
    x = predictions.examples.view(view).x
    return [
        found | {"text": " ".join(words_of(x[index], rules)[-_SHOWN_WORDS:])}
        for index, found in _chosen(predictions, _EACH_TEXT, per_class=2)
    ]


def _chosen(
    predictions: Predictions, each: int, per_class: int
) -> list[tuple[int, dict[str, Any]]]:
    """Return items of each kind, at most `per_class` of each true class while classes last."""
    examples, p = predictions.examples, predictions.by_item
    answer, sure = p.argmax(axis=1), p.max(axis=1)
    right = answer == examples.y
    wanted = (
        ("sure and right", np.where(right, sure, -1.0)),
        ("sure and wrong", np.where(~right, sure, -1.0)),
        ("unsure", 1.0 - sure),
    )
    chosen: list[tuple[int, dict[str, Any]]] = []
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
            facts = {
                "kind": kind,
                "id": examples.ids[i],
                "label": examples.classes[examples.y[i]],
                "answer": examples.classes[answer[i]],
                "confidence": float(sure[i]),
            }
            chosen.append((i, facts))
    return chosen
