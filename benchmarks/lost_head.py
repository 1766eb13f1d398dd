"""A head that is lost while it searches, with its store in a bucket, and a fresh machine after it.

Run by `benchmarks/drills.py`. The bucket is on an S3 server of its own process. A machine is a home
and a folder for temporary files; when it is lost every process that was started with them is
killed, Ray's among them, and both folders are deleted. The next one has the bucket alone.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click
from _cluster import BIN, ROOT
from _s3 import Server
from search_recovery import outcome

from tests.nodes import carrying
from tests.s3 import store_uri
from tunesmith.artifacts import layout
from tunesmith.artifacts.runs import latest_run_id
from tunesmith.artifacts.searches import Plan, RunPointer, parse_history
from tunesmith.artifacts.store import Store
from tunesmith.tuning.studies import trial_states

__all__ = ["MOMENTS", "Head", "Moment", "lost_head"]

TASK, TRIALS = "noise", 24
# One core: trials follow each other, and the seed fixes every draw and every early stop.
_SEARCH = ("tune", TASK, "--trials", str(TRIALS), "--families", "linear", "--cpus", "1")
_MOST_S = 900.0
# Another machine's search counts as lost after a minute without a sign of life.
_SILENT_S = 60.0


@dataclass(frozen=True)
class Moment:
    """A moment of a search.

    Attributes
    ----------
    name
        The moment in words.
    write
        Pattern of the write that reaches the store then; the head dies before it is answered.
    passes
        So many writes that match go on before.
    applied
        Whether the write is carried out; otherwise it is lost with the head.
    line
        In place of a write: pattern of what the search says then.
    is_other
        Whether the next machine cannot know that the former one is lost, other than by its
        silence.
    """

    name: str
    write: str = ""
    passes: int = 0
    applied: bool = False
    line: str = ""
    is_other: bool = False


_STAGED = rf"PUT .*/runs/{TASK}/\.staging-[^/]+"
_FINAL = rf"COPY .*/runs/{TASK}/[0-9][^/]+"
MOMENTS = (
    Moment("before the first trial", rf"{_STAGED}/plan\.json", applied=True),
    Moment("after trials that were not copied yet", line=rf"\b[1-9]\d? of {TRIALS} trials ended"),
    Moment("in the first copy, before the history", rf"{_STAGED}/history\.jsonl"),
    Moment("in the first copy, before the study", rf"{_STAGED}/study\.journal"),
    Moment(
        "after the first copy, another machine",
        rf"{_STAGED}/study\.journal", applied=True, is_other=True,
    ),
    Moment("in the second copy, before the study", rf"{_STAGED}/study\.journal", passes=1),
    Moment("while the winner is trained again", line=rf"{TASK}: refitting"),
    Moment("while the run is written", rf"{_STAGED}/model/model\.onnx"),
    Moment("before latest.json", rf"PUT .*/runs/{TASK}/latest\.json"),
    Moment("after latest.json", rf"PUT .*/runs/{TASK}/latest\.json", applied=True),
    Moment("in the middle of publishing", rf"{_FINAL}/model/model\.onnx"),
    Moment("before the published run.json", rf"{_FINAL}/run\.json"),
    Moment(
        "after publication, before the rest is removed",
        rf"DELETE .*/runs/{TASK}/[0-9][^/]+/owner\.json",
    ),
)  # fmt: skip


class Head:
    """A machine, fresh and empty, which is lost at the end of the block at the latest.

    Parameters
    ----------
    folder
        Its path must be short, for Ray's sockets.
    is_other
        Whether its processes have numbers of their own, as on another machine. That needs root.
    """

    def __init__(self, folder: Path, *, is_other: bool = False) -> None:
        self.folder = folder
        self._before = ["unshare", "--pid", "--fork", "--mount-proc"] if is_other else []
        self._mark = f"TUNESMITH_DRILL={uuid.uuid4().hex}"

    def __enter__(self) -> Self:
        (self.folder / "home").mkdir(parents=True)
        (self.folder / "t").mkdir()
        return self

    def __exit__(self, *error: object) -> None:
        self.lose()

    def start(self, store: Store, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("RAY_", "TUNESMITH_", "MLFLOW_", "XDG_"))
        }  # fmt: skip
        mark, _, value = self._mark.partition("=")
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._before, str(BIN / "tunesmith"), *arguments, "--store", store.uri, "--json"],
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
                env=kept | {
                    "HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "t"),
                    "RAY_TMPDIR": str(self.folder / "t"), mark: value,
                    "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
                    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0",
                },
            )  # fmt: skip

    def run(self, store: Store, *arguments: str) -> dict[str, Any]:
        """Run a command to its end and return what it prints."""
        process = self.start(store, *arguments)
        out, _ = process.communicate(timeout=_MOST_S)
        if process.returncode:
            message = f"{arguments[0]} ended with {process.returncode}: {self.log()[-2000:]}"
            raise click.ClickException(message)
        return dict(json.loads(out))

    def log(self) -> str:
        """Return what the commands have said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def lose(self) -> None:
        """Kill every process at once, and delete the disk."""
        deadline = time.monotonic() + _MOST_S
        while (pids := carrying(self._mark)) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Left:
    """State that a lost head left in the store.

    Attributes
    ----------
    run_id
        Unfinished run, None where there is none.
    ended
        History of each trial that the study has as ended.
    """

    run_id: str | None
    ended: dict[int, list[dict[str, object]]]

    @classmethod
    def of(cls, store: Store) -> Self:
        """Read it."""
        for run_id in store.staged(*layout.runs(TASK)):
            return cls(run_id, _ended(store, run_id))
        return cls(None, {})


