import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tests import artefacts
from tests.evaluation.test_selection import NAMES, table
from tests.evaluation.test_words import CLASSES, RULES, counting_model
from tests.serving.accessibility import violations_of_document
from tests.serving.browser import in_chromium
from tunesmith.artifacts.reports import open_report
from tunesmith.artifacts.runs import open_run
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import ModelError, StoreError, UsageError
from tunesmith.evaluation.metrics import score
from tunesmith.evaluation.parts import parts_of
from tunesmith.evaluation.predictions import predict
from tunesmith.inference.runs import load_run
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.registry import promote
from tunesmith.reports.evaluation_page import render_report
from tunesmith.reports.publishing import make_report


@pytest.fixture
def examples():
    return artefacts.make_examples()


@pytest.fixture
def searched(store, examples, monkeypatch):
    """Return a store with one run whose examples need no dataset."""
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    artefacts.stand_in(monkeypatch, examples)
    return store


def test_parts_are_those_of_the_search(searched, examples):
    run = open_run(searched, "composer")
    parts = parts_of(run, examples)
    split = run.table("split").set_index("id")["part"]
    assert list(parts.test.ids) == list(split[split == "test"].index)
    assert list(parts.learned.ids) == list(split[split != "test"].index)
    assert not set(parts.test.groups) & set(parts.learned.groups)
    assert sum(parts.counts["train"].values()) == (split == "train").sum()


def test_report_is_measured_on_the_test_part(searched, examples):
    report = make_report(searched, "composer")
    test = parts_of(open_run(searched, "composer"), examples).test
    view = test.view("chunks")
    model = artefacts.chunk_model(artefacts.register_weights())
    by_chunk = artefacts.answer(model, {"chunks": view.x})
    by_piece = np.stack([by_chunk[view.item == i].mean(axis=0) for i in range(len(test))])
    metrics = report.record.metrics
    piece, chunk = metrics["piece"], metrics["chunk"]
    answered = by_piece.argmax(axis=1)
    assert piece["accuracy"].value == pytest.approx(accuracy_score(test.y, answered))
    assert piece["macro_f1"].value == pytest.approx(f1_score(test.y, answered, average="macro"))
    expected = accuracy_score(test.y[view.item], by_chunk.argmax(axis=1))
    assert chunk["accuracy"].value == pytest.approx(expected)
    assert report.record.n_test == len(test)
    assert np.sum(report.record.confusion) == len(test)


def test_majority_baseline_knows_the_training_labels_alone(searched, examples):
    report = make_report(searched, "composer")
    parts = parts_of(open_run(searched, "composer"), examples)
    most = np.bincount(parts.learned.y).argmax()
    found = report.record.baseline["majority"]["piece"]["accuracy"].value
    assert found == pytest.approx(np.mean(parts.test.y == most))
    assert report.record.metrics["piece"]["accuracy"].low > found


def test_every_file_of_the_report_is_there_and_the_page_needs_no_other(searched):
    report = make_report(searched, "composer")
    names = set(searched.list(*report.parts))
    assert names >= {"report.json", "report.html", "confusion.png", "predictions.parquet"}
    page = searched.read_bytes(*report.parts, "report.html").decode()
    for outside in ('src="', 'href="http', "url(http", "<script", "@import"):
        assert outside not in page
    assert "prefers-color-scheme: dark" in page
    stored = searched.read_json(*report.parts, "report.json")
    assert stored == json.loads(json.dumps(report.facts))
    reopened = open_report(searched, "composer", "r1")
    assert reopened is not None
    assert reopened.record == report.record
    assert render_report(reopened.record, {}) == render_report(report.record, {})


def test_predictions_table_holds_every_test_piece(searched, examples):
    report = make_report(searched, "composer")
    table = report.predictions()
    test = parts_of(open_run(searched, "composer"), examples).test
    assert list(table["id"]) == list(test.ids)
    right = np.mean(table["label"] == table["answer"])
    assert right == pytest.approx(report.record.metrics["piece"]["accuracy"].value)
    assert np.stack(table["probabilities"].to_numpy()).sum(axis=1) == pytest.approx(1)


