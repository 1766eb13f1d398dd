"""Scores of every kind of source: whole, equal after any interruption, and never mixed."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.in_process import ingest_in_process, score_in_process
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.datasets.index import FOLDER
from tunesmith.errors import StoreError, UsageError
from tunesmith.inference.batches import predict_each
from tunesmith.ingestion import pipeline as ingestion
from tunesmith.registry import open_bundle
from tunesmith.scoring import blocks as blocks_module
from tunesmith.scoring import tables as tables_module
from tunesmith.scoring.choice import choose
from tunesmith.scoring.documents import SUMMARY, Summary
from tunesmith.scoring.pipeline import score

SONGS = [
    {"danceability": n / 40, "energy": 1 - n / 40, "tempo": 60 + n, "name": f"song {n}"}
    for n in range(40)
]


@pytest.fixture(autouse=True)
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Score in this process, in small blocks; the keys of the blocks that were scored."""
    monkeypatch.setattr(blocks_module, "_LEAST_FILES", 4)
    monkeypatch.setattr(tables_module, "ROWS_PER_BLOCK", 16)
    return score_in_process(monkeypatch)


@pytest.fixture
def music(tmp_path: Path, midi_factory: Callable[..., bytes]) -> Path:
    """Return a folder of ten pieces, a text that claims to be one, and a picture."""
    folder = tmp_path / "music"
    (folder / "deep").mkdir(parents=True)
    for seed in range(9):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    (folder / "deep" / "last.MID").write_bytes(midi_factory(seed=9))
    (folder / "text.mid").write_text("no music at all")
    (folder / "cover.jpg").write_bytes(b"")
    return folder


def run(
    store: Store, source: Path | str, out: Path | str, task: str = "composer", **options: Any
) -> Summary:
    return score(
        choose(store, task, options.pop("version", None)),
        [str(source)],
        str(out),
        start_ray=lambda: None,
        **options,
    )


def bits(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SUMMARY}


