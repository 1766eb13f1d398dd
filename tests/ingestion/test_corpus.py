"""Scores of the music21 corpus as MIDI files."""

from pathlib import Path

import pytest

from tunesmith.errors import DatasetError, UsageError
from tunesmith.ingestion import corpus
from tunesmith.midi.reading import read_score

pytestmark = pytest.mark.cluster


def test_scores_become_readable_midi_and_are_not_written_twice(
    ray_cluster: dict[str, float], tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    first = corpus.export_scores(
        tmp_path, {"bach": 3}, on_progress=lambda done, total: seen.append((done, total))
    )
    files = sorted(tmp_path.rglob("*"))
    assert (first.written, first.present, first.refused) == (3, 0, ())
    assert seen[0] == (0, 3)
    assert seen[-1] == (3, 3)
    pieces = [path for path in files if path.is_file()]
    assert {path.parent.name for path in pieces} == {"Bach"}
    assert all(path.suffix == ".mid" for path in pieces), "a part file was left behind"
    assert all(len(read_score(path.read_bytes()).notes) > 20 for path in pieces)

    again = corpus.export_scores(tmp_path, {"bach": 3})
    assert (again.written, again.present) == (0, 3)


def test_pieces_are_spread_over_a_collection() -> None:
    names = [target for target, _ in corpus._choose("palestrina", 10)]
    assert len(set(names)) == 10
    assert len({name.split("/")[1].split("_")[0] for name in names}) > 2, "all of one movement"
    assert names == [target for target, _ in corpus._choose("palestrina", 10)]


def test_an_unknown_collection_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="no scores of 'nobody'"):
        corpus._choose("nobody", 3)


def test_too_many_refused_scores_fail_loudly(
    ray_cluster: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.mxl"
    broken.write_bytes(b"not a score")
    monkeypatch.setattr(corpus, "_choose", lambda *_: [("Bach/broken.mid", str(broken))])
    with pytest.raises(DatasetError, match="1 of 1 scores could not be written"):
        corpus.export_scores(tmp_path, {"bach": 1})