def test_a_search_that_was_not_made_is_named_with_its_command(store):
    with pytest.raises(StoreError, match=r"tunesmith tune composer"):
        make_report(store, "composer")


def test_an_unknown_run_names_the_near_ones(searched):
    with pytest.raises(UsageError, match="Did you mean r1"):
        make_report(searched, "composer", "r2")


def test_items_that_left_the_data_are_reported(searched, examples, monkeypatch):
    artefacts.stand_in(monkeypatch, examples.take(range(10)))
    with pytest.raises(ModelError, match="not in its data"):
        make_report(searched, "composer")


@in_chromium
def test_axe_finds_no_violation_on_the_page(searched, tmp_path):
    report = make_report(searched, "composer")
    page = searched.read_bytes(*report.parts, "report.html").decode()
    assert violations_of_document(page, tmp_path) == {}


def test_classes_in_another_order_are_refused(searched, examples, monkeypatch):
    turned = artefacts.make_examples()
    object.__setattr__(turned, "classes", ("mozart", "chopin", "bach"))
    object.__setattr__(turned, "y", 2 - turned.y)
    artefacts.stand_in(monkeypatch, turned)
    with pytest.raises(ModelError, match="the data has mozart, chopin, bach"):
        make_report(searched, "composer")


def pieces_run(store, monkeypatch, model):
    """Write a run on pieces of music and let evaluation read them."""
    dataset = artefacts.FakeDataset(n=90)
    examples = dataset.examples()
    artefacts.write_run(store, examples, model)
    artefacts.stand_in(monkeypatch, examples, dataset)
    return make_report(store, "composer")


FIGURES = {
    "balance", "behaviour", "calibration", "confusion", "curves", "importance", "search",
    "segments", "slices",
}  # fmt: skip


def test_a_model_of_chunks_gets_every_section(store, monkeypatch):
    report = pieces_run(store, monkeypatch, artefacts.chunk_model(artefacts.register_weights()))
    drawn = {n.removesuffix(".png") for n in store.list(*report.parts) if n.endswith(".png")}
    assert drawn == FIGURES
    page = store.read_bytes(*report.parts, "report.html").decode()
    for name in ("robustness", "calibration", "segments", "leak-checks", "search", "data"):
        assert f'<h2 id="{name}">' in page
    assert page.count("<svg") == len(FIGURES) + page.count('class="ribbon"')
    checks = {finding.check: finding.result for finding in report.record.audit}
    assert checks["items on both sides"] == "clear"
    assert checks["file metadata alone"] in {"clear", "caution"}
    kinds = [row.kind for row in report.record.segments]
    assert set(kinds) <= {"confident and right", "confident and wrong", "uncertain"}
    assert len({row.id for row in report.record.segments}) == len(kinds)


def test_a_model_of_features_is_also_measured_on_the_notes_of_each_chunk(store, monkeypatch):
    weights = np.random.default_rng(0).normal(size=(len(FEATURE_NAMES), 3))
    report = pieces_run(store, monkeypatch, artefacts.feature_model(weights))
    assert "the notes that begin inside each chunk" in report.record.chunk_note
    assert report.record.metrics.keys() == {"piece", "chunk"}
    assert report.record.metrics["piece"] != report.record.metrics["chunk"]
    segment = report.record.segments[0]
    assert segment.start_s % (artefacts.FRAMES / 10) == pytest.approx(0)


def test_wrong_answers_are_listed_with_their_segments(store, monkeypatch):
    weights = np.random.default_rng(0).normal(size=(len(FEATURE_NAMES), 3))
    report = pieces_run(store, monkeypatch, artefacts.feature_model(weights))
    frame = report.predictions()
    wrong = frame[frame["answer"] != frame["label"]].set_index("id")

    mistakes = report.record.mistakes

    assert report.record.n_mistakes == len(wrong) == len(mistakes) > 0
    assert {mistake.id for mistake in mistakes} == set(wrong.index)
    assert sorted(mistakes, key=lambda row: -row.confidence) == list(mistakes)
    page = store.read_bytes(*report.parts, "report.html").decode()
    for mistake in mistakes:
        row = wrong.loc[mistake.id]
        assert (mistake.label, mistake.answer) == (row["label"], row["answer"])
        assert mistake.confidence == pytest.approx(row["confidence"])
        assert mistake.of_label < mistake.confidence
        assert len(mistake.segments) == len(mistake.starts_s) > 0
        assert mistake.starts_s[0] == 0.0
        assert mistake.path.rsplit("/", 1)[-1] in page
        assert mistake.clip.start_s in mistake.starts_s
        assert all(0 <= onset < artefacts.FRAMES / 10 for onset, *_ in mistake.clip.notes)
    assert page.count('class="ribbon"') == page.count("<button") == len(mistakes)
    assert "script-src &#39;sha256-" in page


