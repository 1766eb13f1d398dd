"""Write hashes-cpu.txt and hashes-gpu.txt: the packages of a node, for pip's --require-hashes.

python kuberay/hashes.py

The versions are those of constraints.txt. uv asks the package index which wheels fit; only
their hashes are kept, because a release has up to a hundred files for other systems. Run it after
constraints.txt has changed: a test fails while the two do not agree.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The extra of each build, and what both have.
BUILDS = {"cpu": "train", "gpu": "gpu"}
EXTRAS = ("serve", "audio")
# Ray's image: Ubuntu 22.04 on x86_64.
PYTHON, PLATFORM = "3.11", "x86_64-manylinux_2_35"
# Builds the package itself, so that pip need not fetch it.
BUILDER = "setuptools"
HEADER = "# Made by kuberay/hashes.py from constraints.txt: Linux on x86_64, Python {python}.\n"


def _resolved(build: str) -> list[dict[str, Any]]:
    """Return the packages of a build as a lock file in the form of PEP 751 names them."""
    with tempfile.TemporaryDirectory() as name:
        lock, builder = Path(name) / "pylock.toml", Path(name) / "builder.in"
        builder.write_text(f"{BUILDER}\n")
        extras = [word for extra in (*EXTRAS, BUILDS[build]) for word in ("--extra", extra)]
        subprocess.run(  # noqa: S603 - uv, no shell
            [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header",
             "--constraint", str(ROOT / "constraints.txt"), "--python-version", PYTHON,
             "--python-platform", PLATFORM, "--format", "pylock.toml", "--output-file", str(lock),
             *extras, str(ROOT / "pyproject.toml"), str(builder)],
            check=True, cwd=ROOT,
        )  # fmt: skip
        packages: list[dict[str, Any]] = tomllib.loads(lock.read_text())["packages"]
    return packages


def rendered(build: str) -> str:
    """Return a requirements file of a build with a hash for every wheel that fits."""
    blocks = [HEADER.format(python=PYTHON)]
    for package in _resolved(build):
        # A few packages come as source only.
        files = package.get("wheels") or [package["sdist"]]
        hashes = sorted(file["hashes"]["sha256"] for file in files)
        lines = [f"{package['name']}=={package['version']}"]
        lines += [f"    --hash=sha256:{value}" for value in hashes]
        blocks.append(" \\\n".join(lines) + "\n")
    return "".join(blocks)


def main() -> None:
    """Write a file of each build."""
    for build in BUILDS:
        (ROOT / f"hashes-{build}.txt").write_text(rendered(build))


if __name__ == "__main__":
    main()
