"""Scores of texts, and that trees trust them no more than they deserve."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfTransformer

from tunesmith.datasets.examples import Examples, JoinedRows, View
from tunesmith.models.text_boosting import FAMILY, FittedTextBoosting, TextScores


def _ids(rng: np.random.Generator, rows: int, slots: int = 400, width: int = 30) -> np.ndarray:
    ids = np.zeros((rows, width), dtype=np.int32)
    for row in ids:
        length = rng.integers(0, width + 1)
        row[:length] = rng.choice(np.arange(1, slots), length, replace=False)
    return ids


def test_scores_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(1)
    ids, y = _ids(rng, 200), rng.integers(0, 3, 200)
    counts = np.zeros((200, 400))
    for row, own in enumerate(ids):
        counts[row, own[own > 0]] = 1
    counts[:, counts.sum(axis=0) < 2] = 0
    # An n-gram of fewer than two texts counts nowhere; otherwise these are scikit-learn's weights.
    idf = TfidfTransformer(norm=None).fit(counts).idf_
    rows = TfidfTransformer().fit(counts).transform(counts).toarray()
    known = counts.any(axis=0)
    ratios = []
    for label in range(3):
        of, others = (rows[y == label].sum(axis=0) + 0.5, rows[y != label].sum(axis=0) + 1.0)
        ratios.append(np.log(of / of[known].sum()) - np.log(others / others[known].sum()))
    wanted = rows @ np.where(known, ratios, 0).T
    scores = TextScores.fit(ids, y, 3, smoothing=0.5)
    assert idf.max() > 2
    np.testing.assert_allclose(scores.of(ids), wanted, atol=0.02)


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 40))
def test_onnx_runtime_agrees_to_the_last_bit_on_any_ngrams(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    scores = TextScores.fit(_ids(rng, 60), rng.integers(0, 4, 60), 4, smoothing=0.1)
    given = _ids(rng, rows, slots=600)  # beyond those that were learned
    features = np.zeros((rows, 1), dtype=np.float32)
    session = onnxruntime.InferenceSession(scores.graph(1, 30).SerializeToString())
    (both,) = session.run(None, {"features": features, "text_ngrams": given})
    assert both[:, 1:].tobytes() == scores.of(given).tobytes()


def test_sums_are_exact_for_long_rows_of_heavy_ngrams() -> None:
    ids = np.tile(np.arange(1, 4001, dtype=np.int32), (4, 1))
    ids[2:, ::2] = 0
    scores = TextScores.fit(ids, np.array([0, 0, 1, 1]), 2, smoothing=1e-6)
    sums = np.abs(scores.table.astype(np.int64))[1:].sum(axis=0)
    assert sums.max() <= 2**24
    assert np.abs(scores.table).max() > 2**10  # and still finely divided


@pytest.fixture(scope="module")
def artists() -> Examples:
    """Return 40 artists of ten songs each; every title has a word that its artist alone uses.

    The word tells the class of songs by the same artist, and nothing about others. A number tells
    the class of three songs in four.
    """
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 10)
    y = groups % 2
    number = np.where(rng.random(400) < 0.75, y, 1 - y).astype(np.float32)
    own = np.column_stack([100 + groups, rng.integers(1, 100, 400)]).astype(np.int32)
    return Examples(
        y=y,
        classes=("no", "yes"),
        groups=groups,
        ids=[str(index) for index in range(400)],
        views={
            "features": View.one_row_each(number[:, None]),
            "text_ngrams": View.one_row_each(own),
        },
    )


def test_a_word_of_one_artist_alone_is_not_trusted(artists: Examples) -> None:
    (step,) = FAMILY.fit({**FAMILY.default(), "learning_rate": 0.3}, artists, seed=0, max_steps=1)
    answers = step.model.predict_proba(artists.view(FAMILY.view).x)
    number = artists.view("features").x[:, 0]
    # Trees that had seen the scores of the very same texts would answer every song rightly.
    assert np.mean((answers[:, 1] > 0.5) == number) > 0.95


def test_texts_that_several_artists_share_are_used(artists: Examples) -> None:
    shared = artists.view("text_ngrams").x.copy()
    shared[:, 0] = np.where(artists.y, 500, 501)
    views = {**artists.views, "text_ngrams": View.one_row_each(shared)}
    examples = Examples(artists.y, artists.classes, artists.groups, artists.ids, views)
    *_, step = FAMILY.fit(FAMILY.default(), examples, seed=0, max_steps=4)
    answers = step.model.predict_proba(examples.view(FAMILY.view).x)
    # The number alone is right about three in four.
    assert np.mean(answers.argmax(axis=1) == artists.y) > 0.97


def test_rows_without_a_known_ngram_are_answered(artists: Examples, tmp_path: Path) -> None:
    (step,) = FAMILY.fit(FAMILY.default(), artists, seed=0, max_steps=1)
    step.model.export_onnx(tmp_path / "model.onnx")
    step.model.save(tmp_path)
    rows = {
        "features": np.array([[0], [np.nan]], dtype=np.float32),
        "text_ngrams": np.array([[0, 0], [2**30, 7_000]], dtype=np.int32),
    }
    (answers,) = onnxruntime.InferenceSession(str(tmp_path / "model.onnx")).run(None, rows)
    assert np.isfinite(answers).all()
    own = FittedTextBoosting.load(tmp_path).predict_proba(JoinedRows(rows))
    np.testing.assert_allclose(answers, own, atol=1e-6)


def test_one_group_alone_can_be_learned_from(artists: Examples) -> None:
    one = Examples(artists.y, artists.classes, np.zeros(400, int), artists.ids, artists.views)
    (step,) = FAMILY.fit(FAMILY.default(), one, seed=0, max_steps=1)
    assert np.isfinite(step.model.predict_proba(one.view(FAMILY.view).x)).all()


def test_rows_without_any_text_are_learned_from_by_their_numbers(artists: Examples) -> None:
    views = {**artists.views, "text_ngrams": View.one_row_each(np.zeros((400, 2), np.int32))}
    examples = Examples(artists.y, artists.classes, artists.groups, artists.ids, views)
    (step,) = FAMILY.fit(FAMILY.default(), examples, seed=0, max_steps=1)
    answers = step.model.predict_proba(examples.view(FAMILY.view).x)
    assert np.mean((answers[:, 1] > 0.5) == examples.view("features").x[:, 0]) > 0.95
