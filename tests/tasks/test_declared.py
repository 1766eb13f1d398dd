"""Tasks described in YAML."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tunesmith import plugins
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import open_dataset
from tunesmith.datasets.splits import leaked
from tunesmith.errors import DatasetError, UsageError
from tunesmith.tasks import Request, get_task

TABLE = """\
name: cultivar
title: Cultivar of a wine
source: {file: wines.csv}
target: cultivar
groups: [cellar]
leave_out: [bottle]
families: [linear, boosting]
folds: 3
unit: wine
"""
MOOD = """\
name: mood
source: {labels: moods.csv}
target: mood
families: [boosting, cnn1d]
class_names: {"1": calm, "2": wild}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a table of 60 wines, five of a cellar."""
    rng = np.random.default_rng(1)
    rows = np.arange(60)
    table = pd.DataFrame(
        {
            "bottle": rows,
            "alcohol": rng.normal(rows % 2, 0.3).round(3),
            "acid": rng.normal(size=60).round(3),
            "cellar": [f"cellar {row // 5}" for row in rows],
            "cultivar": np.where(rows % 2, "red", "white"),
        }
    )
    table.to_csv(tmp_path / "wines.csv", index=False)
    return tmp_path


def _use(folder: Path, text: str, name: str = "task.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_table_becomes_a_task(folder: Path, store: Store) -> None:
    with plugins.using([_use(folder, TABLE)]):
        task = get_task("cultivar")
        data = task.read(store, Request())
    assert (task.title, task.kind, task.unit, task.folds) == (
        "Cultivar of a wine", "table", "wine", 3,
    )  # fmt: skip
    assert task.families == ("linear", "boosting")
    assert data.examples.classes == ("red", "white")
    assert data.examples.view("features").x.shape == (60, 2)
    assert len(np.unique(data.examples.groups)) == 12
    assert leaked(data.parts, data.examples.groups) == 0
    protocol = task.protocol(data)
    assert "rows with the same cellar, or with equal features stay on one side" in protocol
    assert "(12 groups)" in protocol
    assert "mean of 3 folds of the other" in protocol


def test_columns_that_are_named_are_the_only_ones(folder: Path, store: Store) -> None:
    text = TABLE.replace("leave_out: [bottle]", "columns: [acid]")
    with plugins.using([_use(folder, text)]):
        data = get_task("cultivar").read(store, Request())
    assert data.examples.view("features").x.shape == (60, 1)


def test_a_column_that_the_table_lacks_is_told_with_the_near_one(
    folder: Path, store: Store
) -> None:
    text = TABLE.replace("leave_out: [bottle]", "columns: [acd]")
    with plugins.using([_use(folder, text)]), pytest.raises(UsageError, match="mean acid"):
        get_task("cultivar").read(store, Request())


def test_a_table_that_is_not_there_is_told_with_the_places(folder: Path, store: Store) -> None:
    text = TABLE.replace("wines.csv", "beers.csv")
    with (
        plugins.using([_use(folder, text)]),
        pytest.raises(DatasetError, match=r"no file beers\.csv in .* or in the data folder"),
    ):
        get_task("cultivar").read(store, Request())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("leave_out:", "leaveout:", r"task\.yaml, line 6: .*'leaveout'\. Did you mean 'leave_out'"),
        ("{file: wines.csv}", "{fil: wines.csv}", r"line 3: .*'source\.fil'.*Did you mean 'file'"),
        ("name: cultivar\n", "", r"line 1: the key 'name' is missing"),
        ("[linear, boosting]", "[linear, bosting]", r"line 7: families: .*Did you mean boosting"),
        ("[linear, boosting]", "[cnn1d]", r"cnn1d reads 'chunks'.*families for it: ann, boosting"),
        ("folds: 3", "folds: many", r"line 8: folds: .*integer"),
        ("target: cultivar\n", "", r"`target` is missing"),
        ("{file: wines.csv}", "{}", r"line 3: source: give either `file`"),
        ("folds: 3", "folds: [", r"not valid YAML, while parsing.* begins in line 8"),
        ("title: Cultivar of a wine", "metric: f1", r"line 2: metric: .*'macro_f1'"),
    ],
    ids=["key", "inner key", "no name", "family", "view", "number", "target", "source", "yaml",
         "metric"],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(folder: Path, old: str, new: str, message: str) -> None:
    assert TABLE.count(old) >= 1
    text = TABLE.replace(old, new, 1)
    with (
        plugins.using([_use(folder, text)]),
        pytest.raises(UsageError, match=message),
    ):
        get_task("cultivar")


def test_pieces_get_labels_of_any_kind(folder: Path, music_store: Store) -> None:
    pieces = open_dataset(music_store, "small").pieces()
    # By the whole path, without the source's folder, or by the file's name.
    paths = pieces["path"].tolist()
    paths[0] = paths[0].partition("/")[2]
    moods = pd.DataFrame({"path": paths, "mood": np.arange(len(pieces)) % 2 + 1})
    moods.iloc[:-3].to_csv(folder / "moods.csv", index=False)
    with plugins.using([_use(folder, MOOD)]):
        task = get_task("mood")
        data = task.read(music_store, Request(views=("features",)))
    assert task.kind == "midi"
    assert data.examples.classes == ("calm", "wild")
    assert len(data.examples) == len(pieces) - 3
    index = {piece: row for row, piece in enumerate(pieces["piece_id"])}
    expected = [("calm", "wild")[index[piece] % 2] for piece in data.examples.ids]
    assert [data.examples.classes[y] for y in data.examples.y] == expected
    assert data.notes == (
        "3 pieces are left out: no known label, or one without at least 10 pieces.",
    )


def test_labels_of_pieces_fit_however_their_paths_are_written(
    folder: Path, music_store: Store
) -> None:
    pieces = open_dataset(music_store, "small").pieces()
    paths = pieces["path"].tolist()
    moods = pd.DataFrame({"path": paths, "mood": np.arange(len(pieces)) % 2 + 1})
    written = [
        path.upper().replace("/", "\\") if row % 2 else path.rpartition(".")[0]
        for row, path in enumerate(paths)
    ]
    # The first piece has two rows that disagree.
    doubled = pd.concat([moods.assign(path=written), moods[:1].assign(mood=2)])
    doubled.to_csv(folder / "moods.csv", index=False)
    with plugins.using([_use(folder, MOOD)]):
        data = get_task("mood").read(music_store, Request(views=("features",)))
    assert len(data.examples) == len(pieces) - 1
    index = {piece: row for row, piece in enumerate(pieces["piece_id"])}
    expected = [("calm", "wild")[index[piece] % 2] for piece in data.examples.ids]
    assert [data.examples.classes[y] for y in data.examples.y] == expected


def test_groups_of_the_labels_keep_pieces_together(folder: Path, music_store: Store) -> None:
    pieces = open_dataset(music_store, "small").pieces()
    rows = np.arange(len(pieces))
    moods = pd.DataFrame({"path": pieces["path"], "mood": rows % 2 + 1, "player": rows // 4})
    moods.to_csv(folder / "moods.csv", index=False)
    with plugins.using([_use(folder, MOOD + "groups: [player]\n")]):
        task = get_task("mood")
        data = task.read(music_store, Request(views=("features",)))
    by_player: dict[int, set[int]] = {}
    index = {piece: row for row, piece in enumerate(pieces["piece_id"])}
    for piece, group in zip(data.examples.ids, data.examples.groups, strict=True):
        by_player.setdefault(index[piece] // 4, set()).add(int(group))
    assert all(len(groups) == 1 for groups in by_player.values())
    assert "pieces of one player, pieces that share bytes" in task.protocol(data)


def test_labels_of_other_pieces_are_refused(folder: Path, music_store: Store) -> None:
    pd.DataFrame({"path": ["a.mid"], "mood": [1]}).to_csv(folder / "moods.csv", index=False)
    with (
        plugins.using([_use(folder, MOOD)]),
        pytest.raises(DatasetError, match=r"No piece of the dataset stands in .*moods\.csv"),
    ):
        get_task("mood").read(music_store, Request())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: m\nsource: {dataset: x}\ncolumns: [a]\n", "`columns` belongs to a table"),
        ("name: m\nsource: {dataset: x}\ntarget: mood\n", "name columns of `source: labels`"),
        ("name: m\nsource: {labels: x.csv}\n", "name the column of `labels`"),
    ],
)
def test_what_makes_no_sense_for_pieces_is_refused(folder: Path, text: str, message: str) -> None:
    with plugins.using([_use(folder, text)]), pytest.raises(UsageError, match=message):
        get_task("m")


def test_the_dataset_of_the_file_is_the_default(folder: Path, music_store: Store) -> None:
    text = "name: again\nsource: {dataset: small}\nleast: 4\n"
    with plugins.using([_use(folder, text)]):
        data = get_task("again").read(music_store, Request(views=("features",)))
        with pytest.raises(UsageError, match="other"):
            get_task("again").read(music_store, Request("other"))
    assert data.examples.classes == ("Bach", "Chopin", "Liszt")
