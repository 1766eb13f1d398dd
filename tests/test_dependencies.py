"""Every dependency is imported somewhere, and every version is pinned without naming a host."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("platform", "jobs", "serve", "tests", "benchmarks")
# Needed without being imported here, and by whom.
INDIRECT = {
    "tf2onnx": "keras, to export ONNX",
    "python-multipart": "fastapi, to take file uploads",
    "optuna-dashboard": "make watch, and the tests of it",
    "tensorboard": "make watch",
    "flask": "moto's server",
    "flask-cors": "moto's server",
    "furo": "make docs",
    "myst-parser": "make docs",
    "sphinx": "make docs",
    "ruff": "make check",
    "mypy": "make check",
    "pytest-xdist": "make test",
    "pandas-stubs": "mypy",
    "types-pyyaml": "mypy",
}


def _project() -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _wanted() -> set[str]:
    project = _project()
    lists = [project["dependencies"], *project["optional-dependencies"].values()]  # type: ignore[attr-defined,misc]
    names = {re.split(r"[\[<>=;! ]", line)[0] for lines in lists for line in lines}  # type: ignore[attr-defined]
    return {name.lower().replace("_", "-") for name in names}


def _imported() -> set[str]:
    modules: set[str] = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules.add(node.module.split(".")[0])
    by_module = packages_distributions()
    return {
        name.lower().replace("_", "-")
        for module in modules
        for name in by_module.get(module, [module])
    }


def test_every_dependency_is_imported_or_needed_by_one_that_is() -> None:
    imported = _imported()
    # One trainer stands under two names: the build for this machine and the one for others.
    imported |= {name.removesuffix("-cpu") for name in imported}
    assert _wanted() - imported - set(INDIRECT) == set()


def test_every_installed_dependency_is_pinned() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    other_builds = {"tensorflow", "xgboost"}
    assert _wanted() - other_builds <= pinned


def test_constraints_are_plain_names_and_versions() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line
