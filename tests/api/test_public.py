"""The names of the public API: pinned, lazy, documented."""

import doctest
import inspect
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import tunesmith

PUBLIC = [
    "Family",
    "Task",
    "TunesmithError",
    "__version__",
    "evaluate",
    "ingest",
    "load_dataset",
    "load_model",
    "open_store",
    "promote",
    "read_midi",
    "score",
    "similar",
    "tune",
]
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(getattr(tunesmith, name))]
HEAVY = {"ray", "tensorflow", "keras", "torch", "pandas", "pyarrow", "numpy", "pydantic"}


def test_the_exported_names_are_pinned():
    assert tunesmith.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(tunesmith))


def test_every_name_can_be_loaded_and_stays_the_same_object():
    for name in PUBLIC:
        assert getattr(tunesmith, name) is getattr(tunesmith, name)
    assert issubclass(import_module("tunesmith.errors").UsageError, tunesmith.TunesmithError)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tunesmith' has no attribute 'tun'"):
        tunesmith.tun  # noqa: B018


def test_no_room_has_the_name_of_a_function():
    # Importing such a room would put a module in the function's place.
    folder = Path(tunesmith.__file__).parent
    assert not {path.stem for path in folder.iterdir()} & set(PUBLIC)


def test_importing_is_quick_and_loads_no_library():
    program = (
        "import time; started = time.perf_counter(); import tunesmith; "
        "elapsed_s = time.perf_counter() - started; import sys; print(elapsed_s, *sys.modules)"
    )
    elapsed_s = []
    # The fastest of a few: another process may hold the cores in one of them.
    for _ in range(3):
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
        first, *modules = run.stdout.split()
        elapsed_s.append(float(first))
        assert not {name.partition(".")[0] for name in modules} & HEAVY
    assert min(elapsed_s) < 0.3


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_says_what_is_taken_given_and_raised_and_shows_it(name):
    text = inspect.getdoc(getattr(tunesmith, name)) or ""
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n---" in text, section
    for parameter in inspect.signature(getattr(tunesmith, name)).parameters:
        assert f"\n{parameter}" in text or f", {parameter}" in text, parameter


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_examples_in_a_docstring_are_right(name):
    function = getattr(tunesmith, name)
    for example in doctest.DocTestFinder(recurse=False).find(function, name):
        started = time.perf_counter()
        results = doctest.DocTestRunner().run(example)
        assert results.failed == 0
        assert time.perf_counter() - started < 60


def run_without(module, program, store):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules[{module!r}] = None; {program}"],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "TUNESMITH_STORE": str(store)},
    )  # fmt: skip


def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path):
    run = run_without("ray", "import tunesmith; tunesmith.tune('digits')", tmp_path)
    assert "tunesmith.tune needs ray, which is not installed" in run.stderr
    assert "pip install 'tunesmith[train]'" in run.stderr


def test_the_core_alone_opens_a_store_and_loads_a_dataset(piece_store):
    program = (
        "sys.modules.update(dict.fromkeys(['sklearn', 'onnxruntime', 'optuna', 'keras', 'onnx', "
        "'matplotlib', 'mlflow', 'fastapi', 'jinja2', 'tensorflow', 'xgboost'])); "
        "import tunesmith; [getattr(tunesmith, name) for name in tunesmith.__all__]; "
        "print(tunesmith.load_dataset('small'))"
    )
    run = run_without("ray", program, piece_store.uri)
    assert run.stdout.startswith("PieceFrames('small'"), run.stderr
