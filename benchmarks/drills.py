"""Break a cluster of Ray nodes on this machine in every way that is promised to do no harm.

    python benchmarks/drills.py                        # all of them
    python benchmarks/drills.py --only worker-ingest

A head that takes no work and two workers, raylets of their own with token authentication, do real
jobs while a node dies, the network is cut, a disk fills or memory runs out. Each drill prints what
is promised and what was seen; a promise that is not kept makes the command fail. Cutting the
network and filling a disk need root.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from _cluster import Cluster, write_music
from _drills import CUT_S, Seen, cut, revive, two_workers
from _machines import Machines
from lost_head import lost_head
from node_drills import head_serve, network_serve, worker_serve
from recovery import NAME, check_visible, digest_of, writers
from search_drills import beside_server, ended_by_sigterm, resumed_twice
from search_recovery import Search, faults, n_results
from serving_drills import redeployed, slow_clients, store_away

N_PIECES = 480
SEARCH = Search("noise", "boosting,linear", 12, 1)
_JOB_S = 300.0
DISK_BYTES, ROOM_BYTES = 200_000_000, 100_000


class Ingest:
    """One ingest, undisturbed and disturbed."""

    def __init__(self, nodes: Cluster, folder: Path) -> None:
        self.nodes, self.folder, self.music = nodes, folder, folder / "music"
        write_music(self.music, N_PIECES)
        self.expected_hash = self.finish(self.start("undisturbed"))
        self.expected = digest_of(folder / "undisturbed")

    def start(self, store: str) -> subprocess.Popen[str]:
        """Start the job."""
        return self.nodes.start(
            "jobs/ingest.py", str(self.music), "--name", NAME, "--store",
            str(self.folder / store), "--json",
        )  # fmt: skip

    def finish(self, process: subprocess.Popen[str]) -> str:
        """Wait for the job's end and return the content hash that it tells."""
        return str(finish(process)["content_hash"])

    def until_decoding(self, process: subprocess.Popen[str], store: str, node: str = "b") -> None:
        """Wait until a node decodes music into a store."""
        while not set(writers(self.folder / store)) & set(self.nodes.pids(node)):
            if process.poll() is not None:
                message = f"the job ended before {node} had any work: {process.communicate()[1]}"
                raise click.ClickException(message)

    def judge(self, process: subprocess.Popen[str], store: str) -> Seen:
        """Say whether the job's end is the undisturbed one's."""
        began = time.monotonic()
        same = self.finish(process) == self.expected_hash
        same &= digest_of(self.folder / store) == self.expected
        return Seen(
            same,
            f"{len(self.expected)} files of {N_PIECES} pieces "
            f"{'the same' if same else 'DIFFERENT'}, {time.monotonic() - began:.0f} s later",
        )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a job's end and return what it tells."""
    out, errors = process.communicate(timeout=_JOB_S)
    if process.returncode:
        message = f"the job ended with {process.returncode}: {errors[-3000:]}"
        raise click.ClickException(message)
    return dict(json.loads(out))


def start_search(nodes: Cluster, store: Path, *more: str) -> subprocess.Popen[str]:
    """Start the search, or with ``--resume`` continue it."""
    what = more or ("--families", SEARCH.families, "--trials", str(SEARCH.trials))
    return nodes.start("jobs/tune.py", SEARCH.task, *what, "--store", str(store), "--json")


def judge_search(process: subprocess.Popen[str], store: Path) -> Seen:
    """Say whether every trial is there, once, in the run and in MLflow."""
    began = time.monotonic()
    (run,) = finish(process)["runs"]
    wrong = faults(SEARCH, run, store)
    trials = [row for row in run["table"] if row["family"] != "ensemble"]
    summary = "; ".join(wrong) or "none lost or twice"
    took_s = time.monotonic() - began
    return Seen(
        not wrong, f"{len(trials)} of {SEARCH.trials} trials, {summary}, {took_s:.0f} s later"
    )


def until_training(
    process: subprocess.Popen[str], store: Path, nodes: Cluster, node: str = "b"
) -> None:
    """Wait until a search has some results and a node has a trial."""
    while n_results(store) < 5 or not nodes.working(node, b"Trainable"):
        if process.poll() is not None:
            message = f"the search ended early: {process.communicate()[1][-3000:]}"
            raise click.ClickException(message)
        time.sleep(0.05)


def worker_ingest(folder: Path) -> Seen:
    """Kill a node while it decodes."""
    with two_workers(folder, Cluster) as nodes:
        job = Ingest(nodes, folder)
        process = job.start("disturbed")
        job.until_decoding(process, "disturbed")
        nodes.kill("b")
        return job.judge(process, "disturbed")


def worker_search(folder: Path) -> Seen:
    """Kill a node while trials run."""
    with two_workers(folder, Cluster) as nodes:
        process = start_search(nodes, folder / "store")
        until_training(process, folder / "store", nodes)
        nodes.kill("b")
        return judge_search(process, folder / "store")


