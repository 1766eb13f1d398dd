"""``tunesmith demo``: export, ingest, tune, evaluate, promote, serve and ask, on real scores.

Every stage leaves its artefact in the store, so running the demo again goes straight to serving.
"""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.progress import counting
from tunesmith.cli.serve import require_free, wait_for_signal
from tunesmith.cli.tables import Column, console, print_table, wrapped

if TYPE_CHECKING:
    from tunesmith.artifacts.runs import Run

_COLUMNS = (
    Column("piece", folds=True),
    Column("answer"),
    Column("probability", right=True, rank=1),
    Column("true"),
    Column(""),
)
TASK, DATASET = "composer", "demo"
PIECES = {"bach": 80, "palestrina": 80, "monteverdi": 48, "trecento": 60}
N_ASKED = 12
# Families that train in seconds; `tunesmith tune` searches over all of the task's.
FAMILIES = ("boosting", "linear", "cnn1d")
SEARCH_BUDGET_S = 100.0
WHY_FORCED = "the demo serves the model that it has just evaluated"
# Seconds each stage took on an idle machine of 2 cores; the first guess at the time left.
TYPICAL_S = {
    "start": 12,
    "scores": 75,
    "ingest": 10,
    "search": 75,
    "evaluate": 8,
    "promote": 4,
    "serve": 15,
    "ask": 3,
}


class Progress:
    """Announces stages with the time they took and the time left."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._left = dict(TYPICAL_S)
        self._pace = 1.0

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        """Announce a stage, and afterwards how long it took."""
        number = len(TYPICAL_S) - len(self._left) + 1
        left_s = self._pace * sum(self._left.values())
        echo(f"[{number}/{len(TYPICAL_S)}] {what}  (about {_clock(left_s)} left)")
        began = time.monotonic()
        yield
        took_s = time.monotonic() - began
        typical_s = self._left.pop(name)
        # A stage whose artefact was there says nothing about this machine's speed.
        if took_s > typical_s / 4:
            self._pace = (self._pace + took_s / typical_s) / 2
        echo(f"      {took_s:.0f} s")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"


def show(result: dict[str, Any]) -> None:
    """Print the answers beside the true composers, and the accuracy on all test pieces."""
    rows = [
        [
            row["piece"],
            row["answered"],
            f"{row['probability']:.2f}",
            row["true"],
            "" if row["answered"] == row["true"] else "wrong",
        ]
        for row in result["asked"]
    ]
    print_table(_COLUMNS, rows, "Held-out pieces, asked over HTTP")
    out = console()
    accuracy, baseline = result["accuracy"], result["baseline"]
    out.print(
        f"Held-out piece accuracy {accuracy['value']:.3f} "
        f"(95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f}) "
        f"on {result['n_test']} pieces the search never saw; "
        f"always answering the commonest class gives {baseline:.3f}."
    )
    for note in result["notes"]:
        out.print(note)
    out.print(f"{result['elapsed_s']:.0f} s in all. Artefacts: {result['store']}")


def _walk(store: Any, scores: Path, progress: Progress, port: int, trials: int) -> dict[str, Any]:
    from tunesmith.artifacts.reports import open_report
    from tunesmith.ingestion.corpus import export_scores
    from tunesmith.ingestion.pipeline import ingest
    from tunesmith.registry import champion, promote
    from tunesmith.reports.publishing import make_report
    from tunesmith.serving.launch import read_configuration, start
    from tunesmith.tasks import Request
    from tunesmith.tuning import SearchRequest, search

    with progress.stage("scores", f"Writing {sum(PIECES.values())} music21 scores out as MIDI"):
        with counting("scores") as advance:
            exported = export_scores(scores, PIECES, on_progress=advance)
        for path, why in exported.refused:
            echo(f"      left out {path}: {why}")
    with progress.stage("ingest", "Ingesting them: rolls, notes, features, duplicates"):
        manifest = ingest(store, [str(scores)], DATASET)
        counts = manifest.counts
        echo(
            f"      {counts.found} found = {counts.kept} kept + {counts.duplicate} duplicate + "
            f"{counts.rejected} rejected; {counts.chunks} chunks"
        )
    with progress.stage("search", f"Searching {trials} trials over the composer families"):
        run = _finished_run(store, manifest.version)
        if run is None:
            request = SearchRequest(TASK, Request(dataset=DATASET), FAMILIES, trials)
            (run,) = search(store, [request], time_budget_s=SEARCH_BUDGET_S, say=_indent)
        best = run.record.best
        echo(f"      best of validation: {best.family}, {run.record.metric} {best.score:.3f}")
    run_id = run.run_id
    with progress.stage("evaluate", "Evaluating the winner on pieces the search never saw"):
        report = open_report(store, TASK, run_id) or make_report(store, TASK, run_id)
    with progress.stage("promote", "Promoting it"):
        current = champion(store, TASK)
        if current is None or current.card.run_id != run_id:
            current = promote(store, TASK, run_id, force=WHY_FORCED)
        echo(f"      champion: {TASK} version {current.version}")
    with progress.stage("serve", f"Serving it on http://127.0.0.1:{port}"):
        start(read_configuration().changed(store=store.uri, host="127.0.0.1", port=port))
    with progress.stage("ask", f"Asking about {N_ASKED} held-out pieces"):
        answers = _ask(port, _held_out(store, run_id, scores))
    record = report.record
    return {
        "asked": answers,
        "accuracy": record.metrics["piece"]["accuracy"].json_object(),
        "baseline": record.baseline["majority"]["piece"]["accuracy"].value,
        "n_test": record.n_test,
        "notes": list(record.notes),
        "run_id": run_id,
        "store": store.shown,
        "elapsed_s": progress.elapsed_s,
    }


def _finished_run(store: Any, version: str) -> "Run | None":
    """Return the champion's run, else the latest one, where it was made from this version."""
    from tunesmith.artifacts.runs import open_run
    from tunesmith.errors import StoreError
    from tunesmith.registry import champion

    current = champion(store, TASK)
    try:
        run = open_run(store, TASK, None if current is None else current.card.run_id)
    except StoreError:
        return None
    dataset = run.record.dataset
    return run if (dataset.name, dataset.version) == (DATASET, version) else None


