"""The pages that are followed step by step, followed to the letter: fresh clone, empty home."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes import free_port

ROOT = Path(__file__).resolve().parent.parent
PORT = 8000
# A file to write, or commands to type; a title with "left running" means another terminal.
BLOCK = re.compile(r'```(python|bash)(?: title="([^"]+)")?\n(.*?)```', re.DOTALL)

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout that could be cloned"),
]


class Reader:
    """One who types what a page says, in a clone of what is committed.

    Parameters
    ----------
    folder
        For the clone and for a home folder with nothing in it.
    """

    def __init__(self, folder: Path) -> None:
        self.clone, self.home, self.log = folder / "clone", folder / "home", folder / "log"
        self.home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.clone)], check=True)
        # Another server may have the port on this machine; all else is as it stands.
        self.port = free_port()
        config = self.clone / "serve" / "config.yaml"
        config.write_text(config.read_text().replace(f"port: {PORT}", f"port: {self.port}"))
        # `make test ARGS=…` hands ARGS to every program below it, and so to the page's own make.
        others = ("RAY_", "TUNESMITH_", "PYTEST_", "PYTHON", "MAKE", "ARGS", "VIRTUAL_ENV")
        self.shell = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        self.shell["HOME"] = str(self.home)
        self._left: list[subprocess.Popen[bytes]] = []

    def follow(self, page: str) -> None:
        """Do what the page of the clone says, from top to bottom."""
        for kind, title, text in BLOCK.findall((self.clone / "docs" / page).read_text()):
            if kind == "python":
                (self.clone / title).write_text(text)
            elif "left running" in title:
                self._leave_running(text)
            else:
                self._type(text)

    def shown(self, name: str) -> str:
        """Return the address that a terminal left running shows beside `name`, once it does."""
        deadline = time.monotonic() + 120
        while True:
            text = self.log.read_text()
            if found := re.search(rf"^{name}\s+(http://\S+)", text, re.MULTILINE):
                return found[1]
            alive = all(process.poll() is None for process in self._left)
            assert alive, text[-4000:]
            assert time.monotonic() < deadline, text[-4000:]
            time.sleep(0.2)

    def _typed(self, text: str) -> list[str]:
        text = text.replace(f":{PORT}/", f":{self.port}/")
        text = text.replace("tunesmith predict", f"tunesmith predict --url {self.address}")
        text = text.replace("tunesmith serve\n", f"tunesmith serve --port {self.port}\n")
        # What one block sets, the next ones have: they are typed into the same terminal.
        activate = "[ ! -e .venv/bin/activate ] || . .venv/bin/activate\n"
        return ["bash", "-e", "-c", activate + text]

    @property
    def address(self) -> str:
        """URL of the server that the page starts."""
        return f"http://127.0.0.1:{self.port}"

    def _type(self, text: str) -> None:
        done = subprocess.run(
            self._typed(text), cwd=self.clone, env=self.shell, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip
        said = f"{text}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        with self.log.open("a") as log:
            log.write(said)
        assert done.returncode == 0, said

    def _leave_running(self, text: str) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._typed(text), cwd=self.clone, env=self.shell, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._left.append(process)

    def leave(self) -> None:
        """Press Ctrl-C in the terminals that were left running."""
        for process in self._left:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        for process in self._left:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.leave()
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_the_tutorial_is_followed_to_the_letter(reader: Reader) -> None:
    reader.follow("tutorial.md")
    for page in ("TensorBoard", "Optuna composer"):
        with urllib.request.urlopen(reader.shown(page), timeout=30) as answer:  # noqa: S310 - loopback
            assert answer.status == 200


def test_adding_a_task_and_a_family_is_followed_to_the_letter(reader: Reader) -> None:
    reader.follow("adding.md")
