"""The wheel in an empty environment: no checkout on the path, an empty home, an empty folder."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nodes import free_port
from tests.packaging.conftest import ROOT
from tests.serving.conftest import served, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.cli.main import SECTIONS
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped

pytestmark = [pytest.mark.long, pytest.mark.slow]
COMMANDS = [name for section in SECTIONS.values() for name in section]


@dataclass(frozen=True)
class Installation:
    """The wheel, installed as a user installs it.

    Attributes
    ----------
    folder
        Holds the environment ``venv``, an empty folder ``home`` and an empty folder ``work``.
    """

    folder: Path

    def run(self, *command: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the empty folder."""
        programs = self.folder / "venv" / "bin"
        return subprocess.run(
            [str(programs / command[0]), *command[1:]],
            cwd=self.folder / "work",
            env={"HOME": str(self.folder / "home"), "PATH": f"{programs}:/usr/bin:/bin"},
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip


def install(folder: Path, wheel: Path, extras: str = "") -> Installation:
    """Install the wheel into an environment of its own."""
    for name in ("home", "work"):
        (folder / name).mkdir()
    uv = [sys.executable, "-m", "uv"]
    venv = folder / "venv"
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    pip = [*uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python")]
    subprocess.run(
        [*pip, "--constraint", str(ROOT / "constraints.txt"), f"{wheel}{extras}"],
        check=True, timeout=900,
    )  # fmt: skip
    return Installation(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installation:
    """Return the whole product: what the README installs."""
    return install(tmp_path_factory.mktemp("whole"), wheel, "[train,serve,demo]")


@pytest.fixture(scope="module")
def core(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, midi_factory: Callable[..., bytes]
) -> Installation:
    """Return the wheel without extras, and a piece of 200 notes in its folder."""
    installation = install(tmp_path_factory.mktemp("core"), wheel)
    (installation.folder / "work" / "piece.mid").write_bytes(midi_factory(n_notes=200))
    return installation


@pytest.mark.parametrize("kind", ["whole", "core"])
def test_the_command_lists_all(kind: str, request: pytest.FixtureRequest) -> None:
    answer = request.getfixturevalue(kind).run("tunesmith", "--help")
    assert answer.returncode == 0, answer.stderr
    listed = {line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")}
    assert set(COMMANDS) <= listed


def test_the_checkout_is_not_on_the_path(core: Installation) -> None:
    answer = core.run("python", "-c", "import tunesmith; print(tunesmith.__file__)")
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout.strip()).is_relative_to(core.folder / "venv")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_without_extras(core: Installation, name: str) -> None:
    answer = core.run("tunesmith", name, "--help")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"Usage: tunesmith {name}")


@pytest.mark.parametrize(
    ("command", "extras"),
    [
        (("ingest", ".", "--name", "mine"), "train"),
        (("tune", "noise"), "train"),
        (("serve",), "serve"),
        (("demo", "--once"), "train,serve,demo"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_needs_an_extra_says_which(
    core: Installation, command: tuple[str, ...], extras: str
) -> None:
    answer = core.run("tunesmith", *command)
    assert answer.returncode == 1
    assert f"pip install 'tunesmith[{extras}]'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_keys_need_no_extra(core: Installation) -> None:
    answer = core.run("tunesmith", "keys", "add", "ann")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("ts_")
    assert "ann" in core.run("tunesmith", "keys", "list").stdout


def test_predict_needs_no_extra(core: Installation, store: Store) -> None:
    write_bundle(store, favour=1)
    with served(Service(shipped(store=store.uri))) as url:
        answer = core.run("tunesmith", "predict", "--url", url, "piece.mid")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("piece.mid: Beethoven")


def test_midi_and_datasets_are_read_without_extras(core: Installation) -> None:
    code = (
        "from pathlib import Path; from tunesmith.midi import read_score; "
        "print(len(read_score(Path('piece.mid').read_bytes()).notes)); "
        "import tunesmith.datasets, tunesmith.client, tunesmith.artifacts"
    )
    answer = core.run("python", "-c", code)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "200"


def test_the_demo_goes_from_scores_to_answers(whole: Installation) -> None:
    port = str(free_port())
    answer = whole.run("tunesmith", "demo", "--once", "--port", port, timeout_s=1200)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
    assert "Held-out" in answer.stdout
