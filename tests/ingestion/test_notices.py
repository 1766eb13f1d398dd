import pyarrow as pa
import pytest

from tunesmith.artifacts.manifest import MOST_FILES
from tunesmith.ingestion.labels import Labelled, label_entries
from tunesmith.ingestion.notices import label_doubts, mixture_notices
from tunesmith.ingestion.sources import Entry
from tunesmith.midi.composers import ComposerTable

TABLE = ComposerTable.load()


def doubts_of(*names):
    entries = [Entry(f"src/{name}", name, (name,), 1, "") for name in names]
    return label_doubts(label_entries(entries, "auto", TABLE), TABLE)


def notices_of(*names):
    return [doubt.text for doubt in doubts_of(*names)]


def test_one_folder_too_high_is_told_with_the_remedy():
    (notice,) = notices_of("Data/Bach/a.mid", "Data/Chopin/b.mid", "Data/Chopin/c.mid")
    assert notice.startswith("All 3 labelled files have the label 'Data'")
    assert "Chopin, Bach" in notice
    assert r"--label 'regex:^[^/]+/([^/]+)/'" in notice
    assert notices_of("Bach/op1/a.mid", "Bach/op2/b.mid", "Chopin/x/b.mid") == []


@pytest.mark.parametrize(
    "names",
    [
        ("Ambroise/a.mid", "Thomas/b.mid"),
        ("Langgaard/a.mid", "Langgard/b.mid"),
        ("Rued Langgaard/a.mid", "Langgaard/b.mid"),
    ],
)
def test_likely_doubles_are_told(names):
    (notice,) = notices_of(*names, "Bach/c.mid", "C.P.E. Bach/d.mid", "Haydn/e.mid")
    assert "may be one label" in notice
    assert all(name.partition("/")[0] in notice for name in names)


def test_relatives_of_the_table_are_no_doubles():
    names = ("Bach", "C.P.E. Bach", "Strauss", "Richard Strauss", "Haydn", "Michael Haydn")
    assert notices_of(*(f"{name}/x.mid" for name in names)) == []


def test_files_named_after_another_composer_are_told():
    (notice,) = notices_of(
        "Thomas/chopin_etude.mid", "Thomas/chopin-a.mid", "Bach/bach_c_major.mid"
    )
    assert notice == "Thomas: 2 files begin with the name Chopin (chopin_etude.mid, chopin-a.mid)."


def test_doubts_come_with_their_files():
    (doubt,) = doubts_of("Langgaard/a.mid", "Langgard/b.mid", "Langgaard/c.mid", "Bach/d.mid")
    assert doubt.files == {
        "Langgard": ["src/Langgard/b.mid"],
        "Langgaard": ["src/Langgaard/a.mid", "src/Langgaard/c.mid"],
    }
    names = [f"Thomas/chopin_{number}.mid" for number in range(MOST_FILES + 9)]
    (doubt,) = doubts_of(*names, "Bach/a.mid")
    assert doubt.text.startswith(f"Thomas: {len(names)} files begin with the name Chopin")
    assert doubt.files == {"Chopin": [f"src/{name}" for name in names[:MOST_FILES]]}


def test_clusters_with_several_labels_are_told():
    pieces = pa.table(
        {
            "cluster": [0, 0, 1, 1, 2, 2],
            "label": ["Bach", "Liszt", "Bach", "Bach", None, "Bach"],
            "path": [f"s/{name}.mid" for name in "abcdef"],
        }
    )
    (notice,) = mixture_notices(pieces)
    assert notice.startswith("1 cluster of the same music holds more than one label")
    assert "Bach (a.mid) = Liszt (b.mid)" in notice
    assert mixture_notices(pieces.slice(2)) == []


@pytest.mark.parametrize(
    "labels",
    [
        ("Rock", "rock"),
        ("hip hop", "Hip-Hop"),
        ("Caf\u00e9", "Cafe"),
        ("R&B", "r & b"),
        ("01", "1"),
    ],
)
def test_labels_that_differ_by_case_or_marks_alone_are_told(labels):
    files = [
        Labelled(Entry(f"src/{label}/a.mid", f"{label}/a.mid", (label,), 1, ""), label, label)
        for label in labels
    ]
    (doubt,) = label_doubts(files, TABLE)
    assert "may be one label" in doubt.text
    assert set(doubt.files) == set(labels)
