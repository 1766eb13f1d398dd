"""What a run says of the code that made it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "from tunesmith.tuning.run_artifact import code_commit; print(code_commit())"


def _commit_of(code: Path) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(code)!r}); {PROGRAM}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _repository(folder: Path) -> str:
    def git(*arguments: str) -> str:
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(folder), *author, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "a")
    return git("rev-parse", "HEAD")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_code_and_of_no_folder_around_it(tmp_path: Path) -> None:
    package = ROOT / "platform" / "tunesmith"
    for folder in ("platform", "site-packages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, tmp_path / folder / "tunesmith", ignore=ignored)
    commit = _repository(tmp_path)
    assert _commit_of(tmp_path / "platform") == commit
    assert _commit_of(tmp_path / "site-packages") == "None"
