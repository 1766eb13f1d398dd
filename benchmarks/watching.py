"""Open every page that shows a search in a browser, while it runs, and see whether it moves.

python benchmarks/watching.py --pictures FOLDER --mlflow ENVIRONMENT/bin/mlflow --prometheus FILE

A search is started as a user starts it and `jobs/watch.py` opens what it opens. Every page is
opened twice, some seconds apart: what it shows is counted and a picture is kept, and both must have
changed. MLflow's page and Prometheus are programs of their own; without them they are left out.
The queries of `serve/grafana-search.json` are asked of Prometheus, panel by panel.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tests.nodes import free_port  # noqa: E402 - after the path that leads there
from tests.serving.browser import open_tab  # noqa: E402

_READY_S = 120.0
_PROMETHEUS = """
global: {scrape_interval: 2s}
scrape_configs:
  - job_name: ray
    static_configs: [{targets: [%s]}]
"""
_DONE = 'ray_tunesmith_trials{state=~"complete|pruned"}'


@dataclass(frozen=True)
class Look:
    """Place on a page that shows the search, and the number there that grows.

    Attributes
    ----------
    path
        Behind the page's address.
    script
        JavaScript, run in the page; the names of what it counts are in `counted`.
    counted
        What the number is.
    """

    path: str
    script: str
    counted: str


def _fetched(url: str, then: str, **options: Any) -> str:
    return f"fetch({url!r}, {json.dumps(options)}).then(r => r.json()).then(j => {then})"


_QUERY = urllib.parse.urlencode({"query": f"sum({_DONE})"})
LOOKS = {
    "TensorBoard": Look(
        "/#timeseries", _fetched("/data/runs", "j.length"), "trials with event files"
    ),
    "Optuna noise": Look(
        "/dashboard/studies/0",
        _fetched("/api/studies/0", "j.trials.filter(t => t.state != 'Running').length"),
        "trials that ended",
    ),
    "Ray dashboard": Look(
        "/#/actors",
        _fetched(
            "/api/v0/tasks/summarize",
            "(JSON.stringify(j).match(/(?<=FINISHED.:)\\d+/g) || []).reduce((a, b) => a + +b, 0)",
        ),
        "tasks of Ray that ended",
    ),
    "Ray metrics": Look(
        "",
        "document.body.innerText.split('\\n')"
        ".filter(line => /^ray_tunesmith_trials.*(complete|pruned)/.test(line))"
        ".reduce((sum, line) => sum + +line.split(' ').pop(), 0)",
        "trials that ended",
    ),
    "MLflow": Look(
        "/#/experiments/1/runs",
        _fetched(
            "/ajax-api/2.0/mlflow/runs/search",
            "(j.runs || []).length",
            method="POST",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"experiment_ids": ["1"], "max_results": 5000}),
        ),
        "runs",
    ),
    # Whatever pages a build of Prometheus has: its answers are there in all.
    "Prometheus": Look(
        f"/api/v1/query?{_QUERY}",
        "+JSON.parse(document.body.innerText).data.result[0].value[1]",
        "trials that ended",
    ),
}  # fmt: skip


@contextlib.contextmanager
def running(command: list[str], log: Path, ending: signal.Signals) -> Iterator[None]:
    """Run a program for the length of a block, what it says into a file."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT)
        try:
            yield
        finally:
            process.send_signal(ending)
            process.wait(timeout=90)


def wait_for(look: Callable[[], Any], log: Path) -> Any:
    """Return what `look` finds as soon as it finds something in a program's log."""
    deadline = time.monotonic() + _READY_S
    while not (results := look()):
        if time.monotonic() > deadline:
            message = f"Not within {_READY_S:.0f} s: {log.read_text()}"
            raise SystemExit(message)
        time.sleep(0.5)
    return results


def answers(page: str) -> bool:
    """Return whether somebody listens at a page's address."""
    place = urllib.parse.urlsplit(page)
    with socket.socket() as probe:
        return probe.connect_ex((place.hostname, place.port)) == 0


