"""Every dependency is imported by the code it is for, and pinned without naming a host."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "platform" / "tunesmith"
# The code that each extra is for, as folders and files; "" is the core, which is always there.
# Rooms of the core may import a package of an extra, but only inside a function.
SERVED: dict[str, tuple[str, ...]] = {
    "": ("api", "artifacts", "audio", "cli", "client", "datasets", "midi", "errors.py"),
    "search": (
        "api", "artifacts", "cluster", "datasets", "evaluation", "inference", "ingestion", "models",
        "registry", "replications", "reports", "scoring", "tasks", "testing", "tuning",
    ),
    "serve": ("artifacts/buckets.py", "cluster", "inference", "serving"),
    "demo": ("ingestion/corpus.py",),
    "scores": ("midi/scores.py", "midi/converters.py"),
    "audio": ("audio",),
    "testing": ("testing",),
}  # fmt: skip
# Extras that are another's names plus one build of TensorFlow and XGBoost.
BUILDS = {"train": "search", "gpu": "search"}
TRAINERS = {"tensorflow", "xgboost"}
# Extras of the checkout, used by these folders rather than by the package.
CHECKOUT = {
    "bench": ("benchmarks",),
    "dev": ("tests", "benchmarks", "docs"),
    "docs": ("docs",),
    "watch": (),
}
# Needed without being imported here, and by whom.
INDIRECT = {
    "tf2onnx": "keras, to export ONNX",
    "openpyxl": "pandas, to read Excel tables",
    "optuna-dashboard": "tunesmith watch, and the tests of it",
    "tensorboard": "tunesmith watch",
    "flask": "moto's server",
    "flask-cors": "moto's server",
    "furo": "make docs",
    "myst-parser": "make docs",
    "sphinx": "make docs",
    "ipykernel": "nbclient, to run the notebook of examples/",
    "ruff": "make check",
    "mypy": "make check",
    "setuptools": "uv, to build the wheel for its tests",
    "pytest-cov": "make coverage",
    "pytest-xdist": "make test",
    "pandas-stubs": "mypy",
    "types-pyyaml": "mypy",
    "uv": "tests of the wheel",
}
# Imported without being named in pyproject.toml: a dependency brings it, as part of its interface.
BROUGHT_BY = {
    "markupsafe": "jinja2",
    "opentelemetry-api": "ray",
    "pydantic-core": "pydantic",
    "scipy": "scikit-learn",
    "sqlalchemy": "optuna",
    "starlette": "fastapi",
    "tensorboardx": "ray",
}

# Imported only where users have it, to give them data: the package does not ask for it.
OF_USERS = {"torch"}


def _normal(name: str) -> str:
    """Return a distribution's name as packages are compared: one build stands for all."""
    return name.lower().replace("_", "-").removesuffix("-cpu")


@cache
def _declared() -> dict[str, set[str]]:
    """Return the names of the core (under "") and of every extra, without Tunesmith's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    names = {
        extra: {_normal(re.split(r"[\[<>=;! ]", line)[0]) for line in lines}
        for extra, lines in lists.items()
    }
    return {extra: found - {"tunesmith"} for extra, found in names.items()}


@cache
def _installed() -> dict[str, list[str]]:
    return {
        module: [_normal(name) for name in names]
        for module, names in packages_distributions().items()
    }


def _modules(path: Path, *, top_level: bool = False) -> set[str]:
    """Return the packages that a file imports, the standard library's left out."""
    tree = ast.parse(path.read_text())
    modules: set[str] = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.split(".")[0])
    return modules - sys.stdlib_module_names - {"tunesmith"}


def _names(module: str) -> set[str]:
    """Return the distributions that hold a module; a namespace package has several."""
    return set(_installed().get(module, [_normal(module)]))


def _imported(path: Path) -> set[str]:
    return {name for module in _modules(path) for name in _names(module)}


def _files(root: Path, names: tuple[str, ...]) -> list[Path]:
    return [
        file
        for name in names
        for file in ([root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py")))
    ]


@pytest.mark.parametrize("extra", sorted(SERVED))
def test_every_dependency_is_imported_by_the_code_it_is_for(extra: str) -> None:
    imported = {name for file in _files(PACKAGE, SERVED[extra]) for name in _imported(file)}
    assert _declared()[extra] - imported - set(INDIRECT) == set()


@pytest.mark.parametrize("extra", sorted(CHECKOUT))
def test_every_tool_of_the_checkout_is_imported_or_needed_by_one_that_is(extra: str) -> None:
    imported = {name for file in _files(ROOT, CHECKOUT[extra]) for name in _imported(file)}
    assert _declared()[extra] - imported - set(INDIRECT) == set()


@pytest.mark.parametrize("build", sorted(BUILDS))
def test_a_build_adds_the_trainers_alone(build: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"tunesmith[{BUILDS[build]}]" in project["optional-dependencies"][build]
    assert _declared()[build] == TRAINERS


def test_every_extra_has_its_place_here() -> None:
    assert set(_declared()) == set(SERVED) | set(BUILDS) | set(CHECKOUT)


def test_the_core_imports_nothing_of_an_extra_when_it_is_imported() -> None:
    for file in _files(PACKAGE, SERVED[""]):
        for module in _modules(file, top_level=True):
            where = f"{file.relative_to(ROOT)} imports {module}, which the core lacks"
            assert _names(module) & _declared()[""], where


def test_no_room_imports_what_is_not_declared_for_it() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        room = file.relative_to(PACKAGE).parts[0]
        extras = {extra for extra in SERVED if file in _files(PACKAGE, SERVED[extra])}
        if "" in extras:  # inside functions; the test above holds the top level
            extras = set(SERVED)
        allowed = _declared()[""].union(*(_declared()[extra] for extra in extras))
        allowed |= {name for name, by in BROUGHT_BY.items() if by in allowed}
        allowed |= OF_USERS | (TRAINERS if "search" in extras else set())
        for module in _modules(file):
            where = f"{file.relative_to(ROOT)} imports {module}, not declared for {room}"
            assert _names(module) & allowed, where


def test_every_installed_dependency_is_pinned() -> None:
    pinned = {
        _normal(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert set().union(*_declared().values()) <= pinned


def test_constraints_are_plain_names_and_versions() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line
