"""IMDB reviews, favourable or not: the tutorial's LSTM, on the official test reviews."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import TextPreparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.splits import split_pieces
from tunesmith.errors import DatasetError
from tunesmith.inference.texts import token_row
from tunesmith.tasks.contract import Reference, Request, Task, TaskData
from tunesmith.tasks.support.keras_files import read_arrays, read_integer_lists
from tunesmith.tasks.support.splitting import content_version
from tunesmith.tasks.support.tables import data_folder, find_file

__all__ = ["TASK"]

_FILE = "imdb.npz"
_WORD_FILE = "imdb_word_index.json"
_CLASSES = ("negative", "positive")
_LEARNED = {"train": 0.85, "validation": 0.15}
_WORDS = 20_000
_LENGTH = 500
# As Keras numbers them: 0 stands before a text, 1 begins it, 2 is a word left out, 3 is unused.
_BEGIN, _LEFT_OUT, _FIRST_WORD = 1, 2, 4
# Words of the texts that stand in for reviews, by their rank.
_STAND_IN_WORDS = tuple(f"word{rank}" for rank in range(1, 500))


def _read(store: Store, request: Request) -> TaskData:
    """Return the last 500 words of each review, words beyond the 20,000 commonest left out.

    Training reviews whose text also stands in the official test are not used.
    """
    del store
    path = find_file((_FILE,))
    notes: list[str] = []
    if path is None:
        learned, tested = _stand_in(request.seed, 1200), _stand_in(request.seed + 1, 400)
        notes.append(
            f"{_FILE} is not in {data_folder()}: keras.datasets.imdb.load_data() fetches it, copy "
            "it there. GENERATED TEXTS stand in for it; their figures say nothing about reviews."
        )
    else:
        learned, tested = _official(path, "train"), _official(path, "test")
    in_test = {_digest(review) for review in tested[0]}
    fresh = [_digest(review) not in in_test for review in learned[0]]
    if not all(fresh):
        notes.append(f"{fresh.count(False)} training reviews also stand in the test: left out.")
    reviews = [r for r, is_fresh in zip(learned[0], fresh, strict=True) if is_fresh]
    n_learned = len(reviews)
    y = np.concatenate([learned[1][np.array(fresh)], tested[1]]).astype(np.int64)
    reviews += tested[0]
    seen: dict[str, int] = {}
    groups = np.array([seen.setdefault(_digest(review), len(seen)) for review in reviews])
    parts = np.full(len(y), "test", dtype="<U10")
    parts[:n_learned] = split_pieces(y[:n_learned], groups[:n_learned], _LEARNED, request.seed)
    tokens = _padded(reviews)
    examples = Examples(
        y=y,
        classes=_CLASSES,
        groups=groups,
        ids=[f"review-{index}" for index in range(len(y))],
        views={"tokens": View.one_row_each(tokens)},
    )
    return TaskData(
        examples,
        parts,
        name=_FILE if path else "generated-sample",
        version=content_version(tokens, y),
        preparation=(
            _preparation(_first_word(learned[0])) if path else _rules(_STAND_IN_WORDS, _FIRST_WORD)
        ),
        notes=tuple(notes),
        is_sample=path is None,
        held_out="the official test reviews" if path else "generated apart",
        grouping="reviews of the same words",
    )


def _first_word(reviews: Sequence[npt.NDArray[np.int32]]) -> int:
    """Return the token of the commonest word.

    Keras's own file numbers words from 1. A file that was written after Keras had read it has a
    beginning in front of every review and its words moved by 3 already: they are moved twice then.
    """
    is_moved = all(review[0] == _BEGIN for review in reviews if len(review))
    return _FIRST_WORD + (_FIRST_WORD - 1 if is_moved else 0)


def _preparation(first: int) -> TextPreparation | None:
    """Return how texts become tokens; None where the list of words is absent."""
    path = find_file((_WORD_FILE,))
    if path is None:
        return None
    try:
        ranks = {str(word): int(rank) for word, rank in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError) as error:
        message = f"{path} is not the list of words that belongs to {_FILE}: {error}."
        raise DatasetError(message) from error
    words = sorted(ranks, key=lambda word: ranks[word])[: _WORDS - first]
    return _rules(words, first)


def _rules(words: Sequence[str], first: int) -> TextPreparation:
    return TextPreparation(
        words=tuple(words), first=first, start=_BEGIN, unknown=_LEFT_OUT, length=_LENGTH
    )


Reviews = tuple[list[npt.NDArray[np.int32]], npt.NDArray[np.int64]]


def _official(path: Path, part: str) -> Reviews:
    y = read_arrays(path, (f"y_{part}",))[f"y_{part}"].astype(np.int64)
    return read_integer_lists(path, f"x_{part}"), y


def _stand_in(seed: int, n_reviews: int) -> Reviews:
    """Return texts whose classes prefer words of their own, now and then turned round."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_reviews) % 2
    reviews = []
    for label in y:
        words = rng.integers(10, 400, rng.integers(20, 120))
        telling = rng.random(len(words)) < 0.06
        side = np.where(rng.random(len(words)) < 0.8, label, 1 - label)
        words[telling] = 400 + 50 * side[telling] + rng.integers(0, 50, telling.sum())
        reviews.append(words.astype(np.int32))
    return reviews, y


def _digest(review: npt.NDArray[np.int32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(review, dtype=np.int32).tobytes()).hexdigest()


def _padded(reviews: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    """Return ``int32 [reviews, length]``: words numbered by Keras's rules, the last ones kept."""
    rules = _rules((), _FIRST_WORD)
    tokens = np.empty((len(reviews), _LENGTH), dtype=np.int32)
    for row, review in enumerate(reviews):
        # The file numbers words from 1; Keras moves them by 3.
        words = np.asarray(review) + (_FIRST_WORD - 1)
        tokens[row] = token_row(np.where(words >= _WORDS, _LEFT_OUT, words).tolist(), rules)
    return tokens


TASK = Task(
    name="sentiment",
    title="Film reviews, favourable or not",
    kind="text",
    families=("text_linear", "text_conv", "text_rnn"),
    metric="accuracy",
    unit="review",
    licence="the words are their authors'; published for research by Maas et al., ACL 2011",
    read=_read,
    reference=Reference(
        "tutorial: LSTM of 128 over 500 words, 3 epochs, official test",
        0.8564,
        family="text_rnn",
        params={
            "cell": "lstm",
            "both_ways": False,
            "summary": "last",
            "units": 128,
            "embedding": 128,
            "words": 500,
            "masked": False,
            "dropout": 0.0,
            "learning_rate": 1e-3,
            "cooled": False,
            "batch": 64,
        },
        is_costly=True,
    ),
)
