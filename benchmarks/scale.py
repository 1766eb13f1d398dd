"""Time and memory of the driver by the number of files, trials and artefacts.

python benchmarks/scale.py

Decoding is spread over the cluster; what is measured here is the driver's share, which is not: the
listing, the plan, the account of every file, duplicates, digests, the manifest, listings of the
store, and the leaderboard. Every figure is taken at 1, 10 and 100 times a size that is real here,
in a process of its own, and carried on to the number asked for: seconds with the slope of the last
decade, a straight line on a log-log page and no more than that; memory by what an item adds.
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
# Hashes of a fingerprint, the mean over the 1,615 pieces of big4.
HASHES = 418
FILES = 10_000_000
TRIALS = 10_000
_BYTES = 40_000


def _entries(n: int) -> Any:
    from tunesmith.ingestion.sources import Entry

    rng = np.random.default_rng(0)
    sizes = rng.integers(2_000, _BYTES, n).tolist()
    return [
        Entry(
            path=f"corpus/composer {i % 400:03d}/piece {i:08d}.mid",
            relative=f"composer {i % 400:03d}/piece {i:08d}.mid",
            location=(f"/data/corpus/composer {i % 400:03d}/piece {i:08d}.mid",),
            size=size, stamp=f"{i:016x}",
        )
        for i, size in enumerate(sizes)
    ]  # fmt: skip


def _labelled(n: int) -> Any:
    from tunesmith.ingestion.labels import Labelled

    return [Labelled(entry, f"c{i % 400}", f"c{i % 400}") for i, entry in enumerate(_entries(n))]


def listing(n: int) -> Callable[[], Any]:
    """List and label a folder of `n` files."""
    from tunesmith.ingestion.inventory import take_inventory
    from tunesmith.ingestion.parameters import IngestParameters

    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    for number in range(0, n, 500):
        (folder / f"c{number // 500}").mkdir()
        for index in range(number, min(number + 500, n)):
            (folder / f"c{number // 500}" / f"{index}.mid").touch()
    return lambda: take_inventory([str(folder)], IngestParameters())


def plan(n: int) -> Callable[[], Any]:
    """Deal `n` files into batches."""
    from tunesmith.ingestion.planning import plan_batches, plan_key

    entries = _entries(n)
    return lambda: (plan_key(entries, "key"), plan_batches(entries))


def account(n: int) -> Callable[[], Any]:
    """Decide what becomes of every file, and digest what went in."""
    from tunesmith.ingestion.assembly import FileRow, account_for, inputs_hash

    files = _labelled(n)
    rows = {file.entry.path: FileRow(f"{i:064x}", None) for i, file in enumerate(files)}
    return lambda: (account_for(files, rows, ()), inputs_hash("key", files, rows, ()))


def duplicates(n: int) -> Callable[[], Any]:
    """Find which of `n` pieces are the same music; one in fifty is a near-copy of another."""
    import pyarrow as pa

    from tunesmith.ingestion.duplicates import find_duplicates

    rng = np.random.default_rng(0)
    sketches = rng.integers(0, 2**62, (n, HASHES), dtype=np.uint64)
    copies = np.arange(0, n - 1, 50)
    sketches[copies + 1, : HASHES // 2] = sketches[copies, : HASHES // 2]
    sketches.sort(axis=1)
    offsets = pa.array(np.arange(n + 1, dtype=np.int64) * HASHES)
    lists = pa.LargeListArray.from_arrays(offsets, pa.array(sketches.ravel()))
    hashes = [f"{i:032x}" for i in range(n)]
    table = pa.table({"piece_id": hashes, "note_hash": hashes, "fingerprint": lists})
    return lambda: find_duplicates(table)


def manifest(n: int) -> Callable[[], Any]:
    """Write and read a manifest whose tables lie in `n` files."""
    from tunesmith.artifacts.manifest import TableFile

    rows = [
        TableFile(path=f"chunks/part-{i:05d}.parquet", rows=3000, bytes=1_000_000) for i in range(n)
    ]

    def once() -> int:
        text = json.dumps([row.model_dump() for row in rows], indent=2)
        for row in json.loads(text):
            TableFile(**row)
        return len(text)

    return once


def store_listing(n: int) -> Callable[[], Any]:
    """List the runs of a task that has `n`."""
    from tunesmith.artifacts.store import Store

    store = Store(tempfile.mkdtemp(prefix="scale-"))
    for _ in range(n):
        store.local_path("runs", "composer", uuid.uuid4().hex).mkdir(parents=True)
    return lambda: store.list("runs", "composer")


def leaderboard(n: int) -> Callable[[], Any]:
    """Draw up the leaderboard of `n` trials in runs of 50."""
    import pandas as pd

    from tunesmith.artifacts import layout
    from tunesmith.artifacts.runs import RunRecord
    from tunesmith.artifacts.store import Store
    from tunesmith.tuning.leaderboard import leaderboard as draw

    store = Store(tempfile.mkdtemp(prefix="scale-"))
    rng = np.random.default_rng(0)
    for run in range(max(n // 50, 1)):
        run_id = f"r{run:05d}"
        trials = pd.DataFrame(
            {
                "trial": range(50), "family": ["linear"] * 50,
                "params": ["{}"] * 50, "state": ["COMPLETE"] * 50, "score": rng.random(50),
                "steps": [1] * 50, "duration_s": [1.0] * 50,
            }
        )  # fmt: skip
        record = RunRecord.model_validate(
            {
                "run_id": run_id, "task": "composer", "kind": "midi", "unit": "piece",
                "metric": "macro_f1", "seed": 0, "created": "2030", "finished": "2030",
                "dataset": {"name": "mine", "version": "1"}, "classes": ["a", "b"],
                "counts": {"planned": 50}, "views": ["features"],
                "best": {"trial": 0, "family": "linear", "params": {}, "score": 0, "steps": 1},
            }
        )  # fmt: skip
        split = pd.DataFrame({"part": ["train"] * 700 + ["validation"] * 150})
        for name, table in (("trials", trials), ("split", split)):
            folder = store.local_path(*layout.run("composer", run_id))
            folder.mkdir(parents=True, exist_ok=True)
            table.to_parquet(folder / f"{name}.parquet")
        record.write(store, *layout.run("composer", run_id, layout.RECORD))
    return lambda: draw(store, level="trial")


# What, the smallest size, and the size that is asked about.
STAGES: dict[str, tuple[Callable[[int], Callable[[], Any]], int, int]] = {
    "listing": (listing, 300, FILES),
    "plan": (plan, 1_000, FILES),
    "account": (account, 1_000, FILES),
    "duplicates": (duplicates, 200, FILES),
    # A shard holds the chunks of about 24 MB of MIDI.
    "manifest": (manifest, 10, FILES * _BYTES // 24_000_000),
    "store_listing": (store_listing, 10, 1_000),
    "leaderboard": (leaderboard, 50, TRIALS),
}


def measure(stage: str, n: int) -> dict[str, float]:
    """Return CPU seconds and peak memory of a stage, in a process of its own."""
    run = subprocess.run(
        [sys.executable, __file__, "--one", stage, str(n)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    measured: dict[str, float] = json.loads(run.stdout)
    return measured


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _one(stage: str, n: int) -> None:
    make, *_ = STAGES[stage]
    before_mb = _peak_mb()
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        tempfile.tempdir = folder
        action = make(n)
        # Of the processor, so that other programs on the machine do not count.
        began = time.process_time()
        action()
        took_s = time.process_time() - began
    click.echo(json.dumps({"s": took_s, "mb": _peak_mb() - before_mb}))


@click.command(help=__doc__)
@click.option("--one", type=(str, int), hidden=True)
@click.argument("stages", nargs=-1, type=click.Choice(list(STAGES)))
def main(one: tuple[str, int] | None, stages: tuple[str, ...]) -> None:
    """Measure STAGES, all by default."""
    if one is not None:
        _one(*one)
        return
    click.echo(f"{'':14}{'n':>10}{'CPU s':>10}{'MB':>9}   slope of s, memory of an item")
    for stage in stages or STAGES:
        _, smallest, target = STAGES[stage]
        sizes = [smallest * 10**power for power in range(3)]
        results = [measure(stage, n) for n in sizes]
        for n, one_ in zip(sizes, results, strict=True):
            click.echo(f"{stage:14}{n:10,d}{one_['s']:10.4f}{one_['mb']:9.0f}")
        low, high = results[-2], results[-1]
        slope = math.log10(high["s"] / low["s"])
        at_s = high["s"] * (target / sizes[-1]) ** slope
        # What every process has of its own is no memory of the items.
        each_mb = (high["mb"] - low["mb"]) / (sizes[-1] - sizes[-2])
        at_mb = high["mb"] + each_mb * (target - sizes[-1])
        click.echo(
            f"{'':14}{target:10,d}{at_s:10.0f}{at_mb:9,.0f}   slope {slope:.2f}, "
            f"{1000 * each_mb:.2f} kB each"
        )


if __name__ == "__main__":
    main()