HOLD = """
import sys
import numpy as np
import ray

@ray.remote(num_cpus=0, scheduling_strategy="SPREAD")
def fill(seed):
    return np.random.default_rng(seed).bytes(40_000_000)

ray.init(log_to_driver=False)
held = [fill.remote(seed) for seed in range(24)]
ray.wait(held, num_returns=len(held), fetch_local=False)
print("held", flush=True)
sys.stdin.read()
"""


def spill(folder: Path) -> Seen:
    """Fill the object store of every node, then ingest."""
    with two_workers(folder, Cluster) as nodes:
        job = Ingest(nodes, folder)
        holder = nodes.start("-c", HOLD)
        if holder.stdout is None or holder.stdout.readline() != "held\n":
            raise click.ClickException(holder.communicate()[1])
        seen = job.judge(job.start("disturbed"), "disturbed")
        spilled = sum(map(size_of, (folder / "n" / "ray").glob("session_2*/ray_spilled_objects*")))
        holder.communicate("")
    return Seen(seen.kept and spilled > 0, f"{spilled / 1e6:.0f} MB spilled; {seen.summary}")


@contextmanager
def disk(folder: Path) -> Iterator[Callable[[int], None]]:
    """Mount a disk; yields what gives it another size."""
    folder.mkdir()

    def mount(*options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    mount(f"size={DISK_BYTES}")
    try:
        yield lambda n_bytes: mount("remount", f"size={n_bytes}")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def fails(process: subprocess.Popen[str]) -> str:
    """Wait for a job that must fail; return what it says, in its own words where it has any."""
    out, errors = process.communicate(timeout=_JOB_S)
    if not process.returncode:
        message = f"the job was to fail and did not: {out[-500:]}"
        raise click.ClickException(message)
    lines = errors.strip().splitlines()
    own = [line for line in lines if line.startswith(("StoreError: ", "SearchError: "))]
    return (own or lines)[-1]


def disk_ingest(folder: Path) -> Seen:
    """Let the store's disk fill under the second version of a dataset."""
    with two_workers(folder, Cluster) as nodes:
        write_music(folder / "music", N_PIECES)
        half = folder / "music" / "Bach"

        def start(source: Path, store: str) -> subprocess.Popen[str]:
            return nodes.start("jobs/ingest.py", str(source), "--name", NAME, "--label", "none",
                               "--store", str(folder / store), "--json")  # fmt: skip

        finish(start(half, "undisturbed"))
        expected = finish(start(folder / "music", "undisturbed"))["content_hash"]
        with disk(folder / "disk") as resize:
            finish(start(half, "disk"))
            before = digest_of(folder / "disk")
            resize(shutil.disk_usage(folder / "disk").used + ROOM_BYTES)
            message = fails(start(folder / "music", "disk"))
            whole = digest_of(folder / "disk") == before
            resize(DISK_BYTES)
            same = finish(start(folder / "music", "disk"))["content_hash"] == expected
    summary = f"'{message}'; the old version {'whole' if whole else 'HURT'}; again: "
    return Seen(
        whole and same and "Free some room" in message,
        summary + ("the same" if same else "DIFFERENT"),
    )


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def disk_search(folder: Path) -> Seen:
    """Let the store's disk fill under a search."""
    with two_workers(folder, Cluster) as nodes, disk(folder / "disk") as resize:
        process = start_search(nodes, folder / "disk")
        until_training(process, folder / "disk", nodes)
        # A little more than is there now: in a moment more will be, and no disk can have less.
        resize(shutil.disk_usage(folder / "disk").used + ROOM_BYTES // 5)
        message = fails(process)
        resize(DISK_BYTES)
        seen = judge_search(start_search(nodes, folder / "disk", "--resume"), folder / "disk")
    return Seen(seen.kept and "--resume" in message, f"'{message}'; resumed: {seen.summary}")


def head_jobs(folder: Path) -> Seen:
    """Kill the head under an ingest and under a search; bring it back each time."""
    with two_workers(folder, Cluster, keeps=True) as nodes:
        job = Ingest(nodes, folder)
        process = job.start("disturbed")
        job.until_decoding(process, "disturbed")
        back_s = revive(nodes, process)
        check_visible(folder / "disturbed", job.expected)
        ingested = job.judge(job.start("disturbed"), "disturbed")
        search = start_search(nodes, folder / "store")
        until_training(search, folder / "store", nodes)
        revive(nodes, search)
        searched = judge_search(start_search(nodes, folder / "store", "--resume"), folder / "store")
    return Seen(
        ingested.kept and searched.kept,
        f"both workers with the new head after {back_s:.0f} s; the jobs ended and were run again: "
        f"{ingested.summary}; {searched.summary}",
    )


def network_jobs(folder: Path) -> Seen:
    """Cut a node off while it decodes, and while trials run."""
    with two_workers(folder, Machines) as nodes:
        job = Ingest(nodes, folder)
        process = job.start("disturbed")
        job.until_decoding(process, "disturbed")
        cut(nodes, "b")
        ingested = job.judge(process, "disturbed")
        lost = nodes.ended("b")
        other = "c" if lost else "b"
        if lost:
            nodes.kill("b")
            nodes.start_worker("c")
        search = start_search(nodes, folder / "store")
        until_training(search, folder / "store", nodes, other)
        cut(nodes, other)
        searched = judge_search(search, folder / "store")
    node = "Ray had given the node up" if lost else "the node was there again"
    return Seen(ingested.kept and searched.kept, f"{node}; {ingested.summary}; {searched.summary}")


@dataclass(frozen=True)
class Drill:
    """A failure and the guarantee that it tests."""

    breaks: str
    promise: str
    run: Callable[[Path], Seen]


DRILLS = {
    "worker-ingest": Drill(
        "a worker node dies during an ingest", "the version, byte for byte", worker_ingest
    ),
    "worker-search": Drill("a worker node dies during a search", "every trial once", worker_search),
    "worker-serve": Drill(
        "a worker node with a replica dies under load",
        "a client that asks again gets every answer",
        worker_serve,
    ),
    "head-jobs": Drill(
        "the head dies under an ingest and under a search, and comes back with its tables",
        "the jobs end; run again they lose nothing; the workers stay",
        head_jobs,
    ),
    "head-serve": Drill(
        "the head dies under load and comes back with its tables",
        "a client that asks again gets every answer",
        head_serve,
    ),
    "network-jobs": Drill(
        f"a worker is cut off for {CUT_S:.0f} s during an ingest and during a search",
        "the version, byte for byte; every trial once",
        network_jobs,
    ),
    "network-serve": Drill(
        f"a worker with a replica is cut off for {CUT_S:.0f} s under load",
        "a client that asks again gets every answer",
        network_serve,
    ),
    "disk-ingest": Drill(
        "the store's disk fills during an ingest",
        "an error that says so; the old version whole; with room the same command ends well",
        disk_ingest,
    ),
    "disk-search": Drill(
        "the store's disk fills during a search",
        "an error that says so; with room `--resume` has every trial once",
        disk_search,
    ),
    "search-beside-server": Drill(
        "a search of 60 s on a Ray of two CPUs of which a server holds one, then both",
        "a model within 80 s; an error within 80 s, and a line every ten seconds",
        lambda folder: Seen(*beside_server(folder)),
    ),
    "search-sigterm": Drill(
        "SIGTERM ends a search",
        "exit code 143, the command that continues, no open run of MLflow",
        lambda folder: Seen(*ended_by_sigterm(folder)),
    ),
    "two-resumes": Drill(
        "a killed search is resumed twice at once",
        "one goes on, the other is told by whom",
        lambda folder: Seen(*resumed_twice(folder)),
    ),
    "lost-head": Drill(
        "the head is lost at 13 moments of a search whose store is a bucket, with its disk",
        "on a fresh machine `--resume` has every trial once, and publishes; evaluate works",
        lambda folder: Seen(*lost_head(folder)),
    ),
    "slow-clients": Drill(
        "200 clients send their requests byte by byte",
        "others are answered in at most 1.5 times their usual time; each slow one gets 408 at the "
        "deadline",
        slow_clients,
    ),
    "store-away": Drill(
        "the store of a server cannot be reached, and the server is deployed anew meanwhile",
        "no request fails; a replica without a store replaces none; a node without a model names "
        "the cause; with the store back the new replica and a promotion are there",
        store_away,
    ),
    "redeploy": Drill(
        "under load: `serve deploy` over itself 10 times, 5 rolling restarts, SIGTERM to "
        "`tunesmith serve`",
        "no failed request",
        redeployed,
    ),
    "spill": Drill(
        "the object store of every node is full and spills during an ingest",
        "the version, byte for byte",
        spill,
    ),
}


def run(drill: Drill) -> Seen:
    """Run a drill in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="td-") as name:
        try:
            return drill.run(Path(name))
        except (click.ClickException, RuntimeError, OSError, subprocess.SubprocessError) as error:
            click.echo(traceback.format_exc(), err=True)
            return Seen(kept=False, summary=str(error).splitlines()[0][:200])


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(list(DRILLS)), help="These alone.")
def main(only: tuple[str, ...]) -> None:
    """Run the drills and print the table."""
    # So that the nodes are stopped, too, when this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    click.echo("| drill | what happens | promised | seen | took | |")
    click.echo("|---|---|---|---|---|---|")
    well = True
    for name in only or DRILLS:
        drill, began = DRILLS[name], time.monotonic()
        seen = run(drill)
        well &= seen.kept
        click.echo(
            f"| {name} | {drill.breaks} | {drill.promise} | {seen.summary} | "
            f"{time.monotonic() - began:.0f} s | {'kept' if seen.kept else 'BROKEN'} |"
        )
    sys.exit(not well)


if __name__ == "__main__":
    main()
