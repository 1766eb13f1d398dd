"""Benchmarks that people run to repeat a figure: they must still run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.cluster
def test_the_race_of_searches_counts_the_trials_of_every_side() -> None:
    arguments = ["noise", "--families", "linear", "--trials", "3", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "benchmarks/search.py", "race", *arguments, "--only", "bc"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if " trials in " in line]
    assert [line.split()[0] for line in lines] == ["b", "c"]
    assert all(" 3 trials in " in line for line in lines), done.stdout
