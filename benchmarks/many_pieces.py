"""Ingest of as many pieces as divide the search for duplicates, on two raylets of this machine.

    python benchmarks/many_pieces.py big4.zip classical.zip --pieces 25000 --into /tmp/many

The files are real ones, other music made of them, and planted copies (`_made_pieces.py`). Printed
are files a second, the processor time and the peak memory of the driver and of all else, whether
every file is accounted for, the recall of the copies and false links. `--kills` kills the driver at
five points and compares what comes out with the undisturbed run; `--add` adds new files.
"""

import json
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from _cluster import Cluster, wait_for
from _made_pieces import HARD, KINDS, Truth, tell, write_more, write_zip

from tunesmith.artifacts.manifest import Manifest
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import Dataset, open_dataset

NAME = "many"
_TICKS_S = os.sysconf("SC_CLK_TCK")
_LONGEST_S = 7200.0


@dataclass
class Use:
    """Use of the machine in a run: processor seconds and megabytes, of driver and nodes."""

    seconds: float = 0.0
    driver_s: float = 0.0
    driver_mb: float = 0.0
    nodes_s: float = 0.0
    largest_mb: float = 0.0
    others_share: float = 0.0

    def told(self, n_files: int) -> str:
        """Return a line about a run over so many files."""
        every_s = self.driver_s + self.nodes_s
        return (
            f"{self.seconds:.0f} s, {n_files / self.seconds:.0f} files/s "
            f"({n_files / every_s * 2:.0f} on two cores of one's own); processors {every_s:.0f} s, "
            f"of that the driver {self.driver_s:.1f} s; peak memory of the driver "
            f"{self.driver_mb:.0f} MB, of the largest process of a node {self.largest_mb:.0f} MB; "
            f"other programs took {self.others_share:.0%} of the machine"
        )


