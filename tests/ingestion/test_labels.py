import json

import pandas as pd
import pytest

from tunesmith.errors import UsageError
from tunesmith.ingestion.labels import label_entries, label_files
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
        ("Pachebel Canon.mid", "auto", "pachebel"),
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
    (tmp_path / "x.csv").write_text("song,writer\na,b\n")
    with pytest.raises(UsageError, match="lacks the column label and path; it has song, writer"):
        label_entries([], f"csv:{tmp_path / 'x.csv'}", TABLE)


def entries(*names):
    return [Entry(f"src/{name}", name, (name,), 1, "") for name in names]


def labels_of(*names, rule="auto", table=TABLE):
    return [file.label for file in label_entries(entries(*names), rule, table)]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("bach_846-fugue.mid", "Bach"),
        ("01 - Beethoven - Sonata.mid", "Beethoven"),
        ("Bach\u2013Prelude.mid", "Bach"),
        ("Chopin\u2014Etude.mid", "Chopin"),
        ("001_chopin_etude.mid", "Chopin"),
        ("12. Liszt, Franz - La Campanella.mid", "Liszt"),
        ("bach-cpe-solfeggietto.mid", "C. P. E. Bach"),
        ("strauss-richard-lied.mid", "R. Strauss"),
        ("johann_strauss_waltz.mid", "Strauss"),
        ("schumann-clara-romance.mid", "Clara Schumann"),
        ("saint-saens-aquarium.mid", "Saint-Saens"),
        ("vaughan_williams_lark.mid", "Vaughan Williams"),
        ("thomas_tallis_spem.mid", "Tallis"),
        ("mozart_k331.mid", "Mozart"),
        ("bach_c_major_prelude.mid", "Bach"),
        ("Bach Prelude.mid.gz", "Bach"),
        ("saint_james_infirmary.mid", None),
        ("peterson_hymn_to_freedom.mid", None),
        ("vaughan_stevie_ray.mid", None),
        ("bachelor_party.mid", None),
        ("langgaard-missa.mid", "langgaard"),
        ("Beethoven5.mid", "Beethoven"),
        ("mozart40-finale.mid", "Mozart"),
        ("ChopinEtude.mid", "Chopin"),
        ("JSBachInvention3.mid", "Bach"),
        ("strauss_r_don_juan.mid", "R. Strauss"),
        ("haydn_m_requiem.mid", "M. Haydn"),
        ("bach_c_major.mid", "Bach"),
        ("mozart_k331_a.mid", "Mozart"),
        ("calm1.mid", None),
    ],
)
def test_a_prefix_names_a_composer_or_nobody(name, label):
    assert labels_of(name) == [label]


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("Bach.tar.gz", "Bach"),
        ("Bach.tgz", "Bach"),
        ("Chopin.zip", "Chopin"),
        ("Haydn, Joseph.tar.xz", "Haydn"),
        (".ipynb_checkpoints", None),
        ("$RECYCLE.BIN", None),
        ("lost+found", None),
        ("System Volume Information", None),
        ("@eaDir", None),
    ],
)
def test_archives_are_labels_and_tool_folders_are_not(folder, label):
    assert labels_of(f"{folder}/x.mid") == [label]


@pytest.mark.parametrize(
    "folders",
    [
        ["happy", "sad", "calm_slow", "none"],
        ["March", "field", "sad", "ANGRY", "zz_top"],
        ["zelda", "mario", "sonic"],
    ],
)
def test_labels_that_are_no_composers_are_left_untouched(folders):
    assert labels_of(*(f"{folder}/a.mid" for folder in folders)) == folders


def test_first_words_that_repeat_are_labels():
    assert (
        labels_of("calm_1.mid", "calm_2.mid", "sad_1.mid", "sad_2.mid")
        == ["calm"] * 2 + ["sad"] * 2
    )


