"""Scores that are killed while they are made, and the answers of a server to the same items.

    python benchmarks/scoring.py killed songs.parquet --task genre --store STORE --kills 5
    python benchmarks/scoring.py killed midi-classical.zip --task composer --store STORE
    python benchmarks/scoring.py server --data FOLDER --store STORE

``killed`` makes the scores undisturbed and again with kills (SIGKILL for the command and its Ray),
spread over the work; both must be the same to the last bit. `songs` writes a table of as many rows
as it is told, drawn from a real one, each number moved a little. ``server`` takes items of every
task that has a champion, makes their scores, asks a server for each of them over HTTP and compares
label, probabilities, or the fault. Rates include the start of Ray.
"""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform"), str(ROOT)]

from _serve import tunesmith_serve  # noqa: E402

from tests.nodes import kill_processes  # noqa: E402

QUIET = {"RAY_AUTH_MODE": "disabled", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
_SCALE = 0.01  # how far numbers move, in standard deviations of their column
_PAUSE_S = 0.05
_NO_DIFFERENCE = 1e-6
_MOST_S = 1800.0


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tunesmith", *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, **QUIET, "PYTHONPATH": str(ROOT / "platform")}


@dataclass
class Made:
    """A run of the command: seconds, the most memory of itself and of a worker, in MB."""

    took_s: float
    driver_mb: float
    worker_mb: float
    was_killed: bool = False


def _memory_mb(pid: int) -> tuple[str, float]:
    """Return the name and the peak memory of a process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0.0
    fields = dict(line.split(":", 1) for line in lines)
    return fields["Name"].strip(), int(fields.get("VmHWM", "0 kB").split()[0]) / 1024


def _session(of: int) -> list[int]:
    """Return the processes of the session that a process began."""
    members = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(folder.name)) == of:
                    members.append(int(folder.name))
    return members


def make(arguments: list[str], staging: Path, kill_at: int | None, log: Path) -> Made:
    """Run `tunesmith score`, and kill it where `kill_at` parts are there."""
    began = time.monotonic()
    driver, worker = 0.0, 0.0
    with log.open("ab") as written:
        process = subprocess.Popen(
            _command("score", *arguments), env=_environment(), stdout=written,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        while process.poll() is None:
            driver = max(driver, _memory_mb(process.pid)[1])
            for pid in _session(process.pid):
                name, peak_mb = _memory_mb(pid)
                if name.startswith("ray::"):
                    worker = max(worker, peak_mb)
            if kill_at is not None and len(list(staging.glob("part-*.parquet"))) >= kill_at:
                kill_processes(_session(process.pid))
                process.wait()
                return Made(time.monotonic() - began, driver, worker, was_killed=True)
            if time.monotonic() - began > _MOST_S:
                os.killpg(process.pid, signal.SIGKILL)
                raise click.ClickException(log.read_text()[-2000:])
            time.sleep(_PAUSE_S)
    if process.returncode:
        raise click.ClickException(log.read_text()[-2000:])
    return Made(time.monotonic() - began, driver, worker)


def digest(folder: Path) -> tuple[int, int, str]:
    """Return the number of parts and of rows, and the digest of the bytes of all parts."""
    import pyarrow.parquet as pq

    whole, rows = hashlib.sha256(), 0
    parts = sorted(folder.glob("part-*.parquet"))
    for path in parts:
        whole.update(path.name.encode() + path.read_bytes())
        rows += pq.ParquetFile(path).metadata.num_rows
    return len(parts), rows, whole.hexdigest()


@click.group(help=__doc__)
def main() -> None:
    """Measure the scores."""


@main.command()
@click.argument("table", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def songs(table: Path, target: Path, rows: int, seed: int) -> None:
    """Write a Parquet file TARGET with rows drawn from TABLE (CSV), every number moved a little."""
    random = np.random.default_rng(seed)
    real = pd.read_csv(table).dropna(how="all")
    drawn = real.iloc[random.integers(0, len(real), rows)].reset_index(drop=True)
    for name in real.select_dtypes("number").columns:
        scale = _SCALE * float(real[name].std())
        drawn[name] = drawn[name] + random.normal(0, scale, rows)
    drawn.to_parquet(target, row_group_size=100_000)
    click.echo(f"{rows:,} rows in {target}")


@main.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--task", required=True)
@click.option("--store", required=True)
@click.option("--kills", default=5, show_default=True)
def killed(source: Path, task: str, store: str, kills: int) -> None:
    """Make the scores of SOURCE undisturbed, and again with kills; compare them."""
    with tempfile.TemporaryDirectory(prefix="scores-") as name:
        folder = Path(name)
        log = folder / "log"

        def arguments(out: str) -> list[str]:
            return [str(source), "--task", task, "--store", store, "--out", str(folder / out)]

        whole = make(arguments("whole"), folder / ".staging-score-whole", None, log)
        n_parts, n_rows, expected = digest(folder / "whole")
        click.echo(
            f"undisturbed: {n_rows:,} rows in {n_parts} parts, {whole.took_s:.1f} s, "
            f"{n_rows / whole.took_s:,.0f} a second; the command took {whole.driver_mb:.0f} MB, "
            f"a worker at most {whole.worker_mb:.0f} MB"
        )
        staging = folder / ".staging-score-cut"
        for number in range(kills):
            at = max(n_parts * (number + 1) // (kills + 1), number + 1)
            if not make(arguments("cut"), staging, at, log).was_killed:
                message = f"it ended before kill {number + 1}"
                raise click.ClickException(message)
            n_there = len(list(staging.glob("part-*.parquet")))
            click.echo(f"killed with {n_there} of {n_parts} parts there")
        last = make(arguments("cut"), staging, None, log)
        _, n_rows_again, again = digest(folder / "cut")
        click.echo(
            f"after {kills} kills: {n_rows_again:,} rows, the last run took {last.took_s:.1f} s; "
            f"{'the same' if again == expected else 'NOT the same'} bits ({again[:12]})"
        )
        if again != expected:
            raise SystemExit(1)


# --- beside a server


@dataclass(frozen=True)
class Item:
    """An item as a request: the type of its content, and the content."""

    content_type: str
    body: bytes


Source = Callable[[Path, Path, int], tuple[Path, Callable[[dict[str, Any]], Item]]]
"""From the data and a folder, items for `score`, and what each of its rows is as a request."""


def _pieces(
    data: Path, folder: Path, n: int, archive: str
) -> tuple[Path, Callable[[dict[str, Any]], Item]]:
    random = np.random.default_rng(0)
    place = folder / "pieces"
    place.mkdir()
    with zipfile.ZipFile(data / archive) as content:
        names = [name for name in content.namelist() if name.lower().endswith((".mid", ".midi"))]
        for number, chosen in enumerate(random.permutation(len(names))[:n].tolist()):
            (place / f"{number:03d}.mid").write_bytes(content.read(names[chosen]))
    (place / "000.mid").write_bytes(b"no music")
    return place, lambda row: Item("audio/midi", (folder / row["path"]).read_bytes())


def _rows(
    data: Path, folder: Path, n: int, table: str
) -> tuple[Path, Callable[[dict[str, Any]], Item]]:
    frame = pd.read_csv(data / table).dropna(how="all").sample(n, random_state=0)
    frame = frame.reset_index(drop=True)
    path = folder / "rows.parquet"
    frame.to_parquet(path)
    rows = frame.to_dict("records")

    def item(row: dict[str, Any]) -> Item:
        sent = {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in
                rows[row["row"]].items()}  # fmt: skip
        return Item("application/json", json.dumps(sent, default=float).encode())

    return path, item


def _pictures(folder: Path, pixels: Any) -> tuple[Path, Callable[[dict[str, Any]], Item]]:
    from PIL import Image

    place = folder / "pictures"
    place.mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture.astype(np.uint8)).save(place / f"{number:03d}.png")
    return place, lambda row: Item("image/png", (folder / row["path"]).read_bytes())


def _digits(data: Path, folder: Path, n: int) -> tuple[Path, Callable[[dict[str, Any]], Item]]:
    from sklearn.datasets import load_digits

    del data
    return _pictures(folder, load_digits().images[:n] * 15)


def _mnist(data: Path, folder: Path, n: int) -> tuple[Path, Callable[[dict[str, Any]], Item]]:
    return _pictures(folder, np.load(data / "mnist.npz")["x_train"][:n])


def _texts(data: Path, folder: Path, n: int) -> tuple[Path, Callable[[dict[str, Any]], Item]]:
    words = {number + 3: word for word, number in
             json.loads((data / "imdb_word_index.json").read_text()).items()}  # fmt: skip
    reviews = np.load(data / "imdb.npz", allow_pickle=True)["x_train"][:n]
    place = folder / "texts"
    place.mkdir()
    for number, review in enumerate(reviews):
        text = " ".join(words.get(code, "") for code in review[1:])
        (place / f"{number:03d}.txt").write_text(text)

    def item(row: dict[str, Any]) -> Item:
        text = (folder / row["path"]).read_text()
        return Item("application/json", json.dumps({"text": text}).encode())

    return place, item


SOURCES: dict[str, Source] = {
    "composer": lambda data, folder, n: _pieces(data, folder, n, "midi-classical.zip"),
    "composer_all": lambda data, folder, n: _pieces(data, folder, n, "midi-performed.zip"),
    "genre": lambda data, folder, n: _rows(data, folder, n, "music_genre.csv.gz"),
    "emotion": lambda data, folder, n: _rows(data, folder, n, "moodify_sample.csv.gz"),
    "digits": _digits,
    "mnist": _mnist,
    "sentiment": _texts,
}


def _is_ready(port: int) -> bool:
    return _ask(port, "GET", "/readyz", None)[0] == 200


def _ask(port: int, method: str, path: str, item: Item | None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Content-Type": item.content_type} if item else {}
        connection.request(method, path, item.body if item else None, headers)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text[:1] == b"{" else {}
    except OSError:
        return 0, {}
    finally:
        connection.close()


def _difference(row: dict[str, Any], status: int, answer: dict[str, Any]) -> str | None:
    """Return how a row of the scores and an answer differ, None where they do not."""
    if row["error"] is not None:
        same = status != 200 and answer.get("detail") == row["error"]
        return None if same else f"{row['error']} and {status} {answer.get('detail')}"
    if status != 200:
        return f"{row['label']} and {status} {answer.get('detail')}"
    if answer[answer["model"]["name"]] != row["label"]:
        return f"{row['label']} and {answer[answer['model']['name']]}"
    for label, probability in answer["probabilities"].items():
        # Answers have six digits, and with another number of threads sums end in other bits.
        if abs(float(row[f"p_{label}"]) - probability) > _NO_DIFFERENCE:
            return f"p_{label} {row[f'p_{label}']} and {probability}"
    for name in ("none_of_these", "known", "labels_90"):
        own, other = row.get(name), answer.get(name)
        if isinstance(other, float) and own is not None:
            own = round(float(own), 4)
        elif isinstance(other, list) and own is not None:
            own = list(own)
        if own != other:
            return f"{name}: {own} and {other}"
    return None


@main.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--store", required=True)
@click.option("--items", default=200, show_default=True, help="Items of each task.")
@click.option("--only", multiple=True, type=click.Choice(list(SOURCES)))
def server(data: Path, store: str, items: int, only: tuple[str, ...]) -> None:
    """Compare scores with a server's answers."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="scores-") as name:
        base = Path(name)
        scores: dict[str, tuple[pd.DataFrame, Callable[[dict[str, Any]], Item]]] = {}
        for task in only or SOURCES:
            folder = base / task
            folder.mkdir()
            source, item = SOURCES[task](data, folder, items)
            out = folder / "out"
            arguments = [str(source), "--task", task, "--store", store, "--out", str(out)]
            make(arguments, folder / ".staging-score-out", None, base / f"{task}.log")
            frame = pd.read_parquet(out)
            scores[task] = frame.astype(object).where(frame.notna(), None), item
        with tunesmith_serve(store, base / "server.log", _is_ready) as (port, _):
            for task, (frame, item) in scores.items():
                differences, failures = [], 0
                for record in frame.to_dict("records"):
                    row = {str(column): value for column, value in record.items()}
                    status, answer = _ask(port, "POST", f"/v1/{task}", item(row))
                    failures += row["error"] is not None
                    if difference := _difference(row, status, answer):
                        differences.append(f"{row['path']}: {difference}")
                click.echo(
                    f"{task:13} {len(frame)} items ({failures} refused by both): "
                    f"{len(differences)} differ"
                )
                for difference in differences[:5]:
                    click.echo(f"    {difference}")
                failed |= bool(differences)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
