"""Scores made by real processes of Ray, which are killed while they work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.in_process import score_in_process
from tests.scoring.test_pipeline import bits
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.scoring.choice import choose
from tunesmith.scoring.pipeline import score

ROOT = Path(__file__).parents[2]
N = 260


def _start(store: Store, source: Path, out: Path, log: Path) -> subprocess.Popen[bytes]:
    arguments = ["score", str(source), "--task", "composer", "--out", str(out)]
    # A file, and not a pipe: processes of Ray that outlive the kill would keep the pipe open.
    with log.open("wb") as written:
        return subprocess.Popen(
            [sys.executable, "-m", "tunesmith", *arguments, "--store", store.uri],
            env={**os.environ, "PYTHONPATH": str(ROOT / "platform")},
            stdout=written, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


@pytest.mark.slow
def test_a_killed_command_goes_on_and_gives_the_bits_of_an_undisturbed_one(
    store: Store,
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_bundle(store, inputs=("chunks", "features"))
    source, out = tmp_path / "music", tmp_path / "scores"
    source.mkdir()
    for seed in range(N):
        (source / f"{seed:03d}.mid").write_bytes(midi_factory(seed=seed, n_notes=10 + seed))
    staging = tmp_path / ".staging-score-scores"
    log = tmp_path / "log"
    killed = _start(store, source, out, log)
    deadline = time.monotonic() + 300
    while not list(staging.glob("part-*.parquet")):
        assert killed.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not out.exists()
    kept = {path.name: path.stat().st_mtime_ns for path in staging.glob("part-*.parquet")}
    resumed = _start(store, source, out, log)
    assert resumed.wait(timeout=300) == 0, log.read_text()
    printed = log.read_text()
    assert f"{N} found = {N} scored + 0 failed" in printed
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    score_in_process(monkeypatch)
    whole = tmp_path / "whole"
    score(choose(store, "composer"), [str(source)], str(whole), start_ray=lambda: None)
    assert bits(out) == bits(whole)
