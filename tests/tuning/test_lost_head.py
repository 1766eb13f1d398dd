"""A search whose head is lost with its disk, in real processes, while its store is a bucket."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
@pytest.mark.cluster
def test_a_search_whose_head_is_lost_is_brought_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/drills.py", "--only", "lost-head"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=7200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| kept |") == 1
    assert done.stderr.count("none lost or twice") >= 10
