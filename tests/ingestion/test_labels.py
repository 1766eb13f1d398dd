import pytest

from tunesmith.errors import UsageError
from tunesmith.ingestion.labels import label_entries
from tunesmith.ingestion.sources import Entry
from tunesmith.midi.composers import ComposerTable

TABLE = ComposerTable.load()


def raw(relative: str, rule: str) -> str:
    entry = Entry(f"src/{relative}", relative, (relative,), 1, "")
    return label_entries([entry], rule, TABLE)[0].raw


@pytest.mark.parametrize(
    ("relative", "rule", "expected"),
    [
        ("Bach/x/a.mid", "auto", "Bach"),
        ("bach-bwv1.mid", "auto", "bach"),
        ("Pachebel Canon.mid", "auto", "Pachebel"),
        ("lizt_rhapsody.mid", "auto", "lizt"),
        ("Strauss, J.zip/waltz.mid", "folder", "Strauss, J"),
        ("Bach/chopin-a.mid", "prefix", "chopin"),
        ("a.mid", "folder", ""),
        ("Bach/a.mid", "none", ""),
        ("set1/Bach/a.mid", r"regex:/(\w+)/", "Bach"),
        ("1850_chopin.mid", r"regex:(?P<year>\d+)_(?P<label>\w+)", "chopin"),
        ("plain.mid", r"regex:/(\w+)/", ""),
    ],
)
def test_rules(relative, rule, expected):
    assert raw(relative, rule) == expected


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mendelsonn-a.mid", "Mendelssohn"),
        ("haendel-a.mid", "Handel"),
        ("skriabin-a.mid", "Scriabin"),
        ("unknown_artist-a.mid", None),
        ("unknown-a.mid", None),
        ("-a.mid", None),
    ],
)
def test_labels_are_canonical_and_unknown_ones_are_never_guessed(name, label):
    (labelled,) = label_entries([Entry(name, name, (name,), 1, "")], "auto", TABLE)
    assert labelled.label == label


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "path,label\nset/a.mid,Bach\nsrc/set/b.mid,Chopin\nc.mid,Liszt\nx/d.mid,Bach\ny/d.mid,Ravel\n"
    )
    return path


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("set/a.mid", "Bach"),
        ("set/b.mid", "Chopin"),
        ("anywhere/c.mid", "Liszt"),
        ("z/d.mid", ""),
        ("e.mid", ""),
    ],
)
def test_a_csv_of_paths_and_labels(table, relative, expected):
    assert raw(relative, f"csv:{table}") == expected


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("foldr", "Did you mean folder"),
        ("regex:(", "not a regular expression"),
        ("regex:abc", "no group"),
        ("csv:/no/where.csv", "cannot be read"),
        ("regex:", "label rule"),
    ],
)
def test_rules_that_make_no_sense(rule, message):
    with pytest.raises(UsageError, match=message):
        label_entries([], rule, TABLE)


def test_a_csv_without_the_columns(tmp_path):
    (tmp_path / "x.csv").write_text("file,composer\na,b\n")
    with pytest.raises(UsageError, match="lacks the column label and path"):
        label_entries([], f"csv:{tmp_path / 'x.csv'}", TABLE)
