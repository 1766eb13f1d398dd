"""The tunesmith command."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tunesmith.cli.command import _key
from tunesmith.cli.main import SECTIONS, main

ROOT = Path(__file__).parents[2]
MAIN = "from tunesmith.cli.main import main; main()"


def test_every_subcommand_is_listed_and_has_a_main() -> None:
    help_text = CliRunner().invoke(main, ["--help"]).output
    for name, summary in (item for section in SECTIONS.values() for item in section.items()):
        assert name in help_text
        assert summary in help_text
        assert isinstance(import_module(f"tunesmith.cli.{name}").main, click.Command)


@pytest.mark.parametrize("name", [name for part in SECTIONS.values() for name in part])
def test_every_help_has_sections_that_name_its_own_options(name: str) -> None:
    command = import_module(f"tunesmith.cli.{name}").main
    for leaf in command.commands.values() if isinstance(command, click.Group) else [command]:
        listed = [option for options in leaf.sections.values() for option in options]
        assert len(listed) == len(set(listed))
        with click.Context(leaf) as context:
            own = {_key(parameter) for parameter in leaf.get_params(context)}
        assert set(listed) <= own
        text = CliRunner().invoke(leaf, ["--help"]).output
        assert text.count("  --json ") == 1
        assert max(map(len, text.splitlines())) <= 80


def test_the_names_in_the_help_are_those_of_the_registries() -> None:
    from tunesmith.cli import names
    from tunesmith.models import family_names
    from tunesmith.tasks import task_names

    assert names.task_names() == task_names()
    assert names.family_names() == family_names()


def test_python_runs_the_package_as_the_command() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tunesmith", "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("Usage: tunesmith ")


def test_predict_parses_its_own_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "--help"], prog_name="tunesmith")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: tunesmith predict")


def test_predict_names_the_file_and_the_server_that_does_not_answer(tmp_path: Path) -> None:
    missing = tmp_path / "missing.mid"
    run = subprocess.run(
        [sys.executable, "-c", MAIN, "predict", str(missing)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "missing.mid" in run.stderr


def test_an_unknown_subcommand_is_a_usage_error() -> None:
    answer = CliRunner().invoke(main, ["predikt"])
    assert answer.exit_code == 2
    assert "predikt" in answer.output


def test_the_project_installs_the_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"tunesmith": "tunesmith.cli.main:main"}


def test_the_command_starts_without_loading_a_room() -> None:
    code = "import sys, tunesmith.cli.main; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not {"ray", "numpy", "pyarrow", "httpx2"} & set(run.stdout.split())
