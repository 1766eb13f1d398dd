"""The documentation is correct: its examples run, and every name and link in it exists."""

import re
import runpy
import shutil
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
BLOCK = re.compile(r'```python title="([^"]+)"\n(.*?)```', re.DOTALL)
NAMED = re.compile(r"\b(?:jobs|benchmarks|kuberay|tests|platform/tunesmith|examples)/[\w/]+\.\w+")
COMMAND = re.compile(r"\btunesmith ([a-z]+)\b([^`#|\n]*)")
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _blocks(page: str) -> dict[str, str]:
    """Return the files that a page tells to write, by path."""
    return dict(BLOCK.findall((DOCS / page).read_text()))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which the files of docs/adding.md were written."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("platform", "jobs", "tests"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    written = _blocks("adding.md")
    assert set(written) == {
        "platform/tunesmith/tasks/wine.py", "platform/tunesmith/models/centroid.py",
    }  # fmt: skip
    for path, text in written.items():
        (folder / path).write_text(text)
    return folder


def _run(checkout: Path, *command: str) -> str:
    run = subprocess.run(
        [sys.executable, *command], cwd=checkout, capture_output=True, text=True, timeout=300,
        check=False, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout / "platform")},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "name", "least"),
    [("tests/tasks/test_tasks.py", "wine", 5), ("tests/models/test_families.py", "centroid", 8)],
)
def test_what_the_page_adds_keeps_every_promise(
    checkout: Path, tests: str, name: str, least: int
) -> None:
    out = _run(checkout, "-m", "pytest", tests, "-q", "-k", name, "-p", "no:cacheprovider")
    passed = re.search(r"(\d+) passed", out)
    assert passed
    assert int(passed[1]) >= least
    assert "failed" not in out


@pytest.mark.slow
def test_the_added_task_and_family_can_be_planned(checkout: Path, tmp_path: Path) -> None:
    code = (
        "from tunesmith.models import get_family; from tunesmith.tasks import get_task, Request;"
        "from tunesmith.artifacts.store import Store; import sys, numpy as np;"
        "data = get_task('wine').read(Store(sys.argv[1]), Request());"
        "part = lambda name: data.examples.take(np.flatnonzero(data.parts == name));"
        "train, test = part('train'), part('test');"
        "*_, step = get_family('centroid').fit({'sharpness': 0.5}, train, seed=0);"
        "y = step.model.predict_proba(test.view('features').x).argmax(axis=1);"
        "print((y == test.y).mean())"
    )
    assert float(_run(checkout, "-c", code, str(tmp_path))) > 0.9


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
    runpy.run_path(str(tmp_path / "page.py"))
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


def test_every_drill_stands_on_the_page_of_promises() -> None:
    source = (ROOT / "benchmarks" / "drills.py").read_text()
    drills = re.findall(r'^    "([a-z-]+)": Drill\(', source, re.MULTILINE)
    described = re.findall(
        r"^\| `([a-z-]+)` \|", (DOCS / "reliability.md").read_text(), re.MULTILINE
    )
    assert drills
    assert described == drills
