"""Shared by the drills on Ray nodes of this machine: nodes, music, jobs."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from tests.nodes import BIN, Nodes, free_port  # noqa: E402 - after the path that leads there

__all__ = ["BIN", "ROOT", "Cluster", "free_port", "wait_for", "write_music"]


class Cluster(Nodes):
    """Nodes that are looked at, asked for work and disturbed.

    Parameters
    ----------
    folder
        As for `Nodes`; the nodes start where the code is.
    **environment
        Variables of every node.
    """

    # Where nodes reach this process.
    host = "127.0.0.1"

    def __init__(self, folder: Path, **environment: str) -> None:
        code = {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
        super().__init__(folder, code | environment, ROOT)

    @property
    def gcs(self) -> str:
        """Address of the head for drivers and nodes."""
        return f"{self.addresses['head']}:{self.port}"

    def started(self, name: str) -> int:
        """Return the process that started a node, and whose end ends it."""
        return self._processes[name].pid

    def ended(self, name: str) -> bool:
        """Return whether a node has ended by itself."""
        return self._processes[name].poll() is not None

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a job of the project as the driver of a submitted one runs: on the head."""
        return subprocess.Popen(
            [*self._inside("head"), sys.executable, *command],
            env=self.environment | {"RAY_ADDRESS": self.gcs}, cwd=ROOT, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *command: str) -> str:
        """Run a job to its end and return what it printed."""
        process = self.start(*command)
        out, errors = process.communicate(timeout=400)
        if process.returncode:
            message = f"{' '.join(command)} ended with {process.returncode}:\n{errors[-4000:]}"
            raise click.ClickException(message)
        return out

    def deploy(self, change: Callable[[dict[str, Any]], None], port: int | None = None) -> int:
        """Deploy the shipped server with changes, on a free port unless one is given; return it."""
        config = yaml.safe_load((ROOT / "serve" / "cluster-config.yaml").read_text())
        config["http_options"]["port"] = port or free_port()
        change(config)
        path = self.folder / "serve.yaml"
        path.write_text(yaml.safe_dump(config))
        self.run(str(BIN / "serve"), "deploy", str(path), "--address", self.address)
        return int(config["http_options"]["port"])


def wait_for(condition: Callable[[], bool], what: str, most_s: float = 150.0) -> float:
    """Wait until something is so; return how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > most_s:
            message = f"after {most_s:.0f} s it is not so that {what}"
            raise click.ClickException(message)
        time.sleep(0.2)
    return time.monotonic() - began


def write_music(folder: Path, n_pieces: int) -> None:
    """Write two composers' worth of random pieces, in different registers."""
    import pretty_midi

    for composer, lowest in (("Bach", 40), ("Chopin", 64)):
        (folder / composer).mkdir(parents=True)
        for seed in range(n_pieces // 2):
            dice = random.Random(f"{composer}{seed}")
            midi = pretty_midi.PrettyMIDI()
            instrument = pretty_midi.Instrument(0)
            for index in range(80 + dice.randrange(40)):
                pitch, velocity = lowest + dice.randrange(24), dice.randrange(40, 110)
                note = pretty_midi.Note(velocity, pitch, index * 0.25, index * 0.25 + 0.25)
                instrument.notes.append(note)
            midi.instruments.append(instrument)
            midi.write(str(folder / composer / f"{seed}.mid"))
