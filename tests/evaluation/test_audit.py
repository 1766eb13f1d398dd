import numpy as np
import pandas as pd
import pytest

from tests import artefacts
from tests.artefacts import make_notes
from tunesmith.artifacts.reports import AuditFinding
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.audit import audit
from tunesmith.midi.fingerprints import fingerprint
from tunesmith.midi.transforms import scale_tempo_notes, transpose_chunks, transpose_notes


@pytest.fixture
def sides():
    """Return two sides of a clean split."""
    examples = artefacts.make_examples(120)
    test = examples.groups // 3 % 3 == 0
    return examples.take(np.flatnonzero(~test)), examples.take(np.flatnonzero(test))


def by_check(findings) -> dict[str, AuditFinding]:
    return {finding.check: finding for finding in findings}


def with_views(examples: Examples, **views: View) -> Examples:
    parts = {name: getattr(examples, name) for name in ("y", "classes", "groups", "ids")}
    return Examples(**parts, views={**examples.views, **views})


def joined(first: Examples, second: Examples) -> Examples:
    """Return the items of both."""
    views = {
        name: View(
            np.concatenate([view.x, second.view(name).x]),
            np.concatenate([view.item, second.view(name).item + len(first)]),
        )
        for name, view in first.views.items()
    }
    return Examples(
        np.concatenate([first.y, second.y]),
        first.classes,
        np.concatenate([first.groups, second.groups]),
        [*first.ids, *second.ids],
        views,
    )


def relabelled(examples: Examples, groups, ids) -> Examples:
    return Examples(examples.y, examples.classes, groups, ids, examples.views)


def test_a_clean_split_is_clear(sides):
    learned, test = sides
    notes = {name: make_notes(i) for i, name in enumerate([*learned.ids, *test.ids])}
    random = np.random.default_rng(0)
    metadata = pd.DataFrame({"n_tracks": random.integers(1, 9, 120)}, index=list(notes))
    prints = {name: fingerprint(piece) for name, piece in notes.items()}
    found = audit(learned, test, fingerprints=prints, metadata=metadata)
    assert {f.result for f in found} <= {"clear", "not applicable"}, found


def test_a_piece_on_both_sides_is_found(sides):
    learned, test = sides
    leaky = joined(learned, test.take([4]))
    found = by_check(audit(leaky, test))
    assert found["items on both sides"].result == "leak"
    assert found["items on both sides"].facts["examples"] == [test.ids[4]]
    assert found["groups on both sides"].result == "leak"
    assert found["equal rows"].facts["items"] == 1


def test_a_piece_under_another_name_is_found_by_its_rows(sides):
    learned, test = sides
    copy = test.take(range(6))
    copy = relabelled(copy, 1000 + np.arange(6), [f"copy{i}" for i in range(6)])
    found = by_check(audit(joined(learned, copy), test))
    assert found["items on both sides"].result == "clear"
    assert found["groups on both sides"].result == "clear"
    assert found["equal rows"].result == "leak"
    assert found["equal rows"].facts["items"] == 6


@pytest.mark.parametrize("semitones", [-7, -2, 5])
def test_a_transposed_copy_is_found_in_chunks(sides, semitones):
    learned, test = sides
    copy = relabelled(test.take([3]), np.array([1000]), ["copy"])
    chunks = copy.view("chunks")
    copy = with_views(
        copy,
        chunks=View(transpose_chunks(chunks.x, semitones), chunks.item),
        features=View.one_row_each(copy.view("features").x + 1),
    )
    found = by_check(audit(joined(learned, copy), test))
    assert found["equal rows"].result == "clear"
    assert found["transposed chunks"].result == "leak"
    assert found["transposed chunks"].facts["examples"] == [test.ids[3]]


def test_a_transposed_faster_copy_is_found_in_notes(sides):
    learned, test = sides
    notes = {name: make_notes(i) for i, name in enumerate([*learned.ids, *test.ids])}
    notes[learned.ids[0]] = scale_tempo_notes(transpose_notes(notes[test.ids[2]], 4), 1.13)
    prints = {name: fingerprint(piece) for name, piece in notes.items()}
    found = by_check(audit(learned, test, fingerprints=prints))
    assert found["same music"].result == "leak"
    assert found["same music"].facts["examples"] == [test.ids[2]]