def test_a_model_of_both_sees_the_whole_piece_beside_each_chunk(store, monkeypatch):
    weights = np.random.default_rng(0).normal(size=(len(FEATURE_NAMES), 3))
    model = artefacts.mixed_model(artefacts.register_weights(), weights)
    report = pieces_run(store, monkeypatch, model)
    assert "the whole piece too" in report.record.chunk_note
    assert report.record.metrics.keys() == {"piece", "chunk"}
    assert report.record.behaviour.pieces == report.record.n_test
    assert promote(store, "composer", force="a test").card.inputs.keys() == {
        "chunks",
        "features",
    }


def test_inner_names_of_drawings_do_not_meet(store, monkeypatch):
    report = pieces_run(store, monkeypatch, artefacts.chunk_model(artefacts.register_weights()))
    page = store.read_bytes(*report.parts, "report.html").decode()
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    wanted = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    assert wanted <= set(names)


def test_the_temperature_that_the_search_found_is_part_of_every_figure(store, monkeypatch):
    examples = artefacts.make_examples(240)
    sure = artefacts.chunk_model(artefacts.register_weights(40.0))
    artefacts.write_run(store, examples, sure, temperature=2.5)
    artefacts.stand_in(monkeypatch, examples)
    record = make_report(store, "composer").record
    assert record.calibration.temperature == 2.5
    after, before = record.metrics["piece"], record.calibration.before
    assert after["log_loss"].value < before["log_loss"].value
    assert after["ece"].value < before["ece"].value
    bundle = promote(store, "composer")
    test = parts_of(open_run(store, "composer"), examples).test
    shipped = predict(bundle.load(), test)
    raw = predict(load_run(open_run(store, "composer")), test)
    expected = raw.tempered(record.calibration.temperature)
    np.testing.assert_allclose(shipped.by_row, expected.by_row, atol=1e-5)
    assert score(test.y, shipped.by_item)["log_loss"].value == pytest.approx(
        after["log_loss"].value, abs=1e-5
    )


def test_few_groups_and_no_errors_are_told(store, monkeypatch):
    examples = artefacts.make_examples(60, overlap=0)
    few = Examples(examples.y, examples.classes, examples.y, examples.ids, examples.views)
    # Three groups, one a class: all of them in each part.
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights(60.0)))
    artefacts.stand_in(monkeypatch, few)
    notes = " ".join(make_report(store, "composer").record.notes)
    assert "only 3 independent groups" in notes
    assert "no error among" in notes


def test_figures_without_the_items_that_leaked_stand_beside(store, monkeypatch):
    examples = artefacts.make_examples(120)
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    run = open_run(store, "composer")
    test = list(parts_of(run, examples).test.ids)
    split = run.table("split")
    # The group of one test item is given to a learned one, as a wrong split would.
    learned = split.index[split["part"] == "train"][0]
    groups = examples.groups.copy()
    groups[learned] = groups[examples.ids.index(test[0])]
    leaky = Examples(examples.y, examples.classes, groups, examples.ids, examples.views)
    artefacts.stand_in(monkeypatch, leaky)
    report = make_report(store, "composer")
    (leak,) = report.record.leaks
    without = report.record.without_leaks
    assert without.left_out == leak.facts["items"] > 0
    assert without.metrics["accuracy"] != report.record.metrics["piece"]["accuracy"]
    page = " ".join(store.read_bytes(*report.parts, "report.html").decode().split())
    assert f"Without the {without.left_out} of {len(test)} test pieces" in page