def test_each_file_has_a_row_with_its_answer_or_the_reason(
    store: Store, music: Path, tmp_path: Path
) -> None:
    write_bundle(store, inputs=("features",))
    summary = run(store, music, tmp_path / "scores")
    frame = pd.read_parquet(tmp_path / "scores")
    assert list(frame["path"]) == sorted(
        ["music/deep/last.MID", "music/text.mid", *(f"music/{n}.mid" for n in range(9))]
    )
    assert (summary.found, summary.scored, summary.failed) == (11, 10, 1)
    assert summary.failures == {"not-midi": 1}
    assert summary.ignored == {".jpg": 1}
    assert sum(summary.labels.values()) == 10
    (failed,) = frame[frame["error"].notna()].to_dict("records")
    assert failed["path"] == "music/text.mid"
    assert "This is a text without notes" in failed["error"]
    assert pd.isna(failed["label"])
    assert np.isnan(failed["p_Bach"])
    answered = frame[frame["error"].isna()]
    shares = answered[[f"p_{name}" for name in summary.classes]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert list(answered["label"]) == [name.removeprefix("p_") for name in shares.idxmax(axis=1)]


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_killed_scoring_goes_on_and_gives_the_same_bits(
    killed_after: int,
    store: Store,
    music: Path,
    tmp_path: Path,
    scored: list[str],
) -> None:
    write_bundle(store, inputs=("features",))
    run(store, music, tmp_path / "whole")
    n_blocks = len(scored)
    assert n_blocks == 3
    scored.clear()

    class Killed(BaseException):
        pass

    def kill(done: int, total: int, counts: object) -> None:
        if len(scored) == killed_after and done < total:
            raise Killed

    out = tmp_path / "scores"
    with pytest.raises(Killed):
        run(store, music, out, on_progress=kill)
    assert not out.exists()
    # A process that is killed while it writes leaves half a file under another name.
    (tmp_path / ".staging-score-scores" / ".0123.part").write_bytes(b"half")
    progress: list[int] = []
    run(store, music, out, on_progress=lambda done, *_: progress.append(done))
    assert len(scored) == n_blocks
    assert progress[0] == sum(
        pq.read_metadata(out / f"part-{n:06d}.parquet").num_rows for n in range(killed_after)
    )
    assert bits(out) == bits(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "music", "scores", "store", "whole",
    ]  # fmt: skip


def test_scores_that_are_there_are_not_made_again(
    store: Store, music: Path, tmp_path: Path, scored: list[str]
) -> None:
    write_bundle(store, inputs=("features",))
    first = run(store, music, tmp_path / "scores")
    scored.clear()
    assert run(store, music, tmp_path / "scores") == first
    assert not scored
    assert not (tmp_path / ".staging-score-scores").exists()


def test_other_scores_are_refused_and_discarded_when_asked(
    store: Store, music: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    write_bundle(store, inputs=("features",))
    run(store, music, out)
    write_bundle(store, version=2, inputs=("features",), favour=1)
    with pytest.raises(UsageError, match=r"by composer, version 1.*--model 1.*--discard"):
        run(store, music, out)
    assert run(store, music, out, version=1).model.version == 1
    with pytest.raises(UsageError, match="these are other sources"):
        run(store, music / "deep", out, version=1)
    (music / "0.mid").unlink()
    with pytest.raises(UsageError, match="files that have changed since"):
        run(store, music, out, version=1)
    assert run(store, music, out, discard=True).model.version == 2
    assert len(pd.read_parquet(out)) == 10


def test_unfinished_scores_of_another_model_are_refused(
    store: Store, music: Path, tmp_path: Path
) -> None:
    write_bundle(store, inputs=("features",))

    def stop(done: int, *_: object) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, music, tmp_path / "scores", on_progress=stop)
    write_bundle(store, version=2, inputs=("features",), favour=1)
    with pytest.raises(UsageError, match=r"holds unfinished scores by composer, version 1"):
        run(store, music, tmp_path / "scores")
    assert run(store, music, tmp_path / "scores", discard=True).model.version == 2


def test_a_folder_of_something_else_is_left_alone(store: Store, music: Path) -> None:
    write_bundle(store, inputs=("features",))
    with pytest.raises(UsageError, match="exists and holds no scores"):
        run(store, music, music / "deep")
    with pytest.raises(UsageError, match="exists and holds no scores"):
        run(store, music, music / "deep", discard=True)
    assert (music / "deep" / "last.MID").exists()
    with pytest.raises(UsageError, match="cannot hold scores"):
        run(store, music, "s3://bucket")


def test_sources_without_an_item_leave_nothing_behind(store: Store, tmp_path: Path) -> None:
    write_bundle(store, inputs=("features",))
    write_bundle(store, task="genre")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").write_text("no music")
    with pytest.raises(UsageError, match=r"nothing to score. The model reads MIDI.*1 \.me"):
        run(store, tmp_path / "notes", tmp_path / "scores")
    pd.DataFrame(SONGS[:0], columns=list(SONGS[0])).to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(UsageError, match="nothing to score"):
        run(store, tmp_path / "empty.csv", tmp_path / "scores", "genre")
    assert not list(tmp_path.glob("*scores*"))
    assert not list(tmp_path.glob(".*scores*"))


def test_two_processes_do_not_write_the_same_scores(
    store: Store, music: Path, tmp_path: Path
) -> None:
    write_bundle(store, inputs=("features",))

    def again(*_: object) -> None:
        run(store, music, tmp_path / "scores")

    with pytest.raises(StoreError, match="Another scoring into"):
        run(store, music, tmp_path / "scores", on_progress=again)


def _archive(files: dict[str, bytes], kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as packed:
            for name, data in files.items():
                packed.writestr(name, data)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                packed.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_are_read_and_damaged_ones_are_rows_too(
    kind: str, store: Store, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, inputs=("features",))
    folder = tmp_path / "packed"
    folder.mkdir()
    files = {f"{n}.mid": midi_factory(seed=n) for n in range(5)}
    (folder / f"good.{kind}").write_bytes(_archive(files, kind))
    (folder / f"bad.{kind}").write_bytes(b"no archive")
    summary = run(store, folder, tmp_path / "scores")
    assert (summary.found, summary.scored) == (6, 5)
    assert summary.failures == {"archive": 1}
    frame = pd.read_parquet(tmp_path / "scores").set_index("path")
    assert "cannot be opened" in frame.loc[f"packed/bad.{kind}", "error"]
    assert pd.isna(frame.loc[f"packed/good.{kind}/3.mid", "error"])


def test_a_file_that_ends_the_process_is_named(
    store: Store, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(store, inputs=("features",))
    (music / "0.mid").rename(music / "0 deadly.mid")

    class Killed(BaseException):
        pass

    from tunesmith.scoring.worker import Scorer

    real = Scorer._file

    def die(self: Scorer, path: str, *rest: Any) -> Any:
        if "deadly" in path:
            # As a crash leaves the record: it names the file that was being read.
            monkeypatch.setattr("os.ftruncate", lambda *_: None)
            raise Killed
        return real(self, path, *rest)

    monkeypatch.setattr(Scorer, "_file", die)
    for _ in range(3):
        with pytest.raises(Killed):
            run(store, music, tmp_path / "scores")
    monkeypatch.undo()
    score_in_process(monkeypatch)
    monkeypatch.setattr(Scorer, "_file", die)
    summary = run(store, music, tmp_path / "scores")
    assert summary.failures == {"crash": 1, "not-midi": 1}


# --- tables


def _write(frame: pd.DataFrame, path: Path) -> Path:
    writers: dict[str, Callable[[Path], object]] = {
        "csv": lambda p: frame.to_csv(p, index=False),
        "csv.gz": lambda p: frame.to_csv(p, index=False),
        "csv.zip": lambda p: frame.to_csv(p, index=False),
        "tsv": lambda p: frame.to_csv(p, index=False, sep="\t"),
        "parquet": lambda p: frame.to_parquet(p, index=False, row_group_size=7),
        "feather": frame.to_feather,
        "xlsx": lambda p: frame.to_excel(p, index=False),
        "jsonl": lambda p: frame.to_json(p, orient="records", lines=True),
        "jsonl.gz": lambda p: frame.to_json(p, orient="records", lines=True),
        "json": lambda p: frame.to_json(p, orient="records"),
    }
    writers[path.name.split(".", 1)[1]](path)
    return path


FORMS = ["csv", "csv.gz", "csv.zip", "tsv", "parquet", "feather", "xlsx", "jsonl", "jsonl.gz",
         "json"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_tables_of_every_form_give_the_same_scores(form: str, store: Store, tmp_path: Path) -> None:
    write_bundle(store, task="genre")
    songs = pd.DataFrame(SONGS)
    songs.loc[5, "energy"] = None
    path = _write(songs, tmp_path / f"songs.{form}")
    summary = run(store, path, tmp_path / "scores", "genre", id_column="name")
    frame = pd.read_parquet(tmp_path / "scores")
    assert (summary.found, summary.parts) == (40, 3)
    assert list(frame["row"]) == list(range(40))
    assert list(frame["id"]) == [f"song {n}" for n in range(40)]
    assert summary.failures == {"invalid": 1}
    assert frame["error"].notna().to_numpy().nonzero()[0].tolist() == [5]
    model = choose(store, "genre")
    alone = open_bundle(store, "genre", model.model.version or 0).model()
    (expected,) = predict_each(alone, [SONGS[17]])
    np.testing.assert_array_equal(
        frame.loc[17, [f"p_{name}" for name in summary.classes]].to_numpy(np.float32),
        expected.probabilities,
    )


def test_a_folder_of_parquet_is_read_with_the_columns_in_its_names(
    store: Store, tmp_path: Path
) -> None:
    write_bundle(store, task="genre")
    songs = pd.DataFrame(SONGS).assign(tempo=[90 if n % 2 else 120 for n in range(40)])
    songs.to_parquet(tmp_path / "songs", partition_cols=["tempo"])
    summary = run(store, tmp_path / "songs", tmp_path / "scores", "genre")
    assert (summary.found, summary.scored) == (40, 40)
    frame = pd.read_parquet(tmp_path / "scores")
    assert frame["path"].str.contains("tempo=90/").sum() == 20


def test_a_row_without_a_column_says_so_and_a_damaged_table_is_a_row(
    store: Store, tmp_path: Path
) -> None:
    write_bundle(store, task="genre")
    folder = tmp_path / "tables"
    folder.mkdir()
    pd.DataFrame(SONGS).drop(columns="tempo").to_parquet(folder / "few.parquet")
    (folder / "bad.parquet").write_bytes(b"PAR1 no more")
    (folder / "bad.jsonl").write_text('{"tempo": 1}\n[2]\n')
    summary = run(store, folder, tmp_path / "scores", "genre")
    assert (summary.found, summary.scored) == (42, 0)
    assert summary.failures == {"invalid": 40, "table": 2}
    frame = pd.read_parquet(tmp_path / "scores")
    assert "lacks tempo" in frame["error"].iloc[0]
    assert frame["error"].str.contains("line 2 is no JSON object").sum() == 1


def test_scores_inside_their_source_are_no_source(store: Store, tmp_path: Path) -> None:
    write_bundle(store, task="genre")
    folder = tmp_path / "tables"
    folder.mkdir()
    pd.DataFrame(SONGS).to_csv(folder / "songs.csv", index=False)

    def stop(done: int, *_: object) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, folder, folder / "scores", "genre", on_progress=stop)
    first = run(store, folder, folder / "scores", "genre")
    assert first.found == 40
    assert run(store, folder, folder / "scores", "genre") == first


# --- pictures and texts


def test_pictures_and_texts(store: Store, tmp_path: Path) -> None:
    write_bundle(store, task="digits")
    write_bundle(store, task="sentiment")
    folder = tmp_path / "items"
    folder.mkdir()
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(folder / "one.png")
    (folder / "two.png").write_bytes(b"no picture")
    (folder / "film.txt").write_text("A fine, good film")
    (folder / "blank.txt").write_text(" ")
    (folder / "latin.txt").write_bytes("schön".encode("latin-1"))
    (folder / "films.jsonl.gz").write_bytes(
        gzip.compress(b"\n".join(json.dumps({"text": t}).encode() for t in ("dull", "good")))
    )
    digits = run(store, folder, tmp_path / "digits", "digits")
    assert (digits.found, digits.scored) == (2, 1)
    texts = run(store, folder, tmp_path / "texts", "sentiment")
    assert (texts.found, texts.scored) == (5, 3)
    frame = pd.read_parquet(tmp_path / "texts")
    assert frame.loc[frame["path"] == "items/latin.txt", "error"].str.contains("UTF-8").all()


def learned_from(store: Store, version: str) -> None:
    """Let the champion have learned from a version of the dataset ``tiny``."""
    card = store.read_json("models", "composer", "0001", "card.json")
    card["dataset"] = {"name": "tiny", "version": version}
    store.write_json(card, "models", "composer", "0001", "card.json")


@pytest.fixture
def learned(
    store: Store,
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Write a champion that learned from two pieces; return the version of its dataset."""
    write_bundle(store, inputs=("features",))
    own = tmp_path / "own"
    own.mkdir()
    (own / "three.mid").write_bytes(midi_factory(seed=3, bpm=150))
    (own / "other.mid").write_bytes(midi_factory(seed=90))
    ingest_in_process(monkeypatch)
    ingestion.ingest(store, [str(own)], "tiny")
    version = store.read_json("datasets", "tiny", "latest.json")["version"]
    learned_from(store, version)
    return str(version)


def test_a_piece_that_the_model_has_in_its_data_is_named(
    store: Store, music: Path, tmp_path: Path, learned: str
) -> None:
    summary = run(store, music, tmp_path / "scores")
    frame = pd.read_parquet(tmp_path / "scores").set_index("path")["same_music_as"]
    assert frame.dropna().to_dict() == {"music/3.mid": "own/three.mid"}
    assert (summary.compared_with, summary.same_music) == (f"tiny@{learned}", 1)


def test_scores_are_not_continued_without_the_dataset_that_they_began_with(
    store: Store, music: Path, tmp_path: Path, learned: str
) -> None:
    run(store, music, tmp_path / "scores")
    store.remove("datasets", "tiny")
    with pytest.raises(UsageError, match=rf"compared with tiny@{learned}, and now .*no dataset"):
        run(store, music, tmp_path / "scores")
    assert run(store, music, tmp_path / "again").compared_with is None


def test_a_damaged_index_ends_the_scoring_with_a_sentence(
    store: Store, music: Path, tmp_path: Path, learned: str
) -> None:
    for name in store.list("datasets", "tiny", learned, FOLDER):
        store.write_bytes(b"damaged", "datasets", "tiny", learned, FOLDER, name)
    with pytest.raises(StoreError, match="damaged"):
        run(store, music, tmp_path / "scores")
