"""Every path of the store is built in one place."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.artifacts import layout
from tunesmith.artifacts.store import Staging, Store

PACKAGE = Path(layout.__file__).parent.parent
# The methods that take the parts of a path.
METHODS = {
    name
    for kind in (Store, Staging)
    for name, method in vars(kind).items()
    if inspect.isfunction(method) and "parts" in inspect.signature(method).parameters
} | {"publish", "staging", "sweep"}
FOLDERS = {"datasets", "runs", "reports", "models", "studies", "serve", "mlflow"}
FILES = {
    "manifest.json", "latest.json", "run.json", "plan.json", "report.json", "card.json",
    "aliases.json", "keys.json", "owner.json", ".cluster.json", "history.jsonl",
    "study.journal",
}  # fmt: skip


def _joined(path: Path) -> Iterator[str]:
    """Yield calls of the store's methods that name a folder or a file of the layout themselves."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in METHODS:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                if isinstance(argument, ast.Constant) and argument.value in FOLDERS | FILES:
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno} {argument.value!r}"


@pytest.mark.parametrize(
    "room", sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists())
)
def test_no_other_room_joins_paths_of_the_store(room: str) -> None:
    found = [line for path in sorted((PACKAGE / room).rglob("*.py")) for line in _joined(path)]
    assert not found, "build these paths in tunesmith.artifacts.layout"


def test_the_paths_are_those_of_the_stores_that_there_are() -> None:
    assert layout.run("noise", "r1", layout.RECORD) == ("runs", "noise", "r1", "run.json")
    assert layout.staged_run("noise", "r1") == ("runs", "noise", ".staging-r1")
    assert layout.latest_run("noise") == ("runs", "noise", "latest.json")
    assert layout.report("noise", "r1", layout.REPORT) == ("reports", "noise", "r1", "report.json")
    assert layout.bundle("noise", 7, layout.CARD) == ("models", "noise", "0007", "card.json")
    assert layout.champion_record("noise", 3) == ("models", "noise", "records", "0003.json")
    assert layout.dataset_version("big4", "0a", layout.MANIFEST) == (
        "datasets", "big4", "0a", "manifest.json",
    )  # fmt: skip


def test_a_folder_that_is_being_built_has_the_name_the_store_gives_it(store: Store) -> None:
    with store.staging(*layout.runs("noise"), key="r1") as staging:
        assert staging.parts == layout.staged_run("noise", "r1")
