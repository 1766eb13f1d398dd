"""The walls inside serving: which module may import which, and no circle."""

import ast
from pathlib import Path

import pytest

import tunesmith.serving

SERVING = Path(tunesmith.serving.__file__).parent
# Modules that know nothing of the others.
FREE = {
    "answers", "aside", "batching", "drift", "http.pages", "http.paths", "http.responses",
    "ray_adapter", "refusals", "tracing",
}  # fmt: skip
# Modules that every other one may import.
BASE = FREE | {"http.problems", "metrics", "settings"}
MAY_IMPORT: dict[str, set[str]] = {
    **{name: set() for name in FREE},
    "limits": set(),
    "metrics": {"aside"},
    "settings": {"http.paths", "limits"},
    "http.problems": {"answers", "http.paths", "http.responses"},
    "deadlines": {"http.problems"},
    # Models: loaded, asked, explained and compared. They know no request.
    "champions": BASE,
    "predict": BASE | {"champions", "deadlines"},
    "contests": BASE | {"champions"},
    "challengers": BASE | {"champions", "deadlines", "predict", "contests"},
    "similar": BASE,
    # The graph: nodes, the work of one node, and where it is done.
    "nodes": BASE | {"champions"},
    "worker": BASE | {"champions", "deadlines", "predict", "challengers", "contests"},
    "graph": BASE | {"deadlines", "challengers", "nodes", "worker"},
    # HTTP: from bytes to items and back.
    "http.schemas": set(),
    "http.bodies": {"http.problems"},
    "http.receiving": {"deadlines", "http.problems", "limits"},
    "http.headers": {"deadlines", "limits"},
    "http.music": {"deadlines", "http.problems", "http.receiving", "limits"},
    "http.decoding": {
        "deadlines", "http.bodies", "http.music", "http.problems", "http.receiving", "limits",
    },
    "http.mixtures": {
        "deadlines", "http.bodies", "http.decoding", "http.music", "http.problems", "limits",
    },
    "http.openapi": {
        "answers", "http.decoding", "http.music", "http.problems", "http.schemas", "nodes",
    },
    "http.locality": set(),
    "http.auth": {"http.locality", "http.paths", "http.problems", "settings"},
    "http.lingering": set(),
    "http.listener": {"http.lingering", "settings", "tracing"},
    # A replica: its state, then the routes over it, then the application.
    "service": BASE | {
        "champions", "deadlines", "graph", "nodes", "similar", "contests", "worker",
        "http.auth", "http.receiving",
    },
    "http.errors": {"http.paths", "http.problems", "service", "settings"},
    "http.middleware": {"http.paths", "http.problems", "service", "settings"},
    # Routes of one kind each, and those of the tasks.
    "http.models": {
        "limits", "nodes", "service", "http.openapi", "http.pages", "http.problems",
        "http.responses", "http.schemas",
    },
    "http.items": {"deadlines", "service", "settings", "http.decoding", "http.problems"},
    "http.labels": {
        "service", "http.decoding", "http.headers", "http.items", "http.problems",
        "http.responses",
    },
    "http.similar": {
        "answers", "deadlines", "predict", "service", "http.decoding", "http.headers",
        "http.items", "http.openapi", "http.paths", "http.problems", "http.responses",
        "http.schemas",
    },
    "http.notes": {
        "answers", "predict", "service", "http.bodies", "http.headers", "http.music",
        "http.openapi", "http.problems", "http.responses", "http.schemas",
    },
    "http.routes": {
        "answers", "nodes", "service", "settings", "worker", "http.bodies", "http.decoding",
        "http.errors", "http.headers", "http.items", "http.labels", "http.middleware",
        "http.mixtures", "http.models", "http.music", "http.notes", "http.openapi", "http.pages",
        "http.paths", "http.problems", "http.responses", "http.schemas", "http.similar",
    },
    "app": BASE | {
        "champions", "deadlines", "service", "contests", "worker", "http.listener", "http.routes",
    },
    "launch": {"app", "settings"},
}  # fmt: skip


def _name(path: Path) -> str:
    return ".".join(path.relative_to(SERVING).with_suffix("").parts)


MODULES = {_name(path): path for path in SERVING.rglob("*.py") if path.name != "__init__.py"}


def _imports(path: Path) -> set[str]:
    """Return the modules of serving that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tunesmith.serving"):
            inside = str(node.module).removeprefix("tunesmith.serving").lstrip(".")
            for alias in node.names:
                full = f"{inside}.{alias.name}".lstrip(".")
                found.add(full if full in MODULES else inside)
    return found


def test_every_module_stands_in_the_plan() -> None:
    assert set(MODULES) == set(MAY_IMPORT)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_the_plan_allows(name: str) -> None:
    extra = _imports(MODULES[name]) - MAY_IMPORT[name]
    assert not extra, f"serving/{name} imports {', '.join(sorted(extra))}"


def test_the_plan_has_no_circle() -> None:
    edges = {name: set(others) for name, others in MAY_IMPORT.items()}
    while free := [name for name, others in edges.items() if not others]:
        for name in free:
            del edges[name]
        edges = {name: others - set(free) for name, others in edges.items()}
    assert not edges, f"these modules import each other: {edges}"
