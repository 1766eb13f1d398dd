"""``tunesmith score``: what it prints, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.in_process import score_in_process
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.cli.score import main


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    score_in_process(monkeypatch)
    monkeypatch.setattr("tunesmith.cluster.connection.connect", lambda *_, **__: None)


@pytest.fixture
def music(tmp_path: Path, store: Store, midi_factory: Callable[..., bytes]) -> Path:
    write_bundle(store, inputs=("features",))
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    (folder / "bad.mid").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    return folder


def run(store: Store, *arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--store", store.uri])


def test_the_table_accounts_for_every_item(store: Store, music: Path, tmp_path: Path) -> None:
    done = run(store, music, "--task", "composer", "--out", tmp_path / "scores")
    assert done.exit_code == 0, done.output
    for part in (
        "4 found = 3 scored + 1 failed; 1 other file ignored",
        "composer, version 1, trained on tiny@0123456789ab",
        "empty 1; see the columns reason and error",
        ".txt 1",
    ):
        assert part in done.stdout
    assert "items: 4 of 4" in done.stderr
    assert "1 failed" in done.stderr


def test_json_is_the_summary(store: Store, music: Path, tmp_path: Path) -> None:
    done = run(store, music, "--task", "composer", "--out", tmp_path / "scores", "--json")
    summary = json.loads(done.stdout)
    assert summary["found"] == summary["scored"] + summary["failed"] == 4
    assert summary["model"]["version"] == 1


def test_nothing_scored_is_a_failure(store: Store, music: Path, tmp_path: Path) -> None:
    done = run(store, music / "bad.mid", "--task", "composer", "--out", tmp_path / "scores")
    assert done.exit_code == 1
    assert "1 found = 0 scored + 1 failed" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "1", "--run", "r1"), "both name the model"),
        (("--model", "champoin"), "Did you mean champion"),
        (("--model", "7"), "There is no version 7"),
        (("--run", "r1"), "There is no run"),
    ],
)
def test_models_that_do_not_exist_are_named(
    options: tuple[str, ...], message: str, store: Store, music: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    done = run(store, music, "--task", "composer", "--out", out, *options)
    assert done.exit_code == 2 or "version 7" in message
    assert message in done.stderr
    assert not out.exists()
