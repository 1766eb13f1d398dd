"""``tunesmith watch``: dashboards of a search, on this machine alone."""

import signal
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tunesmith.cli.command import command, echo

if TYPE_CHECKING:
    from tunesmith.artifacts.store import Store
    from tunesmith.tuning.dashboards import Watched

_PAUSE_S = 2.0


@command(extras=("train", "watch"))
@click.argument("tasks", nargs=-1)
def main(store: str | None, tasks: tuple[str, ...]) -> NoReturn:
    """Open TensorBoard and Optuna's dashboard on the searches of TASKS, until Ctrl-C.

    Without TASKS, opens all running searches, or the newest one when none is running. Also prints
    the address of Ray's dashboard and metrics, and the command that opens MLflow's page.

    \b
    Examples:
      tunesmith watch
      tunesmith watch composer
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.tuning.dashboards import watched

    signal.signal(signal.SIGTERM, _end)
    place = Store(store)
    runs = watched(place, tasks)
    while True:
        _watch(place, runs)
        # Published: the files stand elsewhere now.
        runs = watched(place, [run.task for run in runs])


def _watch(place: "Store", runs: "list[Watched]") -> None:
    """Open the pages until the folder of a run is gone."""
    from tunesmith.artifacts.tracking import tracking_uri
    from tunesmith.tuning.dashboards import open_pages, others

    for run in runs:
        echo(f"{run.task} run {run.run_id}: {'running' if run.is_running else 'finished'}")
    pages, notes = open_pages(runs)
    try:
        for page in pages:
            echo(f"{page.name:<16} {page.url}")
        also = others(place, tracking_uri(place))
        echo(f"{'Ray dashboard':<16} {also.dashboard or 'none; tune with --dashboard'}")
        for url in also.metrics:
            echo(f"{'Ray metrics':<16} {url} (Prometheus)")
        echo(f"{'MLflow':<16} {also.mlflow}")
        for note in notes:
            echo(note)
        while all(run.folder.exists() for run in runs):
            time.sleep(_PAUSE_S)
    finally:
        for page in pages:
            page.close()


def _end(*_: Any) -> None:
    raise KeyboardInterrupt
