"""The distributions that a release would upload, built once from a copy of the source."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a source distribution and the wheel that was built from it."""
    # Not in place: setuptools would leave folders there, and take up what an older build left.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("platform", "serve"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=IGNORED)
    folder = tmp_path_factory.mktemp("dist")
    command = ["-m", "uv", "build", "--quiet", "--offline", "--no-build-isolation"]
    build = subprocess.run(
        [sys.executable, *command, "--out-dir", str(folder), str(source)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert build.returncode == 0, build.stderr
    return folder


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """Return the wheel."""
    (path,) = distributions.glob("*.whl")
    return path