def test_without_a_table_labels_stay_as_they_are():
    assert labels_of("bach/a.mid", "Liszt, F./b.mid", table=None) == ["bach", "Liszt, F."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "header", [("path", "label"), ("midi_filename", "canonical_composer"), ("File Name", "Mood")]
)
def test_tables_of_any_code_page_separator_and_column_names(tmp_path, encoding, separator, header):
    rows = [
        ("year", *header),
        ("2004", "set\\\u00c9tude.MID", "Fr\u00f6hlich"),
        ("2006", "b", "sad"),
    ]
    path = tmp_path / "labels.csv"
    path.write_bytes("\r\n".join(separator.join(row) for row in rows).encode(encoding))
    names = ["set/E\u0301tude.mid", "x/b.midi"]
    assert labels_of(*names, rule=f"csv:{path}") == ["Fr\u00f6hlich", "sad"]


def test_rows_that_are_not_used_are_told(tmp_path):
    path = tmp_path / "labels.csv"
    rows = [
        "a.mid,Bach",
        "gone.mid,Bach",
        "x/b.mid,Bach",
        "X/B.mid,Liszt",
        "c.mid,Bach",
        "d.mid,Bach",
    ]
    path.write_text("\n".join(["path,label", *rows]))
    labels = label_files(entries("a.mid", "x/b.mid", "p/c.mid", "q/c.mid"), f"csv:{path}", TABLE)
    assert [file.label for file in labels.files] == ["Bach", None, "Bach", "Bach"]
    assert labels.notices == [
        "labels.csv: 2 rows fit no file: gone.mid, d.mid.",
        "labels.csv: 1 path has several rows: x/b.",
        "labels.csv: 1 row fits several files: c.mid.",
        "labels.csv: 1 file has no label because its rows disagree: src/x/b.mid.",
    ]


@pytest.mark.data
def test_the_collected_names_are_divided_rightly(data_dir):
    path = data_dir.parent / "cases" / "labels.json"
    if not path.exists():
        pytest.skip("no collected names beside the data")
    cases = json.loads(path.read_text())
    for names, labels in (
        (cases["folders"], labels_of(*(f"{name}/a.mid" for name in cases["folders"]))),
        (cases["file_prefixes"], labels_of(*cases["file_prefixes"])),
    ):
        pairs = set(zip(names.values(), labels, strict=True))
        assert (
            len({right for right, _ in pairs}) == len({label for _, label in pairs}) == len(pairs)
        )


def test_one_person_in_two_forms_is_one_label():
    folders = ["Bach", "Chopin", "Langgaard, Rued", "R. Langgaard", "Zappa, F."]
    labels = labels_of(*(f"{folder}/{folder}.mid" for folder in folders))
    assert labels == ["Bach", "Chopin", "Rued Langgaard", "Rued Langgaard", "Zappa, F."]


