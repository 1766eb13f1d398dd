import numpy as np
import pytest

from tests import artefacts
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import ModelError, UsageError
from tunesmith.evaluation.predictions import predict, rows_of
from tunesmith.inference.classifier import Classifier


def test_a_view_of_items_stands_beside_every_chunk():
    examples = artefacts.make_examples(12)
    rows = rows_of(examples, {"features": None, "chunks": None})
    assert len(rows) == len(examples.view("chunks"))
    features = examples.view("features").x
    np.testing.assert_array_equal(rows.inputs["features"], features[rows.item])


def test_views_that_cut_items_differently_are_refused():
    views = {"a": View(np.zeros(3), np.array([0, 0, 1])), "b": View(np.zeros(2), np.array([1, 1]))}
    examples = Examples(np.array([0, 0]), ("x",), np.array([0, 1]), ["p", "q"], views)
    with pytest.raises(ModelError, match="cut the items"):
        rows_of(examples, {"a": None, "b": None})


def test_an_input_that_is_no_view_is_named():
    with pytest.raises(UsageError, match="chunks"):
        rows_of(artefacts.make_examples(3), {"chunk": None})


def test_batches_do_not_change_answers(monkeypatch):
    examples = artefacts.make_examples(30)
    model = artefacts.chunk_model(artefacts.register_weights())
    classifier = Classifier(model, classes=artefacts.CLASSES)
    whole = predict(classifier, examples)
    monkeypatch.setattr("tunesmith.evaluation.predictions._BATCH_ROWS", 7)
    np.testing.assert_allclose(predict(classifier, examples).by_row, whole.by_row, atol=1e-7)
    assert whole.has_many_rows
    assert not predict(
        Classifier(artefacts.feature_model(artefacts.feature_weights()), classes=artefacts.CLASSES),
        examples,
    ).has_many_rows


def test_row_table_counts_the_chunks_of_each_piece():
    examples = artefacts.make_examples(10)
    model = artefacts.chunk_model(artefacts.register_weights())
    found = predict(Classifier(model, classes=artefacts.CLASSES), examples)
    table = found.row_table()
    assert list(table["id"]) == [examples.ids[i] for i in found.item]
    assert table.groupby("id")["index"].max().tolist() == (table.groupby("id").size() - 1).tolist()
    assert found.table()["rows"].tolist() == np.bincount(found.item).tolist()