def _ended(store: Store, run_id: str) -> dict[int, list[dict[str, object]]]:
    parts = layout.staged_run(TASK, run_id)
    if not store.exists(*parts, layout.STUDY):
        return {}
    plan = Plan.read(store, *parts, layout.PLAN)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / layout.STUDY
        study.write_bytes(store.read_bytes(*parts, layout.STUDY))
        states = trial_states(study, plan.study)
    history = (*parts, layout.HISTORY)
    # There is none before the first result.
    text = store.read_bytes(*history).decode() if store.exists(*history) else ""
    rows = [result.row() for result in parse_history(text)]
    ended = {
        number: [row for row in rows if row["trial"] == number]
        for number, state in enumerate(states) if state.is_finished()
    }  # fmt: skip
    if without := [number for number, own in ended.items() if not own]:
        message = f"The trials {without} have ended in the study and have no result in the history."
        raise click.ClickException(message)
    return ended


def lose_at(moment: Moment, server: Server, store: Store, folder: Path) -> None:
    """Begin a search on a machine, and lose the machine at a moment."""
    with Head(folder, is_other=moment.is_other) as head:
        if moment.write:
            server.order(hold=moment.write, passes=moment.passes, applied=moment.applied)
        search = head.start(store, *_SEARCH)
        try:
            _await(moment, server, head, search)
        finally:
            head.lose()
            search.communicate()
            server.order(go=True)


def _await(moment: Moment, server: Server, head: Head, search: subprocess.Popen[str]) -> None:
    has_come: Callable[[], bool] = server.has_reached
    if moment.line:
        has_come = lambda: re.search(moment.line, head.log()) is not None  # noqa: E731
    deadline = time.monotonic() + _MOST_S
    while not has_come():
        if search.poll() is not None or time.monotonic() > deadline:
            message = f"The search never came to the moment: {head.log()[-2000:]}"
            raise click.ClickException(message)
        time.sleep(0.02)


def faults(store: Store, left: Left, run: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return what is wrong with a search that a fresh machine brought to its end."""
    faults = []
    numbers = [row["trial"] for row in run["table"] if row["family"] != "ensemble"]
    if sorted(numbers) != list(range(TRIALS)):
        faults.append(f"trials {sorted(numbers)}")
    if outcome(run) != outcome(expected):
        faults.append("other trials than the undisturbed search")
    if left.run_id not in {None, run["run_id"]}:
        faults.append(f"run {run['run_id']} in place of {left.run_id}")
    parts = layout.run(TASK, run["run_id"])
    history = parse_history(store.read_bytes(*parts, layout.HISTORY).decode())
    rows = [result.row() for result in history]
    faults += [
        f"trial {number} has other results than before"
        for number, before in left.ended.items()
        if before != [row for row in rows if row["trial"] == number]
    ]
    if {row["trial"] for row in rows} != set(numbers):
        faults.append("a trial without a history")
    named = RunPointer.read(store, *layout.latest_run(TASK)).run_id
    if {named, latest_run_id(store, TASK)} != {run["run_id"]}:
        faults.append(f"latest.json names {named}")
    if leftover := store.staged(*layout.runs(TASK)):
        faults.append(f"left over: {leftover}")
    return faults


def go_on(store: Store, left: Left, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring the search to its end on a fresh machine; return its run and the report on it."""
    with Head(folder) as head:
        # What was published before its head was lost needs no other search.
        resumes = left.run_id is not None
        how = ("tune", TASK, "--resume", "--cpus", "1") if resumes else _SEARCH
        (run,) = head.run(store, *how)["runs"]
        return dict(run), head.run(store, "evaluate", TASK)


def drill(
    moment: Moment, server: Server, expected: dict[str, Any], folder: Path
) -> tuple[bool, str]:
    """Lose a head at a moment; return whether a fresh machine lost nothing, and what was seen."""
    store = Store(store_uri(server.address, uuid.uuid4().hex))
    lose_at(moment, server, store, folder / "a")
    left = Left.of(store)
    if moment.is_other:
        time.sleep(_SILENT_S)
    began = time.monotonic()
    run, report = go_on(store, left, folder / "b")
    wrong = faults(store, left, run, expected)
    if report.get("run_id") != run["run_id"]:
        wrong.append(f"evaluate took {report.get('run_id')}")
    return not wrong, (
        f"{len(left.ended)} of {TRIALS} trials had ended in the store; "
        f"{'; '.join(wrong) or 'none lost or twice, as undisturbed'}; "
        f"{time.monotonic() - began:.0f} s"
    )


@contextlib.contextmanager
def undisturbed(folder: Path) -> Iterator[tuple[Server, dict[str, Any]]]:
    """Start a server, and search on it without a loss."""
    with Server() as server, Head(folder / "u") as head:
        store = Store(store_uri(server.address, uuid.uuid4().hex))
        (run,) = head.run(store, *_SEARCH)["runs"]
        yield server, run


def lost_head(folder: Path, moments: Sequence[Moment] = MOMENTS) -> tuple[bool, str]:
    """Lose a head at each moment, and print a line for each.

    Process numbers of their own, as those of another machine, need root; others leave that out.
    """
    n_kept = 0
    moments = [moment for moment in moments if not moment.is_other or os.geteuid() == 0]
    with undisturbed(folder) as (server, expected):
        for number, moment in enumerate(moments):
            place = folder / str(number)
            try:
                kept, seen = drill(moment, server, expected, place)
            except click.ClickException as error:
                kept, seen = False, error.message
            n_kept += kept
            click.echo(f"  {moment.name}: {seen}{'' if kept else ' BROKEN'}", err=True)
    return n_kept == len(moments), f"{n_kept} of {len(moments)} moments: every trial once"