ROWS_AND_FILES = {
    "escapes of addresses": (["d/a%20b", "file:///d/%C3%89t.mid"], ["d/a b.mid", "\u00c9t.mid"]),
    "escapes in names of files": (["d/a b.mid", "100% fun"], ["d/a%20b.mid", "100% fun.mid"]),
    "a drive of Windows": (["C:\\music\\d\\a.mid", "C:\\music\\B.MID"], ["d/a.mid", "b.mid"]),
    "folders above the source": (["../midi/d/a.mid", "/home/me/b.mid"], ["d/a.mid", "b.mid"]),
    "recordings beside": (["2004/a.wav", "2006/a.wav"], ["2004/a.midi", "2006/a.midi"]),
    "points in a name": (["Op. 27 No. 1", "No. 2"], ["Op. 27 No. 1.mid", "No. 2.kar"]),
    "typographic marks": (["d/it\u2019s.mid", "a\u2013b.mid"], ["d/it's.mid", "a-b.mid"]),
    "wide letters": (["\uff21.mid", "b.mid"], ["A.mid", "b.mid"]),
    "archives that were folders": (["set/Bach/a", "b.mid"], ["set.tgz/Bach.zip/a.mid", "b.mid"]),
    "names that differ by case": (["d/a.mid", "d/A.mid"], ["d/a.mid", "d/A.mid"]),
    "names that differ by suffix": (["a.mid", "a.kar"], ["d/a.mid", "d/a.kar"]),
    "a row with and one without a folder": (["a.mid", "d/a.mid"], ["e/a.mid", "d/a.mid"]),
    "one row for the same name twice": (["e/a.mid", "d/a.mid"], ["e/a.mid", "d/a.mid"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS_AND_FILES)
def test_rows_fit_files_however_they_are_written(tmp_path, name):
    rows, names = ROWS_AND_FILES[name]
    path = tmp_path / "labels.csv"
    lines = [f'"{row}",label {number}' for number, row in enumerate(rows)]
    path.write_text("\n".join(["path,label", *lines]))
    labels = label_files(entries(*names), f"csv:{path}", TABLE)
    assert [file.label for file in labels.files] == ["label 0", "label 1"]
    assert labels.notices == []


def test_a_row_does_not_fit_a_file_of_the_same_name_in_another_folder_beside_its_own(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\nBach/prelude.mid,x\nold/a.mid,y\nold/b.mid,z\n")
    names = ["Bach/prelude.mid", "Chopin/prelude.mid", "p/a.mid", "q/a.mid", "r/b.mid"]
    labels = label_files(entries(*names), f"csv:{path}", TABLE)
    assert [file.label for file in labels.files] == ["x", None, None, None, "z"]
    assert labels.notices == [
        "labels.csv: 1 row fits no file: old/a.mid.",
        "labels.csv: 1 file fits a row by its name alone, in another folder: src/r/b.mid.",
        (
            "labels.csv: 2 files have no label because rows in other folders fit several by their "
            "name: src/p/a.mid, src/q/a.mid."
        ),
    ]


@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "utf-16-le"])
def test_label_tables_are_read_as_other_tables_are(tmp_path, encoding):
    path = tmp_path / "labels.csv"
    text = "# by me, today\nfile;label\n曲.mid;演歌\n歌.mid;\n月.mid;歌曲\n"
    path.write_bytes(text.encode(encoding))
    labels = label_files(entries("曲.mid", "歌.mid", "月.mid"), f"csv:{path}", TABLE)
    assert [file.label for file in labels.files] == ["演歌", None, "歌曲"]
    assert "labels.csv: 1 row has no label: 歌.mid." in labels.notices
    assert any("'# by me, today'" in notice for notice in labels.notices)


@pytest.mark.parametrize("name", ["labels.xlsx", "labels.parquet", "labels.jsonl"])
def test_labels_may_stand_in_a_table_of_any_format(tmp_path, name):
    frame = pd.DataFrame({"File": ["a.mid", "b.mid", "c.mid"], "Class": [1, 2, None]})
    path = tmp_path / name
    if name.endswith("xlsx"):
        frame.to_excel(path, index=False)
    elif name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    assert labels_of("a.mid", "b.mid", "c.mid", rule=f"csv:{path}") == ["1", "2", None]


def test_a_row_that_is_cut_by_a_comma_is_refused_with_its_line(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\na.mid,x\nBach, J. S./a.mid,y\nb.mid,x\n")
    with pytest.raises(UsageError, match="line 3 has 3 cells"):
        label_files(entries("a.mid"), f"csv:{path}", TABLE)


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["Bach.tar.gz/a.mid"], ["Bach"]),
        (["Bach.tar.gz/a.mid", "Chopin.tgz/b.mid"], ["Bach", "Chopin"]),
        (["Bach/a.mid", "Chopin/b.mid", "Bach#2/c.mid"], ["Bach", "Chopin", "Bach"]),
        (["Bach.zip/chopin-etude.mid"], ["Chopin"]),
        (["field/a.mid"], [None]),
        (["corpus.zip/a.mid", "more.zip/b.mid"], [None, None]),
    ],
)
def test_a_source_may_be_named_by_its_composer(paths, labels):
    files = [Entry(path, path.partition("/")[2], (path,), 1, "") for path in paths]
    assert [file.label for file in label_entries(files, "auto", TABLE)] == labels
