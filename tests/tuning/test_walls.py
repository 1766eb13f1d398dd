"""The walls between the modules of a search: a request passes them from top to bottom."""

import ast
from pathlib import Path

import pytest

from tunesmith import tuning

FOLDER = Path(tuning.__file__).parent
PREFIX = "tunesmith.tuning."
# module: the modules of the room that it may import. Those of one line stand on those of the lines
# above; nothing imports upwards, so a circle cannot be.
FLOORS: tuple[dict[str, set[str]], ...] = (
    {"adapters": set(), "scoring": set(), "space": set(), "studies": set(), "trial_data": set(),
     "requests": set(), "journal_copy": set(), "leaderboard": set(), "display": set(),
     "failures": set(), "staged_copy": set(), "open_set_models": set()},
    {"capacity": {"adapters"}, "dashboards": {"journal_copy"}, "presets": {"requests"},
     "run_artifact": {"space"},
     "sampler": {"space"}, "ensemble": {"scoring"}, "trial": {"scoring", "trial_data"},
     "label_sets": {"trial_data"}},
    {"optuna_search": {"adapters", "sampler", "space", "studies", "trial"},
     "scheduler": {"capacity", "failures", "trial"}, "progress": {"display", "failures", "trial"},
     "tensorboard": {"trial"}, "refit": {"trial", "trial_data"},
     "planning": {"requests", "run_artifact"},
     "open_set": {"label_sets", "open_set_models", "trial_data"},
     "continuation": {"requests", "run_artifact", "studies"}},
    {"baseline": {"label_sets", "planning", "refit", "run_artifact", "trial", "trial_data"},
     "session": {"capacity", "optuna_search", "planning", "progress", "space", "staged_copy",
                 "trial_data"},
     "dry_run": {"capacity", "continuation", "planning", "requests", "space"},
     "prometheus": {"progress"}, "waiting": {"capacity", "optuna_search", "progress"}},
    {"refitting": {"ensemble", "progress", "refit", "waiting"},
     "detecting": {"failures", "open_set", "progress", "refit", "session"},
     "mlflow_trials": {"progress", "run_artifact", "session", "space", "trial"}},
    {"selection": {"ensemble", "progress", "run_artifact", "session", "trial"}},
    {"publishing": {"capacity", "detecting", "failures", "label_sets", "progress", "refit",
                    "refitting", "run_artifact", "selection", "session", "trial"}},
    {"driver": {"adapters", "capacity", "continuation", "detecting", "mlflow_trials",
                "optuna_search", "planning", "progress", "prometheus", "publishing", "requests",
                "scheduler", "session", "tensorboard", "trial", "waiting"}},
)  # fmt: skip
WALLS = {module: wanted for floor in FLOORS for module, wanted in floor.items()}


def _imports(module: str) -> set[str]:
    """Return the modules of the room that one imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "tunesmith.tuning":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            names.add(str(node.module).removeprefix(PREFIX).split(".")[0])
        elif isinstance(node, ast.Import):
            names |= {
                alias.name.removeprefix(PREFIX)
                for alias in node.names
                if alias.name.startswith(PREFIX)
            }
    return names


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == WALLS.keys() | {"__init__"}


@pytest.mark.parametrize("module", sorted(WALLS))
def test_a_module_imports_only_what_its_walls_allow(module: str) -> None:
    assert _imports(module) <= WALLS[module]


def test_the_walls_allow_no_circle() -> None:
    below: set[str] = set()
    for floor in FLOORS:
        for module, wanted in floor.items():
            assert wanted <= below, f"{module} stands too low for {wanted - below}"
        below |= floor.keys()


def test_no_module_is_too_long() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in FOLDER.glob("*.py")}
    assert max(lengths.values()) <= 400, lengths
