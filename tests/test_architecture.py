"""The walls of the house: who may import what, and what must never exist.

Read from the source with `ast`, so that an import inside a function counts too.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "platform" / "tunesmith"
# Modules that every room may import, and that import no room.
BASE = {"errors", "extras", "plugins", "registries", "yaml_files"}
# room: (rooms it may import, third-party packages that only some rooms may import)
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "midi": (set(), {"symusic", "pretty_midi", "numba", "music21"}),
    "audio": ({"midi"}, {"onnxruntime", "av", "soxr", "numba"}),
    "artifacts": (set(), {"pandas", "pyarrow", "mlflow"}),
    "datasets": ({"artifacts", "midi"}, {"pandas", "pyarrow", "sklearn"}),
    "ingestion": ({"artifacts", "audio", "midi", "datasets"},
                  {"ray", "pyarrow", "pandas", "music21"}),
    "models": ({"datasets"}, {"keras", "tensorflow", "sklearn", "xgboost", "onnx", "onnxmltools",
                              "onnxruntime", "optuna", "tf2onnx", "skl2onnx"}),
    "tasks": ({"artifacts", "datasets", "inference", "models"}, {"pandas", "sklearn", "pyarrow"}),
    "replications": ({"artifacts", "midi", "tasks", "models", "datasets"}, {"optuna", "sklearn"}),
    "inference": ({"artifacts", "audio", "midi", "datasets"}, {"onnxruntime", "onnx", "pandas"}),
    "tuning": ({"artifacts", "tasks", "models", "datasets"},
               {"ray", "optuna", "pandas", "pyarrow", "sklearn", "tensorboardX", "mlflow"}),
    "evaluation": ({"artifacts", "midi", "datasets", "models", "tasks", "inference", "registry"},
                   {"sklearn", "pandas", "pyarrow", "onnxruntime"}),
    "reports": ({"artifacts", "midi", "datasets", "evaluation"},
                {"matplotlib", "pandas", "pyarrow", "sklearn"}),
    "registry": ({"artifacts", "datasets", "inference"}, {"mlflow", "pandas", "pyarrow"}),
    "serving": ({"artifacts", "audio", "midi", "datasets", "inference", "registry"},
                {"ray", "fastapi", "starlette"}),
    "scoring": ({"artifacts", "datasets", "inference", "ingestion", "registry"},
                {"ray", "pandas", "pyarrow"}),
    "client": (set(), {"httpx2"}),
    "cluster": ({"artifacts"}, {"ray"}),
    "testing": ({"artifacts", "datasets", "tasks", "models"}, {"optuna", "onnxruntime"}),
}  # fmt: skip
# The command line and the public Python API, which may import every room.
ENTRIES = {"cli", "api"}
# Packages that name an engine: a room that does not list one must not import it.
GUARDED = {
    "ray", "keras", "tensorflow", "torch", "jax", "sklearn", "xgboost", "optuna", "matplotlib",
    "numba", "pandas", "pyarrow", "symusic", "pretty_midi", "onnx", "onnxruntime", "onnxmltools",
    "skl2onnx", "tf2onnx",
    "mlflow", "tensorboardX", "httpx2", "fastapi", "starlette", "music21", "click", "rich", "av",
    "soxr",
}  # fmt: skip
MOST_LINES = 400
UNSAFE = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}


def _imports(path: Path) -> set[str]:
    """Return every dotted name that a file imports, absolute."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                here = path.relative_to(PACKAGE.parent).with_suffix("").parts
                base = ".".join(here[: len(here) - node.level])
                module = f"{base}.{node.module}" if node.module else base
            else:
                module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return names


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_platform_is_a_source_root_and_not_a_package() -> None:
    found = list((ROOT / "platform").glob("__init__.py*"))
    assert not found, "platform/__init__.py shadows the standard library's platform; ray then dies"