def _indent(line: str) -> None:
    echo(wrapped(f"      {line}", " " * 6))


def _held_out(store: Any, run_id: str, folder: Path) -> list[tuple[str, Path, str]]:
    """Return (id, file, label) of test pieces, chosen before anything is asked, evenly by class."""
    from tunesmith.artifacts.runs import open_run
    from tunesmith.datasets.reader import open_dataset

    split = open_run(store, TASK, run_id).table("split")
    held = split[split["part"] == "test"].sort_values("id")
    paths = open_dataset(store, DATASET).pieces().set_index("piece_id")["path"]
    per_class = math.ceil(N_ASKED / held["label"].nunique())
    chosen = held.groupby("label").head(per_class)
    chosen = chosen.sort_values(["label", "id"])
    return [
        (str(piece_id), folder.parent / str(paths.loc[piece_id]), str(label))
        for piece_id, label in zip(chosen["id"], chosen["label"], strict=True)
    ]


def _ask(port: int, pieces: list[tuple[str, Path, str]]) -> list[dict[str, Any]]:
    import httpx2 as httpx

    rows = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for _, path, true in pieces:
            response = client.post(f"/v1/{TASK}", files={"file": (path.name, path.read_bytes())})
            response.raise_for_status()
            answer = response.json()
            rows.append(
                {
                    "piece": path.stem,
                    "answered": answer["composer"],
                    "probability": answer["probabilities"][answer["composer"]],
                    "true": true,
                    "model": answer["model"],
                }
            )
    return rows


@command(show=show, extras=("train", "serve", "demo"), sections={"Where": ("store", "port")})
@click.option("--once", is_flag=True, help="Exit after the answers instead of serving on.")
@click.option("--trials", default=6, show_default=True, metavar="N", help="Trials of the search.")
@click.option("--port", default=8000, show_default=True, metavar="N", help="Port on 127.0.0.1.")
def main(*, store: str | None, once: bool, port: int, trials: int) -> dict[str, Any]:
    """Go from real scores to answers over HTTP: each step of the product, in minutes.

    Run again, it goes straight to serving.

    \b
    Examples:
      tunesmith demo
      tunesmith demo --once
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.serving.launch import drain

    require_free("127.0.0.1", port)
    home = Path.home() / ".tunesmith" / "demo"
    artefacts = Store(store or home / "store")
    progress = Progress()
    with ExitStack() as stack:
        with progress.stage("start", "Starting Ray on this machine"):
            from tunesmith.cluster.connection import session

            stack.enter_context(session())
        result = _walk(artefacts, home / "scores", progress, port, trials)
        if not once:
            show(result)
            echo(f"Serving on http://127.0.0.1:{port} (OpenAPI at /docs). Ctrl-C stops it.")
            wait_for_signal()
        drain()
    return result