def run_of_kind(store, monkeypatch, examples, model, **facts):
    """Write a run of another kind of items and evaluate it."""
    artefacts.write_run(store, examples, model)
    parts = ("runs", "composer", "r1", "run.json")
    store.write_json(store.read_json(*parts) | facts, *parts)
    artefacts.stand_in(monkeypatch, examples)
    report = make_report(store, "composer")
    page = store.read_bytes(*report.parts, "report.html").decode()
    return report.record, " ".join(page.split())


def test_pictures_are_shown_and_their_importance_is_a_map(store, monkeypatch):
    examples = artefacts.make_examples(120)
    x = np.abs(examples.view("features").x)
    pictures = Examples(
        examples.y, examples.classes, examples.groups, examples.ids,
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    record, page = run_of_kind(
        store, monkeypatch, pictures, artefacts.feature_model(artefacts.feature_weights()),
        kind="image", features=[f"pixel_{i}_{j}" for i in range(2) for j in range(3)],
    )  # fmt: skip
    assert (record.pictures.height, record.pictures.width) == (2, 3)
    assert np.shape(record.importance.grid) == (2, 3)
    assert '<h2 id="examples">' in page
    assert "One pixel shuffled between items" in page


def test_texts_are_shown_with_the_words_that_move_the_answer(store, monkeypatch):
    random = np.random.default_rng(0)
    x = random.integers(4, 44, (240, 30)).astype(np.int32)
    y = ((x == 11).sum(axis=1) > (x == 25).sum(axis=1)).astype(int)
    texts = Examples(
        y, CLASSES, np.arange(240), [f"t{i}" for i in range(240)],
        {"tokens": View.one_row_each(x)},
    )  # fmt: skip
    record, page = run_of_kind(
        store, monkeypatch, texts, counting_model(good=11, bad=25), kind="text",
        classes=list(CLASSES), preparation=RULES.model_dump(mode="json"),
    )  # fmt: skip
    assert record.words.words[0].word == "word7"
    assert record.importance is None
    assert {row.kind for row in record.texts} == {"confident and right", "uncertain"}
    assert record.texts[0].text.split()[0].startswith("word")
    assert "Change in the probability of" in page


def test_a_table_tells_what_correlation_costs(store, monkeypatch):
    songs = table(240)
    x = np.nan_to_num(songs.view("features").x)
    songs = Examples(
        songs.y, songs.classes, songs.groups, songs.ids, {"features": View.one_row_each(x)}
    )
    record, page = run_of_kind(
        store, monkeypatch, songs, artefacts.feature_model(np.eye(5, 3)), kind="table",
        features=list(NAMES),
    )  # fmt: skip
    assert {row.choice for row in record.selection.choices} == {
        "all", "by correlation", "by importance"
    }  # fmt: skip
    assert "Columns selected by importance or by correlation" in page


def test_classes_that_changed_since_the_search_are_refused(store):
    examples = artefacts.make_examples()
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    y = examples.y.copy()
    y[:5] = (y[:5] + 1) % len(examples.classes)
    changed = Examples(y, examples.classes, examples.groups, examples.ids, examples.views)
    with pytest.raises(ModelError, match=r"class of 5 of the 90 .* 'bach' and is 'chopin'"):
        parts_of(open_run(store, "composer"), changed)


def test_a_split_with_one_class_on_one_side_is_evaluated(store, monkeypatch):
    dataset = artefacts.FakeDataset(24)
    examples = dataset.examples()
    # Every label is one cluster of duplicates: the test part holds all of two of them.
    examples = replace(examples, groups=np.where(examples.y == 2, 1, 0))
    # With this seed group 0 is the test part, and group 1 the training part.
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    artefacts.stand_in(monkeypatch, examples, dataset, drawn=False)
    record = make_report(store, "composer").record
    assert record.parts["train"]["mozart"] + record.parts["validation"]["mozart"] == 8
    assert record.parts["test"] == {"bach": 8, "chopin": 8, "mozart": 0}
    assert record.baseline["linear"]["piece"]["accuracy"].value == 0
