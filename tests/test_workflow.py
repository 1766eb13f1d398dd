"""The workflow of the forge runs what .ci/run runs, on every Python that the package allows."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    loaded: dict[str, Any] = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - `on` stays a text
    return loaded


def _commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_every_python_of_the_package_runs_ci(workflow: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == named
    assert _commands(job).split() == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_wheel_and_the_site_are_built(workflow: dict[str, Any]) -> None:
    commands = _commands(workflow["jobs"]["build"])
    assert "uv build --wheel" in commands
    targets = set(re.findall(r"\bmake ([a-z-]+)", commands))
    assert targets == {"setup", "docs"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_it_may_read_the_repository_and_nothing_else(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert int(job["timeout-minutes"]) <= 60