def test_every_room_is_known_to_the_plan() -> None:
    rooms = {p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert rooms == set(ROOMS) | ENTRIES
    base = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert base == BASE


def test_no_module_is_long() -> None:
    lines = {path.relative_to(ROOT): path.read_text().count("\n") for path in _sources(PACKAGE)}
    assert {path: n for path, n in lines.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_the_plan_allows(room: str) -> None:
    rooms, packages = ROOMS[room]
    for path in _sources(PACKAGE / room):
        for name in _imports(path):
            top, *rest = name.split(".")
            where = f"{path.relative_to(ROOT)} imports {name}"
            if top == "tunesmith" and rest:
                assert rest[0] in rooms | {room} | BASE, where
            assert top not in GUARDED - packages, where
            assert top not in {"jobs", "serve"}, where


def test_the_architecture_page_lists_the_rooms_and_their_imports() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", page, re.MULTILINE)
    assert {room: set(re.findall(r"`(\w+)`", cell)) for room, cell in rows if room in ROOMS} == {
        room: rooms for room, (rooms, _) in ROOMS.items()
    }


def test_the_base_imports_no_room() -> None:
    for name in sorted(BASE):
        for imported in _imports(PACKAGE / f"{name}.py"):
            top, *rest = imported.split(".")
            if top == "tunesmith" and rest:
                assert rest[0] in BASE, f"{name}.py imports {imported}"


def test_the_rooms_form_no_circle() -> None:
    edges = {
        room: {
            name.split(".")[1]
            for path in _sources(PACKAGE / room)
            for name in _imports(path)
            if name.startswith("tunesmith.") and name.split(".")[1] in ROOMS
        }
        - {room}
        for room in ROOMS
    }
    while free := [room for room, wanted in edges.items() if not wanted]:
        for room in free:
            del edges[room]
        edges = {room: wanted - set(free) for room, wanted in edges.items()}
    assert not edges, f"these rooms import each other: {edges}"


def test_ray_lives_where_the_plan_says() -> None:
    for path in _sources(PACKAGE):
        inside = path.relative_to(PACKAGE).parts
        if "ray" in {name.split(".")[0] for name in _imports(path)}:
            assert (
                inside[0] in {"ingestion", "tuning", "serving", "scoring", "cluster"} | ENTRIES
            ), path


@pytest.mark.parametrize("folder", ["platform", "jobs", "serve"])
def test_no_artefact_is_read_by_a_module_that_runs_code(folder: str) -> None:
    for path in _sources(ROOT / folder):
        found = {name.split(".")[0] for name in _imports(path)} & UNSAFE
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


def _imported_modules(program: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, timeout=120, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(run.stdout.split())


@pytest.mark.parametrize("job", sorted(p.stem for p in (ROOT / "jobs").glob("*.py")))
def test_a_command_starts_without_tensorflow_or_ray(job: str) -> None:
    program = f"import runpy; runpy.run_path('jobs/{job}.py', run_name='not main')"
    loaded = _imported_modules(program)
    assert not loaded & {"tensorflow", "keras", "ray"}


def test_the_serving_process_never_loads_tensorflow() -> None:
    loaded = _imported_modules("import tunesmith.serving.app")
    assert "fastapi" in loaded
    assert not loaded & {"tensorflow", "keras", "torch", "jax"}


# Words of ordinary language that are also the name of a task, by file.
ORDINARY_WORDS = {
    ("artifacts/manifest.py", "digits"): "the characters 0 to 9 of a name",
    ("artifacts/runs.py", "noise"): "data without structure, in the description of a field",
    ("cli/ingest.py", "composer"): "the table of people's names",
    ("audio/reading.py", "noise"): "a sound that is no music",
    ("serving/http/problems.py", "noise"): "a sound that is no music",
    ("cli/leaderboard.py", "noise"): "a column: the random error of a score",
    ("cli/promote.py", "noise"): "a rule of the gate",
    ("ingestion/label_tables.py", "composer"): "a usual name of a column",
    ("ingestion/label_tables.py", "genre"): "a usual name of a column",
    ("ingestion/notices.py", "composer"): "the table of people's names",
    ("midi/composers.py", "composer"): "a person",
    ("reports/verdict.py", "noise"): "data without structure",
    ("registry/gate.py", "noise"): "a rule of the gate, and random error",
    ("testing/families.py", "digits"): "the characters 0 to 9 of a name",
    ("testing/tasks.py", "digits"): "the characters 0 to 9 of a name",
    ("tuning/leaderboard.py", "noise"): "a column: the random error of a score",
}
# The demo is about one task by its purpose; replications run the studies of single tasks again.
ABOUT_A_TASK = {"replications", "cli/demo.py"}


def _texts(path: Path) -> Iterator[str]:
    """Yield the string constants of a file but its docstrings."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def test_no_shared_mechanism_names_a_task() -> None:
    folder = PACKAGE / "tasks"
    tasks = {path.stem for path in folder.glob("*.py")} - {"__init__", "contract", "registry"}
    named = set()
    for path in _sources(PACKAGE):
        inside = path.relative_to(PACKAGE)
        if {inside.as_posix(), inside.parts[0]} & ABOUT_A_TASK:
            continue
        if path.parent == folder and path.stem in tasks:
            continue
        words = {word for text in _texts(path) for word in re.findall(r"[a-z_]+", text)}
        named |= {(inside.as_posix(), word) for word in words & tasks}
    assert len(tasks) >= 8
    assert not named - set(ORDINARY_WORDS), "a property of the task belongs into a field of Task"
    assert not set(ORDINARY_WORDS) - named, "these exceptions are not needed any more"


# Rooms between which results and records travel.
TYPED_ROOMS = ("serving", "tuning", "evaluation", "registry", "artifacts", "scoring")
MOST_UNTYPED = 30


def test_what_travels_between_rooms_is_typed() -> None:
    """`dict[str, Any]` is left where a library hands it in or takes it, and nowhere else."""
    trees = {
        path: ast.parse(path.read_text())
        for room in TYPED_ROOMS
        for path in _sources(PACKAGE / room)
    }
    aliases = {
        node.targets[0].id
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and ast.unparse(node.value) == "dict[str, Any]"
    }
    uses = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]")
        or (isinstance(node, ast.Name) and node.id in aliases and isinstance(node.ctx, ast.Load))
    ]
    assert aliases == {"Dumped", "Fields"}
    assert len(uses) <= MOST_UNTYPED, "\n".join(uses)