def seconds_of(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has held."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in text else 0.0


def busy_s() -> float:
    """Return the time that all processors have worked so far, for whomever."""
    user, nice, system = Path("/proc/stat").read_text().split(maxsplit=4)[1:4]
    return (int(user) + int(nice) + int(system)) / _TICKS_S


class Drill:
    """Ingests into a store, on two raylets."""

    def __init__(self, nodes: Cluster, folder: Path) -> None:
        self.nodes, self.folder = nodes, folder

    def ingest(
        self, store: Path, *sources: Path, until: Callable[[], bool] = lambda: False
    ) -> tuple[dict[str, Any], Use]:
        """Ingest sources, and kill the driver when something is so; return what it told."""
        use, before, began = Use(), self._nodes_s(), time.monotonic()
        busy = busy_s()
        process = self.nodes.start(
            "jobs/ingest.py", *map(str, sources), "--name", NAME, "--store", str(store), "--json"
        )
        after = dict(before)
        looked, killed = 0.0, False
        while process.poll() is None:
            with suppress(OSError, IndexError):
                use.driver_mb = max(use.driver_mb, peak_mb(process.pid))
                use.driver_s = seconds_of(process.pid)
            if not killed and until():
                process.kill()
                killed = True
            if time.monotonic() - looked > 2:
                looked = time.monotonic()
                after |= self._nodes_s()
                for pid in after:
                    with suppress(OSError, IndexError):
                        use.largest_mb = max(use.largest_mb, peak_mb(pid))
            if time.monotonic() - began > _LONGEST_S:
                process.kill()
            time.sleep(0.05)
        out, errors = process.communicate()
        after |= self._nodes_s()
        use.seconds = time.monotonic() - began
        use.nodes_s = sum(after.values()) - sum(before.values())
        every = busy_s() - busy
        use.others_share = (
            (every - use.nodes_s - use.driver_s) / use.seconds / (os.cpu_count() or 1)
        )
        if killed:
            return {}, use
        if process.returncode:
            raise click.ClickException(errors[-4000:])
        return json.loads(out), use

    def _nodes_s(self) -> dict[int, float]:
        used = {}
        for name in ("head", "worker"):
            for pid in self.nodes.pids(name):
                with suppress(OSError, IndexError):
                    used[pid] = seconds_of(pid)
        return used


@contextmanager
def two_raylets() -> Iterator[Cluster]:
    """Yield a head and a worker of one CPU each."""
    # Short, for Ray's sockets are in it.
    with (
        tempfile.TemporaryDirectory(prefix="tb-") as name,
        Cluster(Path(name) / "n") as nodes,
    ):
        nodes.start_head(1)
        nodes.start_worker(cpus=1)
        wait_for(lambda: len(nodes.alive()) == 2, "both nodes stand")
        yield nodes


def check_counts(manifest: dict[str, Any], dataset: Dataset, n_files: int) -> None:
    """Check that every file is accounted for, in the counts and in the tables."""
    counts = manifest["counts"]
    rows = {name: dataset.table(name, ["path"]).num_rows for name in ("pieces", "rejects")}
    expected = {"found": n_files, "kept": rows["pieces"], "rejected": rows["rejects"]}
    expected["duplicate"] = n_files - rows["pieces"] - rows["rejects"]
    wrong = {key: (counts[key], n) for key, n in expected.items() if counts[key] != n}
    if wrong or dataset.table("duplicates", ["path"]).num_rows != counts["duplicate"]:
        message = f"counts do not reconcile: {wrong}"
        raise click.ClickException(message)
    click.echo(
        f"{n_files:,} files = {counts['kept']:,} kept + {counts['duplicate']:,} duplicate + "
        f"{counts['rejected']:,} rejected, in the manifest and in the tables"
    )


@dataclass
class Known:
    """Knowledge of the pieces of a version, by id.

    Attributes
    ----------
    sources
        The real pieces that a piece has bars of; itself of a real one.
    copies
        Copies, with the piece that each copies and its kind.
    """

    sources: dict[str, set[str]] = field(default_factory=dict)
    copies: list[tuple[str, str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, dataset: Dataset, truths: list[tuple[str, Truth]]) -> "Known":
        """Find the pieces of files, each by the name of its zip."""
        ids: dict[str, str] = {}
        for table in ("pieces", "duplicates"):
            rows = dataset.table(table, ["path", "piece_id"]).to_pydict()
            ids |= dict(zip(rows["path"], rows["piece_id"], strict=True))
        known = cls()
        first = truths[0][0]
        for prefix, truth in truths:
            own = {name: ids.get(f"{prefix}/{name}") for name in (*truth.made, *truth.copies)}
            for name in truth.real:
                if piece := ids.get(f"{prefix}/{name}"):
                    known.sources[piece] = {piece}
            for name, of in truth.made.items():
                if piece := own[name]:
                    known.sources[piece] = {ids[f"{first}/{source}"] for source in of}
            for name, (source, kind) in truth.copies.items():
                if piece := own[name]:
                    known.copies.append((piece, ids[f"{prefix}/{source}"], kind))
        return known

    def is_real(self, piece: str) -> bool:
        """Return whether a piece is a real one."""
        return self.sources[piece] == {piece}


def judge(dataset: Dataset, truths: list[tuple[str, Truth]]) -> None:
    """Print the recall of the planted copies, false links and false clusters."""
    known = Known.of(dataset, truths)
    pieces = dataset.table("pieces", ["piece_id", "path", "cluster"]).to_pydict()
    clusters: dict[str, int] = dict(zip(pieces["piece_id"], pieces["cluster"], strict=True))
    paths = dict(zip(pieces["piece_id"], pieces["path"], strict=True))
    _tell_recall(known, clusters)
    of_copy: dict[str, str] = {piece: source for piece, source, _ in known.copies}
    links = dataset.table("links", ["piece_id", "other_id"]).to_pydict()
    linked: list[tuple[str, str]] = list(zip(links["piece_id"], links["other_id"], strict=True))
    pairs = [(of_copy.get(a, a), of_copy.get(b, b)) for a, b in linked]
    same = Joined()
    for a, b in pairs:
        if known.is_real(a) and known.is_real(b):
            same.join(a, b)

    def music(piece: str) -> set[str]:
        return {same.root(source) for source in known.sources[piece]}

    counts: Counter[str] = Counter()
    for (a, b), (left, right) in zip(pairs, linked, strict=True):
        if a == b:
            kind = "of a copy"
        elif known.is_real(a) and known.is_real(b):
            kind = "of real pieces"
        else:
            kind = "with bars in common" if music(a) & music(b) else "false"
        counts[kind] += 1
        if kind == "false":
            click.echo(f"  false: {paths[left]} and {paths[right]}")
    n = len(clusters)
    click.echo(
        f"links: {dict(counts)}; {counts['false'] / (n * (n - 1) / 2):.1e} false ones a pair of "
        f"{n:,} pieces"
    )
    members: defaultdict[int, set[str]] = defaultdict(set)
    for piece, cluster in clusters.items():
        own = of_copy.get(piece, piece)
        members[cluster].add(same.root(own) if known.is_real(own) else own)
    mixed = [pieces for pieces in members.values() if len(pieces) > 1]
    strangers = [pieces for pieces in mixed if _n_groups(pieces, music) > 1]
    largest = [max(map(len, some), default=0) for some in (mixed, strangers)]
    click.echo(
        f"clusters of different music: {len(mixed)}, the largest of {largest[0]}; of music without "
        f"a bar in common: {len(strangers)}, the largest of {largest[1]}"
    )


def _tell_recall(known: Known, clusters: dict[str, int]) -> None:
    hits = np.array([clusters[piece] == clusters[of] for piece, of, _ in known.copies])
    kinds = np.array([kind for *_, kind in known.copies])
    hard = np.isin(kinds, sorted(HARD))
    each = ", ".join(f"{kind} {hits[kinds == kind].mean():.3f}" for kind in KINDS)
    click.echo(
        f"recall of {len(hits):,} planted copies: {hits.mean():.4f}; without "
        f"{' and '.join(sorted(HARD))} {hits[~hard].mean():.4f} ({each})"
    )


def _n_groups(pieces: set[str], music: Callable[[str], set[str]]) -> int:
    """Return the number of groups of pieces that share no bar with each other."""
    same = Joined()
    for piece in pieces:
        for source in music(piece):
            same.join(piece, f"bars of {source}")
    return len({same.root(piece) for piece in pieces})


class Joined:
    """Things that are one."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        """Return the name that all of them have."""
        while name in self._parent:
            name = self._parent[name]
        return name

    def join(self, a: str, b: str) -> None:
        """Make two of them one."""
        a, b = self.root(a), self.root(b)
        if a != b:
            self._parent[b] = a


def moments(store: Path, n_batches: int) -> list[tuple[str, Callable[[float], bool]]]:
    """Return five points of a run, each with whether it has come since a time."""

    def decoded(share: float) -> Callable[[float], bool]:
        def is_so(_: float) -> bool:
            return len(list(store.glob(f"{work}/work/files/*.parquet"))) >= share * n_batches

        return is_so

    def written(pattern: str) -> Callable[[float], bool]:
        def is_so(since: float) -> bool:
            for path in store.glob(f"{work}/{pattern}"):
                with suppress(OSError):
                    if path.stat().st_mtime > since:
                        return True
            return False

        return is_so

    work = f"datasets/{NAME}/.staging-*"
    return [
        ("a quarter is decoded", decoded(0.25)),
        ("three quarters are decoded", decoded(0.75)),
        ("pairs are found", written("work/tables/*/search/pairs/*.arrow")),
        ("rows are cut", written("work/tables/*/cut/*.arrow")),
        ("pieces are written", written("pieces/part-00000.parquet")),
    ]


def killed(drill: Drill, corpus: Path, expected: Manifest) -> None:
    """Kill the driver at five points, each time of the run that goes on; compare the end."""
    store = drill.folder / "killed"
    n_batches = len(expected.tables["chunks"])
    for what, has_come in moments(store, n_batches):
        since = time.time()
        result, use = drill.ingest(store, corpus, until=lambda: has_come(since))  # noqa: B023
        if result:
            message = f"the run ended before it was so that {what}"
            raise click.ClickException(message)
        click.echo(f"killed after {use.seconds:.0f} s, when {what}")
    result, use = drill.ingest(store, corpus)
    same = result["content_hash"] == expected.content_hash
    click.echo(
        f"ended {use.seconds:.0f} s after the last kill with the content hash "
        f"{result['content_hash'][:16]}: {'that' if same else 'NOT THAT'} of the undisturbed run"
    )
    if not same:
        raise SystemExit(1)


@click.command()
@click.argument("corpora", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--pieces", default=25_000, show_default=True, help="Files in the zip.")
@click.option("--copies", type=int, help="Planted copies among them  [a tenth, at most 2,000]")
@click.option("--into", required=True, type=click.Path(path_type=Path), help="An empty folder.")
@click.option("--kills", is_flag=True, help="Kill the driver at five points.")
@click.option("--add", default=0, help="Files that are added to the version.")
@click.option("--seed", default=0, show_default=True)
def main(
    *,
    corpora: tuple[Path, ...], pieces: int, copies: int | None, into: Path, kills: bool, add: int,
    seed: int,
) -> None:  # fmt: skip
    """Ingest many files made of those in the zips CORPORA."""
    into.mkdir(parents=True, exist_ok=True)
    corpus, added = into / f"{pieces}.zip", into / "added.zip"
    began = time.monotonic()
    if not corpus.with_suffix(".json").exists():
        n_copies = min(pieces // 10, 2_000) if copies is None else copies
        write_zip(corpus, corpora, pieces, n_copies, seed=seed)
    truth = Truth.read(corpus.with_suffix(".json"))
    click.echo(f"{tell(truth)}, written in {time.monotonic() - began:.0f} s")
    with two_raylets() as nodes:
        drill, store = Drill(nodes, into), into / "store"
        manifest, use = drill.ingest(store, corpus)
        click.echo(f"ingest: {use.told(pieces)}")
        dataset = open_dataset(Store(store), NAME)
        check_counts(manifest, dataset, pieces)
        truths = [(corpus.name, truth)]
        judge(dataset, truths)
        if kills:
            killed(drill, corpus, dataset.manifest)
        if add:
            more = write_more(added, corpora, truth, add, seed=seed)
            again, use = drill.ingest(store, corpus, added)
            click.echo(f"{add:,} files more: {use.told(add)}")
            dataset = open_dataset(Store(store), NAME)
            check_counts(again, dataset, pieces + add)
            judge(dataset, [*truths, (added.name, more)])


if __name__ == "__main__":
    main()