def planted(sides, column) -> list[Examples]:
    """Return both sides with a table of rows a chunk, its last column made by `column`."""
    random = np.random.default_rng(1)
    planted = []
    for examples in sides:
        item = examples.view("chunks").item
        table = random.normal(size=(len(item), 4))
        table[:, 3] = column(examples, item, random)
        planted.append(with_views(examples, table=View(table, item)))
    return planted


NAMES = {"table": ("tempo", "density", "range", "suspect")}


def test_a_column_constant_in_a_file_is_found(sides):
    def length_of_file(examples, item, random):
        return random.normal(size=len(examples))[item]

    found = by_check(audit(*planted(sides, length_of_file), columns=NAMES))
    assert found["columns constant in a file"].result == "leak"
    assert found["columns constant in a file"].facts["columns"] == ["suspect"]
    assert found["label in a column"].result == "clear"


def test_the_label_in_a_column_is_found(sides):
    def label(examples, item, random):
        return 7.0 - 2 * examples.y[item] + random.normal(size=len(item)) / 50

    found = by_check(audit(*planted(sides, label), columns=NAMES))
    assert found["label in a column"].result == "leak"
    assert found["label in a column"].facts["columns"] == ["suspect"]
    assert found["columns constant in a file"].result == "clear"


def test_a_feature_of_the_notes_that_gives_the_label_is_a_caution(sides):
    def label(examples, item, random):
        return 7.0 - 2 * examples.y[item] + random.normal(size=len(item)) / 50

    learned, test = planted(sides, label)
    notes = {name: make_notes(i) for i, name in enumerate([*learned.ids, *test.ids])}
    prints = {name: fingerprint(piece) for name, piece in notes.items()}
    found = by_check(audit(learned, test, columns=NAMES, fingerprints=prints))
    assert found["label in a column"].result == "caution"


def test_the_label_of_rare_classes_in_a_column_is_found():
    # Ranges of equal counts would cut through the few items of the rare classes.
    random = np.random.default_rng(0)
    y = random.choice(3, 900, p=[0.9, 0.07, 0.03])
    table = random.normal(size=(900, 3))
    table[:, 1] = y + random.normal(size=900) / 50
    examples = Examples(
        y, artefacts.CLASSES, np.arange(900), [f"i{i}" for i in range(900)],
        {"table": View.one_row_each(table)},
    )  # fmt: skip
    sides = examples.take(range(600)), examples.take(range(600, 900))
    found = by_check(audit(*sides, columns={"table": ("a", "suspect", "b")}))
    assert found["label in a column"].facts["columns"] == ["suspect"]


def test_a_harmless_column_is_clear(sides):
    def harmless(examples, item, random):
        return random.normal(size=len(item))

    found = by_check(audit(*planted(sides, harmless), columns=NAMES))
    assert found["label in a column"].result == "clear"
    assert found["label in a column"].facts["best"]["balanced_accuracy"] < 0.7
    assert found["columns constant in a file"].result == "clear"


def test_metadata_that_tells_the_encoder_is_a_caution(sides):
    learned, test = sides
    names, y = [*learned.ids, *test.ids], np.concatenate([learned.y, test.y])
    resolution = np.choose(y, [96, 480, 1024])
    metadata = pd.DataFrame({"ticks_per_quarter": resolution}, index=names)
    found = by_check(audit(learned, test, metadata=metadata))["file metadata alone"]
    assert found.result == "caution"
    assert found.facts["balanced_accuracy"]["value"] == 1.0
    assert "ticks_per_quarter" in found.message


def test_leaks_come_first(sides):
    learned, test = sides
    results = [f.result for f in audit(joined(learned, test.take([0])), test)]
    order = ["leak", "caution", "clear", "not applicable"]
    assert results == sorted(results, key=order.index)
    assert results[0] == "leak"
