"""Private names of other libraries: where they stand, and that they still mean the same."""

import ast
import inspect
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from tunesmith.tuning import adapters
from tunesmith.tuning.studies import open_study

PACKAGE = Path(adapters.__file__).parent.parent
READ_IN = {"optuna": "5.0.0", "ray": "2.60.0", "mlflow-skinny": "3.17.2"}
MOVED = (
    "optuna.FrozenTrial has no `_trial_id` any more, or Trial(study, id) means something else: "
    "mend tunesmith.tuning.adapters.running_trial, which goes on with a trial that was running "
    "when its search died, and name the new version there and here."
)


def test_a_running_trial_is_continued_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    began = open_study(path, "t").ask()
    value = began.suggest_float("x", 0, 1)
    again = open_study(path, "t")
    (frozen,) = again.get_trials(states=[optuna.trial.TrialState.RUNNING])
    try:
        trial = adapters.running_trial(again, frozen)
        assert trial.number == began.number
        assert trial.suggest_float("x", 0, 1) == value
        again.tell(trial, 0.5)
    except (AttributeError, TypeError) as error:
        pytest.fail(f"{MOVED} ({error})")
    assert [t.value for t in again.get_trials()] == [0.5], MOVED


def test_a_lack_of_memory_that_ray_tells_of_is_an_error_of_an_actor_to_tune() -> None:
    from ray.exceptions import OutOfMemoryError, RayActorError

    actor_manager: Any = import_module("ray.air.execution._internal.actor_manager")
    source = inspect.getsource(actor_manager.RayActorManager._actor_task_failed)
    assert "isinstance(exception, RayActorError)" in source, (
        "Ray Tune tells errors of actors otherwise now: mend "
        "tunesmith.tuning.adapters.surviving_lack_of_memory, or drop it where a search goes on "
        "after an OutOfMemoryError of a trial."
    )
    errors: list[Exception] = []
    manager = actor_manager.RayActorManager(resource_manager=SimpleNamespace())
    manager._cleanup_actor = lambda tracked_actor: None
    actor = actor_manager.TrackedActor(1, on_error=lambda _, error: errors.append(error))
    task = actor_manager.TrackedActorTask(tracked_actor=actor)
    with adapters.surviving_lack_of_memory():
        manager._actor_task_failed(task, OutOfMemoryError("1 worker(s) were killed"))
        manager._actor_task_failed(task, RayActorError())
    assert len(errors) == 2
    assert actor_manager.RayActorError is RayActorError


@pytest.mark.parametrize("package", sorted(READ_IN))
def test_the_adapters_name_the_versions_they_were_read_in(package: str) -> None:
    assert f"{READ_IN[package]}" in (adapters.__doc__ or "")
    constraints = (PACKAGE.parent.parent / "constraints.txt").read_text().splitlines()
    assert f"{package}=={READ_IN[package]}" in constraints, (
        f"{package} moved to {version(package)}: read the private names in tuning/adapters.py "
        "again in that version, then name it there and here."
    )


def _foreign_private_names(path: Path) -> set[str]:
    """Return private attributes taken of anything but self, cls and names of the module itself."""
    tree = ast.parse(path.read_text())
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
           and isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}}  # fmt: skip
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own
    }


@pytest.mark.parametrize("room", ["tuning", "registry", "artifacts"])
def test_private_names_of_others_stand_in_the_adapters_alone(room: str) -> None:
    found = {
        path.name: names
        for path in sorted((PACKAGE / room).glob("*.py"))
        if (names := _foreign_private_names(path))
    }
    assert found == ({"adapters.py": {"_trial_id"}} if room == "tuning" else {})
