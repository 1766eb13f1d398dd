"""`tunesmith.similar` and the command of the same name."""

import json

import pytest
from click.testing import CliRunner

import tunesmith
from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.cli.similar import main
from tunesmith.errors import MidiError, UsageError
from tunesmith.ingestion import pipeline


@pytest.fixture(scope="module")
def store(tmp_path_factory, midi_factory):
    folder = tmp_path_factory.mktemp("pieces") / "mine"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    opened = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(opened, [str(folder)], "mine")
    return opened


@pytest.fixture
def excerpt(tmp_path, midi_factory):
    path = tmp_path / "excerpt.mid"
    path.write_bytes(midi_factory(seed=2, bpm=90))
    return path


def test_a_piece_is_named_and_shown(store, excerpt, midi_factory):
    found = tunesmith.similar(excerpt, dataset="mine", store=store)
    assert found.match.path == "mine/2.mid"
    assert found.match.strength > 1
    assert found.frame()["path"].iloc[0] == "mine/2.mid"
    assert "mine/2.mid" in repr(found)
    assert "mine/2.mid" in found._repr_html_()
    excerpt.write_bytes(midi_factory(seed=50))
    other = tunesmith.similar(excerpt, dataset="mine", store=store, limit=1)
    assert other.match is None
    assert len(other.pieces) <= 1
    assert "not in this dataset" in other._repr_html_()


def test_the_command_gives_the_same(store, excerpt, midi_factory):
    arguments = [str(excerpt), "--dataset", "mine", "--store", store.uri]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    expected = tunesmith.similar(excerpt, dataset="mine", store=store)
    assert result["match"]["piece_id"] == expected.match.piece_id
    assert [row["path"] for row in result["pieces"]] == expected.frame()["path"].tolist()
    shown = CliRunner().invoke(main, arguments)
    assert "excerpt.mid is mine/2.mid of mine" in shown.stdout
    excerpt.write_bytes(midi_factory(seed=50))
    assert "excerpt.mid is not in mine" in CliRunner().invoke(main, arguments).stdout


def test_what_cannot_be_searched_is_refused(store, excerpt, tmp_path):
    with pytest.raises(UsageError, match=r"none\.mid cannot be read: .*Name a file of music"):
        tunesmith.similar(tmp_path / "none.mid", dataset="mine", store=store)
    with pytest.raises(UsageError, match="min"):
        tunesmith.similar(excerpt, dataset="min", store=store)
    with pytest.raises(UsageError, match="at least one"):
        tunesmith.similar(excerpt, dataset="mine", store=store, limit=0)
    excerpt.write_bytes(b"no music")
    with pytest.raises(MidiError):
        tunesmith.similar(excerpt, dataset="mine", store=store)
