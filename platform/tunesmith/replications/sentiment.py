"""The tutorial's LSTM on film reviews."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.training import (
    Plan,
    cut_note,
    file_version,
    mean_of,
    row_examples,
    train_and_judge,
)
from tunesmith.tasks import Request, find_file, get_task

__all__ = ["REPLICATION"]

_FILES = ("imdb.npz",)
_PUBLISHED = 0.8564
_WORDS = 10_000
_LEFT_OUT = 2
_REFERENCE = get_task("sentiment").reference
_TUTORIAL = Plan("text_rnn", dict(_REFERENCE.params) if _REFERENCE else {}, 3)
_BETTER = Plan.default("text_rnn", 3)
_BAGS = Plan.default("text_linear", 1)


def _official(setting: Setting, plan: Plan, words: int | None = None) -> Result:
    """Judge on the official test reviews; words beyond the commonest `words` are left out."""
    data = get_task("sentiment").read(setting.store, Request())
    examples = data.examples
    if words is not None:
        tokens = examples.view("tokens").x
        tokens = np.where(tokens >= words, _LEFT_OUT, tokens).astype(np.int32)
        examples = row_examples(tokens, examples.y, examples.classes, "tokens")
    train, test = np.flatnonzero(data.parts != "test"), np.flatnonzero(data.parts == "test")
    return train_and_judge(setting, plan, examples, train, test)


def _missing(setting: Setting) -> str | None:
    del setting
    if find_file(_FILES):
        return None
    return "keras.datasets.imdb.load_data() fetches imdb.npz; copy it to where TUNESMITH_DATA is"


def _rows(results: Mapping[str, Result]) -> list[Row]:
    better, bags = mean_of(results, "better"), mean_of(results, "bags")
    remarks = ["The official test is fair."]
    if better is not None and better > _PUBLISHED:
        remarks.append(
            "Gained by reading 300 words both ways, padding zeroed, and the strongest of the "
            "states in place of the last."
        )
    if bags is not None:
        remarks.append(f"A bag of words and pairs, which reads no order, scores {bags:.4f}.")
    notes = [
        f"{name} {cut}"
        for key, name in (("tutorial", "the tutorial's"), ("better", "the better"))
        if key in results and (cut := cut_note(results, key))
    ]
    return [
        Row(
            protocol="accuracy on the official 25,000 test reviews",
            published=_PUBLISHED,
            same=mean_of(results, "tutorial"),
            better=None if better is None else (better, "two-way GRU of 64"),
            difference=" ".join(remarks),
            ran="; ".join(notes),
        )
    ]


REPLICATION = Replication(
    name="sentiment",
    title="Tutorial 2023: LSTM on film reviews",
    task="sentiment",
    missing=_missing,
    version=lambda _: file_version(_FILES),
    measurements=(
        Measurement(
            "better", "a two-way GRU of 64", _BETTER.about(), partial(_official, plan=_BETTER), 400
        ),
        Measurement(
            "bags", "words and pairs of words", _BAGS.about(), partial(_official, plan=_BAGS), 20
        ),
        Measurement(
            "tutorial", "the tutorial's LSTM of 128", _TUTORIAL.about() | {"vocabulary": _WORDS},
            partial(_official, plan=_TUTORIAL, words=_WORDS), 2000,
        ),
    ),
    rows=_rows,
)  # fmt: skip
