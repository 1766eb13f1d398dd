"""The pages that show a search while it runs: TensorBoard, Optuna's and Ray's dashboards, MLflow.

Reads files alone: neither Ray nor Optuna nor MLflow is imported. The tools run as processes of
their own and stay optional.
"""

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from tunesmith.artifacts import layout
from tunesmith.artifacts.gaps import readable
from tunesmith.artifacts.owners import owner_of
from tunesmith.artifacts.runs import latest_run_id
from tunesmith.artifacts.searches import ClusterRecord, unfinished_plans
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.tuning.journal_copy import JournalCopy

__all__ = ["OtherPages", "Page", "Watched", "open_pages", "others", "watched"]

_LOOPBACK = "127.0.0.1"
_TENSORBOARD_PORT, _OPTUNA_PORT = 6006, 8090
_READY_S = 90.0
_MLFLOW_PORT = 5000


@dataclass(frozen=True)
class Watched:
    """A run to watch.

    Attributes
    ----------
    task, run_id
        Which.
    is_running
        Whether it is not published yet.
    folder
        Where its files are on this machine.
    """

    task: str
    run_id: str
    is_running: bool
    folder: Path


@dataclass
class Page:
    """A tool that was started.

    Attributes
    ----------
    name
        What it shows.
    url
        Where, on loopback.
    command
        What starts it.
    process
        It.
    journal
        The copy that it reads, None where it reads files that it cannot change.
    """

    name: str
    url: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    journal: JournalCopy | None = None

    def close(self) -> None:
        """End the tool."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if self.journal is not None:
            self.journal.close()


def watched(store: Store, tasks: Sequence[str] = ()) -> list[Watched]:
    """Return the runs to watch: a task's unfinished one, else its latest.

    Without tasks these are all unfinished searches, else the newest run of all.

    Raises
    ------
    SearchError
        When a task was never searched, or nothing was.
    """
    names = tasks or store.list(*layout.searched_tasks())
    opened = readable(names, lambda task: _of(store, task), lambda task: f"The runs of {task}")
    runs = [run for run in opened if run is not None]
    missing = sorted(set(tasks) - {run.task for run in runs})
    if missing or not runs:
        absent = " and ".join(missing) or "anything"
        message = (
            f"There is no search of {absent} in {store.shown}. Start one: tunesmith tune TASK."
        )
        raise SearchError(message)
    if tasks:
        return runs
    running = [run for run in runs if run.is_running]
    return running or [max(runs, key=lambda run: run.run_id)]


def _of(store: Store, task: str) -> Watched | None:
    latest = latest_run_id(store, task)
    running = _unfinished(store, task, latest or "")
    if running is not None:
        parts = layout.staged_run(task, running)
        return Watched(task, running, True, _folder(store, running, parts))
    if latest is None:
        return None
    return Watched(task, latest, False, _folder(store, latest, layout.run(task, latest)))


def _unfinished(store: Store, task: str, latest: str) -> str | None:
    """Return the newest search that runs; else the newest unfinished one since the latest run."""
    run_ids = [plan.run_id for plan in unfinished_plans(store, task)]
    running = [run_id for run_id in run_ids if owner_of(store, task, run_id) is not None]
    since = [run_id for run_id in run_ids if run_id > latest]
    return max(running or since, default=None)


def _folder(store: Store, run_id: str, parts: layout.Parts) -> Path:
    return store.local_path(*parts) if store.is_local else layout.work_folder(run_id)


def open_pages(runs: Sequence[Watched]) -> tuple[list[Page], list[str]]:
    """Start TensorBoard on all runs and Optuna's dashboard on each, on loopback.

    Returns
    -------
    list of Page
        What was started and answers.
    list of str
        What could not be started and why, a sentence each.

    Raises
    ------
    UsageError
        When neither tool is installed.
    """
    pages, notes = [], []
    if importlib.util.find_spec("tensorboard") is None:
        notes.append(_missing("TensorBoard"))
    else:
        folders = ",".join(f"{run.task}:{run.folder / 'tensorboard'}" for run in runs)
        port = _free_port(_TENSORBOARD_PORT)
        flags = ["--host", _LOOPBACK, "--port", str(port), "--reload_interval", "5"]
        command = [sys.executable, "-m", "tensorboard.main", "--logdir_spec", folders, *flags]
        pages.append(_start("TensorBoard", command, port))
    tool = shutil.which("optuna-dashboard", path=str(Path(sys.executable).parent))
    if tool is None:
        notes.append(_missing("optuna-dashboard"))
    else:
        for run in runs:
            port = _free_port(_OPTUNA_PORT)
            journal = JournalCopy(run.folder / layout.STUDY)
            where = ["--port", str(port), str(journal.path)]
            command = [tool, "--quiet", "--host", _LOOPBACK, *where]
            pages.append(_start(f"Optuna {run.task}", command, port, journal))
    if not pages:
        raise UsageError(" ".join(notes))
    for page in [page for page in pages if not _answers(page)]:
        notes.append(f"{page.name} did not start: run it by hand, {' '.join(page.command)}.")
        page.close()
        pages.remove(page)
    return pages, notes


@dataclass(frozen=True)
class OtherPages:
    """Pages about a search that are not started here.

    Attributes
    ----------
    dashboard
        URL of Ray's dashboard; None where the cluster has none or is gone.
    metrics
        URLs of the cluster's metrics in Prometheus format.
    mlflow
        A URL, or the command that opens MLflow's page.
    """

    dashboard: str | None
    metrics: Sequence[str]
    mlflow: str


def others(store: Store, tracked: str) -> OtherPages:
    """Return what is not started here: Ray's pages and how to open MLflow's.

    Parameters
    ----------
    store
        Where searches write down the cluster that they run on.
    tracked
        MLflow's URI.

    Returns
    -------
    OtherPages
        The pages that are there.
    """
    dashboard, metrics = None, []
    if store.exists(*layout.CLUSTER):
        cluster = ClusterRecord.read(store, *layout.CLUSTER)
        metrics = [url for url in cluster.metrics if _is_open(url)]
        if cluster.dashboard and _is_open(cluster.dashboard):
            dashboard = cluster.dashboard
    if tracked.startswith("http"):
        return OtherPages(dashboard, metrics, tracked)
    version = metadata.version("mlflow-skinny")
    page = f"uvx --from mlflow=={version} mlflow ui --backend-store-uri {tracked}"
    page += f" --host {_LOOPBACK} --port {_MLFLOW_PORT} --workers 1"
    return OtherPages(dashboard, metrics, page)


def _missing(name: str) -> str:
    return f"{name} is not installed. Install it: pip install 'tunesmith[watch]'."


def _start(
    name: str, command: Sequence[str], port: int, journal: JournalCopy | None = None
) -> Page:
    process = subprocess.Popen(  # noqa: S603 (a list of our own, no shell)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return Page(name, f"http://{_LOOPBACK}:{port}", command, process, journal)


def _answers(page: Page) -> bool:
    """Wait until a tool accepts connections; return whether it does."""
    deadline = time.monotonic() + _READY_S
    while page.process.poll() is None and time.monotonic() < deadline:
        if _is_open(page.url):
            return True
        time.sleep(0.1)
    return False


def _is_open(url: str) -> bool:
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname, place.port), timeout=1):
            return True
    except OSError:
        return False


def _free_port(first: int) -> int:
    """Return `first`, or the next free port after it."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            return port
    message = f"No free port between {first} and {first + 99} on {_LOOPBACK}."
    raise SearchError(message)
