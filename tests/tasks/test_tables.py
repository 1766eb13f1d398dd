"""Tables of any make as examples."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tunesmith.artifacts.preparation import TextPreparation
from tunesmith.artifacts.store import Store
from tunesmith.errors import DatasetError, UsageError
from tunesmith.tasks import Request, get_task, sentiment
from tunesmith.tasks.support.tables import Table, read_table, table_examples


def _songs(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "title": [f"song {index}" for index in range(n)],
            "artist": [f"artist {index % 15}" for index in range(n)],
            "tempo": [str(value) for value in rng.integers(60, 180, n)],
            "energy": rng.random(n),
            "mode": rng.choice(["Major", "Minor"], n),
            "genre": rng.choice(["pop", "rap", "rock"], n),
        }
    )


def test_numbers_text_and_names_are_told_apart() -> None:
    frame = _songs()
    frame.loc[3, "tempo"] = "?"
    frame.loc[4, "energy"] = np.inf
    frame.loc[5, "mode"] = None
    items = table_examples(frame, Table("genre", groups=("artist",)))
    examples, preparation, notes = items.examples, items.preparation, items.notes
    assert preparation.features == ("tempo", "energy", "mode=Major", "mode=Minor")
    x = examples.view("features").x
    assert x.dtype == np.float32
    assert np.isnan(x[3, 0])
    assert np.isnan(x[4, 1])
    assert x[5, 2:].tolist() == [0, 0]
    assert x[0, 2:].sum() == 1
    kinds = [column.kind for column in preparation.columns]
    assert kinds == ["number", "number", "category"]
    assert "tempo is not a number in 1 rows; they count as missing." in notes
    assert (
        "title has 60 different texts and is left out. To learn from their words: "
        "--read-as title=words, or ngrams for how they are written, too."
    ) in notes
    assert examples.classes == ("pop", "rap", "rock")


def test_blank_rows_and_rare_classes_are_left_out_and_said_so() -> None:
    frame = _songs()
    frame.loc[0, "genre"] = None
    frame.loc[1, :] = None
    frame.loc[2, "genre"] = "polka"
    items = table_examples(frame, Table("genre"))
    examples, notes = items.examples, items.notes
    assert len(examples) == 57
    assert "2 blank rows or rows without genre are left out." in notes
    assert "Classes with fewer than 10 rows are left out: ['polka']." in notes


def test_rows_of_one_artist_or_with_equal_numbers_share_a_group() -> None:
    frame = _songs()
    examples = table_examples(frame, Table("genre", groups=("artist", "title"))).examples
    artists = frame["artist"].to_numpy()
    for one in range(0, 60, 7):
        for other in range(0, 60, 5):
            together = examples.groups[one] == examples.groups[other]
            assert together == (artists[one] == artists[other])
    frame.loc[1, ["tempo", "energy", "mode"]] = frame.loc[0, ["tempo", "energy", "mode"]]
    examples = table_examples(frame, Table("genre", groups=("artist", "title"))).examples
    assert examples.groups[0] == examples.groups[1]


def test_a_missing_artist_falls_back_to_the_title() -> None:
    frame = _songs()
    frame["artist"] = "empty_field"
    frame["title"] = [f"song {index // 2}" for index in range(60)]
    examples = table_examples(frame, Table("genre", groups=("artist", "title"))).examples
    assert len(np.unique(examples.groups)) == 30


def test_labels_that_are_numbers_are_named_without_a_point() -> None:
    frame = _songs().assign(genre=np.repeat([0.0, 1.0, 2.0], 20))
    examples = table_examples(frame, Table("genre", names={"0": "sad"})).examples
    assert examples.classes == ("1", "2", "sad")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet"])
def test_a_user_s_own_table_becomes_a_task(suffix: str, tmp_path: Path, store: Store) -> None:
    path = tmp_path / f"songs{suffix}"
    frame = _songs(90).rename(columns={"genre": "playlist_genre"})
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)
    options = {"csv": str(path), "target": "playlist_genre", "groups": ["artist"]}
    data = get_task("genre").read(store, Request(options=options))
    assert data.name == path.name
    assert not data.is_sample
    assert data.examples.classes == ("pop", "rap", "rock")
    assert set(data.parts) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"csv": "songs.csv"}, UsageError, "--target COLUMN"),
        ({"target": "genre"}, UsageError, "--csv FILE"),
        ({"csv": "absent.csv", "target": "genre"}, DatasetError, "There is no table"),
        ({"csv": "songs.csv", "target": "gener"}, UsageError, "Did you mean genre"),
        ({"csv": "songs.csv", "target": "constant"}, DatasetError, "Is it the target"),
        ({"csv": "broken.parquet", "target": "genre"}, DatasetError, "cannot be read"),
        ({"csv": "names.csv", "target": "genre"}, DatasetError, "No column is left"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(
    options: dict[str, str],
    error: type[Exception],
    message: str,
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    _songs().assign(constant="x").to_csv("songs.csv", index=False)
    _songs()[["title", "genre"]].to_csv("names.csv", index=False)
    Path("broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(error, match=message):
        get_task("genre").read(store, Request(options=options))


@pytest.mark.parametrize("name", ["genre", "emotion", "mnist", "sentiment"])
def test_a_task_without_its_data_says_where_to_get_it_and_stands_in(
    name: str, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_DATA", str(tmp_path))
    data = get_task(name).read(store, Request())
    assert data.is_sample
    assert data.name == "generated-sample"
    assert f"is not in {tmp_path}" in data.notes[0]
    assert "stands in for it" in data.notes[0] or "stand in for it" in data.notes[0]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows", "classes"),
    [("genre", 50_000, 10), ("emotion", 9940, 4), ("mnist", 70_000, 10), ("sentiment", 49_877, 2)],
)
def test_the_real_set_is_read_whole(
    name: str,
    rows: int,
    classes: int,
    data_dir: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNESMITH_DATA", str(data_dir))
    data = get_task(name).read(store, Request())
    assert not data.is_sample
    assert len(data.examples) == rows
    assert len(data.examples.classes) == classes


@pytest.mark.data
def test_the_rules_for_texts_give_the_words_of_the_reviews(
    data_dir: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_DATA", str(data_dir))
    data = get_task("sentiment").read(store, Request())
    rules = data.preparation
    assert isinstance(rules, TextPreparation)
    assert len(rules.words) == 20_000 - rules.first
    pairs: Counter[tuple[str, str]] = Counter()
    for row in data.examples.view("tokens").x[:300]:
        known = (token - rules.first for token in row if token >= rules.first)
        pairs.update(pairwise(rules.words[word] for word in known))
    # Numbers that are off by a few give common words, but not next to each other.
    common = [pair for pair, _ in pairs.most_common(6)]
    assert ("of", "the") in common
    assert ("in", "the") in common
    assert rules.length == len(row)


def test_a_file_whose_words_were_moved_already_is_told_from_one_of_ranks() -> None:
    ranks = [np.array([14, 1, 3], dtype=np.int32), np.array([1, 5], dtype=np.int32)]
    moved = [np.concatenate([[1], review + 3]).astype(np.int32) for review in ranks]
    assert sentiment._first_word(ranks) == 4
    assert sentiment._first_word(moved) == 7


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x00\xd8")
    with pytest.raises(DatasetError, match="cannot be read as a table"):
        read_table(tmp_path / "x.csv")
