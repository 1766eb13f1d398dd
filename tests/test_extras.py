"""What is said when a package is not installed."""

import pytest

from tunesmith import extras
from tunesmith.extras import missing_package, packages_of

LINES = [
    "click>=8.2",
    'tunesmith[search]; extra == "train"',
    "tensorflow>=2.20; (sys_platform != 'linux') and extra == \"train\"",
    'ray[tune]>=2.50; extra == "search"',
    'scikit-learn>=1.7; extra == "search"',
    'ray[serve]>=2.50; extra == "serve"',
    'fastapi>=0.115; extra == "serve"',
    'music21>=9.7; extra == "demo"',
    'optuna-dashboard>=0.20; extra == "watch"',
    'ruff>=0.14; extra == "dev"',
]


@pytest.fixture(autouse=True)
def metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "requires", lambda name: LINES)


def absent(module: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {module!r}", name=module)


def test_an_extra_that_names_another_brings_its_packages() -> None:
    assert packages_of("train") == {"tensorflow", "ray", "scikit-learn"}
    assert packages_of("serve") == {"ray", "fastapi"}


@pytest.mark.parametrize(
    ("module", "needed", "command"),
    [
        ("ray", ("serve",), "pip install 'tunesmith[serve]'"),
        ("ray.tune", (), "pip install 'tunesmith[train]'"),
        ("sklearn.svm", (), "pip install 'tunesmith[train]'"),
        ("starlette", (), "pip install 'tunesmith[serve]'"),
        ("optuna_dashboard", (), "pip install 'tunesmith[watch]'"),
        ("music21", ("train", "serve", "demo"), "pip install 'tunesmith[train,serve,demo]'"),
        ("music21", ("train",), "pip install 'tunesmith[demo]'"),
        ("ruff", (), "pip install ruff"),
        ("click", (), "pip install click"),
    ],
)
def test_the_extra_to_install_is_named(module: str, needed: tuple[str, ...], command: str) -> None:
    error = missing_package(absent(module), "`tunesmith x`", needed)
    assert error is not None
    assert str(error).startswith("`tunesmith x` needs ")
    assert str(error).endswith(f"Run: {command}")
    assert error.exit_code == 1


def test_an_import_that_is_a_bug_keeps_its_traceback() -> None:
    assert missing_package(absent("tunesmith.nowhere")) is None
    assert missing_package(ImportError("cannot import name 'x'", name="ray")) is None
