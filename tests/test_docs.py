"""The documentation is correct: its examples run, and every name and link in it exists."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from tunesmith.cli.main import main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r'```(?:python|yaml) title="([^"]+)"\n(.*?)```', re.DOTALL)
NAMED = re.compile(r"\b(?:jobs|benchmarks|kuberay|tests|platform/tunesmith|examples)/[\w/]+\.\w+")
COMMAND = re.compile(r"\btunesmith ([a-z]+)\b([^`#|\n]*)")
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _blocks(page: str) -> dict[str, str]:
    """Return the files that a page tells to write, by path."""
    return dict(BLOCK.findall((DOCS / page).read_text()))


def test_the_examples_on_the_page_are_the_files_that_the_tests_run() -> None:
    shown = _blocks("adding.md")
    names = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"make_moods"}
    yamls = {path.stem for path in (ROOT / "examples").glob("*.yaml")}
    assert {Path(name).stem for name in shown} == names | yamls
    for name, text in shown.items():
        assert (ROOT / name).read_text() == text, name


def test_every_key_of_a_yaml_task_stands_on_the_page() -> None:
    from tunesmith.tasks.support.declared import DeclaredTask

    page = (DOCS / "adding.md").read_text()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    keys = {key for row in rows for key in re.findall(r"\w+", row)}
    assert keys == set(DeclaredTask.model_fields)


@pytest.mark.slow
def test_the_contract_tests_run_over_plugins(tmp_path: Path) -> None:
    environment = {**os.environ, "TUNESMITH_PLUGINS": "examples/wine.py:examples/centroid.py"}
    environment["PYTHONPATH"] = str(ROOT / "platform")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs",
         "tunesmith.testing"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", run.stdout)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert passed
    assert int(passed[1]) >= 20


@pytest.mark.slow
@pytest.mark.cluster
def test_the_examples_of_the_python_page_run(
    ray_cluster: dict[str, float],
    mlflow_uri: str,
    midi_factory: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, composer in enumerate(("Bach", "Chopin")):
        folder = tmp_path / "my-midi" / composer
        folder.mkdir(parents=True)
        for seed in range(30):
            data = midi_factory(seed=100 * number + seed, n_notes=40 + 30 * number)
            (folder / f"{seed}.mid").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNESMITH_STORE", str(tmp_path / "store"))
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    (tmp_path / "page.py").write_text("\n".join(blocks))
    # As the main program, whose functions Ray sends to its workers whole.
    runpy.run_path(str(tmp_path / "page.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "macro_f1" in printed
    assert "Did you mean composer?" in printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_job_and_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    written = {name for other in DOCS.glob("*.md") for name in _blocks(other.name)}
    for name in NAMED.findall(text):
        assert (ROOT / name).exists() or name in written, f"{page.name} names {name}"


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, set[str]]]:
    """Yield every command with the options that it and the commands below it take."""
    context = click.Context(command, info_name=name)
    options = {option for parameter in command.get_params(context) for option in parameter.opts}
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            for path, below in _commands(command.get_command(context, child), child):
                yield path, below
                options |= below
    yield name, options


def test_every_command_and_option_on_the_pages_exists() -> None:
    known = dict(_commands(main, "tunesmith"))
    known["submit"] |= known["tunesmith"]
    seen = 0
    for page in PAGES:
        for name, rest in _code_commands(page.read_text()):
            seen += 1
            assert name in known, f"{page.name}: there is no command tunesmith {name}"
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest):
                assert option in known[name], f"{page.name}: tunesmith {name} has no {option}"
    assert seen > 50


def _code_commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and arguments of the commands in code spans, fenced and indented blocks."""
    spans = re.findall(r"`([^`\n]+)`", text)
    fenced = re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL)
    indented = re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    for code in (*spans, *"\n".join([*fenced, *indented]).split("\n")):
        if match := COMMAND.match(code.strip()):
            yield match[1], match[2]


def test_every_test_that_the_page_of_security_names_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) >= 40
    for path, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name


def test_every_drill_stands_on_the_page_of_promises() -> None:
    source = (ROOT / "benchmarks" / "drills.py").read_text()
    drills = re.findall(r'^    "([a-z-]+)": Drill\(', source, re.MULTILINE)
    described = re.findall(
        r"^\| `([a-z-]+)` \|", (DOCS / "reliability.md").read_text(), re.MULTILINE
    )
    assert drills
    assert described == drills