def ask(prometheus: str, query: str) -> list[Any]:
    """Return what Prometheus answers to a query now."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - an address of ours
        results: list[Any] = json.loads(answer.read())["data"]["result"]
    return results


def board() -> Iterator[tuple[str, str]]:
    """Yield the panels of the board, and each one's queries."""
    for panel in json.loads((ROOT / "serve" / "grafana-search.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$task", ".*")


def search(stack: contextlib.ExitStack, folder: Path, trials: int) -> str:
    """Start a search and what watches it; return what the latter says."""
    tune = [sys.executable, "jobs/tune.py", "noise", "--families", "boosting,linear"]
    tune += ["--dashboard", "--trials", str(trials), "--cpus", "1"]
    log = folder / "tune.log"
    stack.enter_context(running(tune, log, signal.SIGINT))
    wait_for(lambda: " 2/" in log.read_text(), log)
    log = folder / "watch.log"
    watch = [sys.executable, "jobs/watch.py", "noise"]
    stack.enter_context(running(watch, log, signal.SIGTERM))
    return str(wait_for(lambda: "MLflow  " in log.read_text() and log.read_text(), log))


def tools(
    stack: contextlib.ExitStack,
    folder: Path,
    output: str,
    mlflow: str | None,
    prometheus: str | None,
) -> dict[str, str]:
    """Return all pages by name, those of MLflow and Prometheus after starting them."""
    pages = dict(re.findall(r"^(\S.*?)\s+(http://\S+)", output, re.MULTILINE))
    if mlflow:
        port = free_port()
        (uri,) = re.findall(r"--backend-store-uri (\S+)", output)
        command = [mlflow, "ui", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
        log = folder / "mlflow.log"
        stack.enter_context(running(command, log, signal.SIGTERM))
        pages["MLflow"] = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(pages["MLflow"]), log)
    if prometheus:
        port = free_port()
        settings = folder / "prometheus.yml"
        settings.write_text(_PROMETHEUS % urllib.parse.urlsplit(pages["Ray metrics"]).netloc)
        command = [
            prometheus,
            f"--config.file={settings}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
        ]
        command += [f"--web.listen-address=127.0.0.1:{port}"]
        log = folder / "prometheus.log"
        stack.enter_context(running(command, log, signal.SIGTERM))
        pages["Prometheus"] = f"http://127.0.0.1:{port}"
        wait_for(
            lambda: ask(pages["Prometheus"], _DONE) if answers(pages["Prometheus"]) else 0, log
        )
    return pages


def look(name: str, page: str, picture: Path, settle_s: float) -> float:
    """Open a page, keep a picture of it and return what it counts."""
    with open_tab(width=1400, height=900) as tab:
        tab.page.goto(page + LOOKS[name].path)
        # The pages fetch and draw after they have loaded.
        time.sleep(settle_s)
        tab.page.screenshot(path=picture)
        return float(tab.page.evaluate(LOOKS[name].script))


@click.command()
@click.option("--pictures", type=click.Path(path_type=Path), required=True)
@click.option("--mlflow", help="The program `mlflow`, of an environment with all of MLflow.")
@click.option("--prometheus", help="The program `prometheus`.")
@click.option("--settle", "settle_s", default=6.0, show_default=True, help="Seconds for a page.")
@click.option("--trials", default=1000, show_default=True)
def main(
    pictures: Path, mlflow: str | None, prometheus: str | None, settle_s: float, trials: int
) -> None:
    """Watch a search through every page."""
    pictures.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["TUNESMITH_STORE"] = str(folder / "store")
        pages = tools(stack, folder, search(stack, folder, trials), mlflow, prometheus)
        seen: dict[str, list[tuple[float, bytes]]] = {name: [] for name in pages}
        for turn in (1, 2):
            for name, page in pages.items():
                picture = pictures / f"{name.lower().replace(' ', '-')}-{turn}.png"
                count = look(name, page, picture, settle_s)
                seen[name].append((count, picture.read_bytes()))
        still = []
        for name, ((first, before), (second, after)) in seen.items():
            moved = second > first and before != after
            still += [] if moved else [name]
            click.echo(f"{name:<14} {LOOKS[name].counted}: {first:g}, then {second:g}"
                       + ("" if moved else "; DID NOT MOVE"))  # fmt: skip
        for title, query in board() if prometheus else ():
            n_series = len(ask(pages["Prometheus"], query))
            click.echo(f"board: {title:<24} {query}: {n_series} series")
            still += [] if n_series else [title]
    sys.exit(1 if still else 0)


if __name__ == "__main__":
    main()
