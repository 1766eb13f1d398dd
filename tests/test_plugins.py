"""Tasks and families from files, installed packages and programs."""

import os
import pickle
import re
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tunesmith import plugins
from tunesmith.errors import UsageError
from tunesmith.models import get_family
from tunesmith.tasks import get_task, task_names
from tunesmith.tasks.registry import TASKS, add_task

TASK = """
from dataclasses import dataclass
from tunesmith.tasks import Task

@dataclass
class Remembered:
    '''A dataclass looks its module up.'''
    value: int = 3

TASK = Task(
    name="{name}", title="A title", kind="table", families=("linear",), metric="accuracy",
    unit="row", read=lambda store, request: Remembered().value,
)
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Use no plugin of whoever runs the tests, and leave none behind."""
    monkeypatch.delenv(plugins.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield
    plugins._added.clear()
    plugins._restored.clear()


def _write(folder: Path, name: str, text: str | None = None) -> Path:
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TASK.format(name=name) if text is None else textwrap.dedent(text))
    return path


def test_a_file_is_known_inside_the_block_and_not_after(tmp_path: Path) -> None:
    path = _write(tmp_path, "mine")
    with plugins.using([path]):
        assert "mine" in task_names()
        assert get_task("mine").read(None, None) == 3
        assert TASKS.place("mine") == str(path)
    with pytest.raises(UsageError, match="no task named 'mine'"):
        get_task("mine")


def test_the_variable_names_files_in_the_working_folder_and_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "work" / "inner", "near")
    _write(tmp_path / "home", "far")
    paths = os.pathsep.join(["inner/near.py", "~/far.py"])
    monkeypatch.setenv(plugins.ENVIRONMENT_VARIABLE, paths)
    assert {"near", "far"} <= set(task_names())


@pytest.mark.parametrize("where", ["work/tunesmith.yaml", "home/.tunesmith/config.yaml"])
def test_a_configuration_file_names_files_beside_itself(tmp_path: Path, where: str) -> None:
    file = tmp_path / where
    _write(file.parent / "tasks", "configured")
    file.write_text("plugins: [tasks/configured.py]\n")
    assert "configured" in task_names()


def test_a_misspelt_key_of_the_configuration_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "work" / "tunesmith.yaml").write_text("\nplugin: []\n")
    with pytest.raises(
        UsageError, match=r"tunesmith\.yaml, line 2: there is no key 'plugin'.*'plugins'"
    ):
        task_names()


def test_a_file_that_two_places_name_is_used_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, "mine")
    monkeypatch.setenv(plugins.ENVIRONMENT_VARIABLE, str(path))
    with plugins.using([path]):
        assert [file.path for file in plugins.plugin_files()] == [str(path)]
        assert "mine" in task_names()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n\nTASK = (\n", r"broken\.py, line 3: SyntaxError: .* remove it from --plugin"),
        ("x = 1\nTASK = y\n", r"broken\.py, line 2: NameError: name 'y' is not defined"),
        (
            "import json\ndef f():\n    json.loads('{')\nf()\n",
            r"broken\.py, line 3: JSONDecodeError",
        ),
        ("x = 1\n", r"broken\.py.* assigns none of TASK, TASKS, FAMILY, FAMILIES, REPLICATION"),
        ("TASK = {}\n", r"TASK in .*broken\.py is of the class dict, not tunesmith\.tasks\.Task"),
    ],
    ids=["syntax", "name", "deeper", "nothing", "class"],
)
def test_a_broken_plugin_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, "broken", text)
    with pytest.raises(UsageError, match=message), plugins.using([path]):
        task_names()


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.py", "cannot be read: does not exist"), ("text.txt", r"must end in \.py or \.yaml")],
)
def test_what_is_no_plugin_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(UsageError, match=message), plugins.using([tmp_path / name]):
        pass


def test_two_of_one_name_are_told_with_both_places(tmp_path: Path) -> None:
    one, other = _write(tmp_path / "a", "mine"), _write(tmp_path / "b", "mine")
    match = f"task named 'mine': one in {re.escape(str(one))}, one in {re.escape(str(other))}"
    with pytest.raises(UsageError, match=match), plugins.using([one, other]):
        task_names()
    taken = _write(tmp_path, "digits")
    with (
        pytest.raises(UsageError, match=r"the module tunesmith\.tasks\.digits.*digits\.py"),
        plugins.using([taken]),
    ):
        get_task("digits")


def test_a_file_may_hold_several_families_and_a_task(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        "both",
        TASK.format(name="both")
        + """
from tunesmith.models.linear import Linear
class Other(Linear):
    name = "other"
class Third(Linear):
    name = "third"
FAMILIES = [Other(), Third()]
""",
    )
    with plugins.using([path]):
        assert get_family("other").name == "other"
        assert get_family("third").view == "features"
        assert get_task("both").unit == "row"


class _Point:
    """An entry point of an installed package."""

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value, self.dist = name, "package:object", None
        self._value = value

    def load(self) -> object:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a package with one entry point look installed."""

    def install(name: str, value: object) -> None:
        monkeypatch.setattr(
            metadata,
            "entry_points",
            lambda group: [_Point(name, value)] if "tasks" in group else [],
        )
        monkeypatch.setattr(TASKS, "_installed", None)
        monkeypatch.setattr(TASKS, "_of_files", None)

    yield install
    monkeypatch.undo()
    TASKS._installed = TASKS._of_files = None


def test_an_installed_package_brings_a_task(installed: Any) -> None:
    installed("noise2", _named("noise2"))
    assert get_task("noise2").name == "noise2"
    assert "entry point noise2" in TASKS.place("noise2")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (ImportError("no module named x"), "cannot be loaded: ImportError: no module named x"),
        (3, "is of the class int"),
        ("other", "is named 'other'. Give the entry point the same name"),
    ],
    ids=["import", "class", "name"],
)
def test_a_broken_package_stops_its_own_task_alone(
    installed: Any, value: object, message: str
) -> None:
    installed("brought", _named("other") if value == "other" else value)
    assert get_task("digits").name == "digits"
    with pytest.raises(UsageError, match=message):
        get_task("brought")


def _named(name: str) -> Any:
    from dataclasses import replace

    return replace(get_task("digits"), name=name)


def test_a_program_adds_a_task_and_may_add_it_again() -> None:
    add_task(_named("added"))
    again = _named("added")
    add_task(again)
    assert get_task("added") is again
    with pytest.raises(UsageError, match=r"digits.*this program"):
        add_task(_named("digits"))
    with pytest.raises(UsageError, match="class int"):
        add_task(3)  # type: ignore[arg-type]


def test_a_snapshot_restores_everything_where_no_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, "mine")
    with plugins.using([path]):
        sent = pickle.dumps(plugins.snapshot())
    path.unlink()
    monkeypatch.setenv(plugins.ENVIRONMENT_VARIABLE, "/no/such/file.py")
    plugins.restore(pickle.loads(sent))  # noqa: S301 - made above
    assert get_task("mine").read(None, None) == 3
