"""Ingest against what a user would write instead: same files, same chunks, end to end.

python benchmarks/ingest.py corpus.zip --times 10

    a  the study's way: one process, pretty_midi, a loop
    b  joblib over all cores, pretty_midi
    c  joblib over all cores, symusic and this project's roll
    d  this pipeline: all of its tables, duplicates, statistics, features; Ray's start-up included
    e  joblib over all cores, the reader and the roll of d: what c costs with d's very chunks
    f  joblib over all cores with every step of d's workers, to see what Ray itself costs

Each side is a process of its own, timed from before its start to after its end, and writes the
same table of chunks; the chunks of every file are then compared. c to f run again on the corpus
repeated under new names with changed bytes, for the rate at scale.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
NAME = "benchmark"
SIDES = {
    "a": "one process, pretty_midi",
    "b": "joblib, pretty_midi",
    "c": "joblib, symusic, same roll",
    "d": "this pipeline, start-up included",
    "e": "joblib, reader and roll of d",
    "f": "joblib, all steps of d",
}
PEDAL = 64
FRAMES_PER_SECOND, CHUNK_FRAMES = 10, 150


def members(corpus: Path) -> list[str]:
    """Return the MIDI files of a zip, sorted."""
    with zipfile.ZipFile(corpus) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return sorted(name for name in names if name.lower().endswith((".mid", ".midi")))


def roll_by_pretty_midi(data: bytes) -> Any:
    """Return a velocity roll the way the study made it."""
    import io
    import warnings

    import numpy as np
    import pretty_midi
    from mido.midifiles.meta import KeySignatureError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
        except KeySignatureError as error:  # derives from Exception alone
            raise ValueError(str(error)) from error
    roll = midi.get_piano_roll(fs=FRAMES_PER_SECOND).T
    # Bends leave 124.99999; the pipeline rounds as well.
    return np.minimum(np.rint(roll), 127).astype(np.uint8)


def roll_by_symusic(data: bytes) -> Any:
    """Return a velocity roll by symusic and this project's roll."""
    import numpy as np
    import symusic

    from tunesmith.midi import NOTE_DTYPE, Instrument, Score, velocity_roll

    parsed: Any = symusic.Score.from_midi(data)
    decoded = parsed.to("second")
    tracks = [track for track in decoded.tracks if len(track.notes)]
    if not tracks:
        msg = "no notes"
        raise ValueError(msg)
    columns = [track.notes.numpy() for track in tracks]
    onset_s = np.concatenate([c["time"] for c in columns])
    notes = np.zeros(len(onset_s), dtype=NOTE_DTYPE)
    notes["onset_s"] = onset_s
    notes["offset_s"] = onset_s + np.concatenate([c["duration"] for c in columns])
    for name in ("pitch", "velocity"):
        notes[name] = np.concatenate([c[name] for c in columns])
    notes["instrument"] = np.repeat(np.arange(len(tracks)), [len(c["time"]) for c in columns])
    notes["is_drum"] = np.array([track.is_drum for track in tracks])[notes["instrument"]]
    end_time_s = float(notes["offset_s"].max())
    instruments = []
    for track in tracks:
        controls, bends = track.controls.numpy(), track.pitch_bends.numpy()
        pedal = controls["number"] == PEDAL
        instruments.append(
            Instrument(
                program=track.program,
                is_drum=track.is_drum,
                pedal=(controls["time"][pedal], controls["value"][pedal].astype(np.int16)),
                bends=(bends["time"], bends["value"].astype(np.int16)),
                end_time_s=end_time_s,
            )
        )
    none = np.empty(0)
    score = Score(
        notes=notes[np.lexsort((notes["pitch"], notes["onset_s"]))],
        instruments=tuple(instruments),
        tempos=(np.zeros(1), np.full(1, 120.0)),
        time_signatures=(none, none.astype(np.int64), none.astype(np.int64)),
        key_signatures=(none, none.astype(np.int64)),
        ticks_per_quarter=decoded.ticks_per_quarter,
        end_time_s=end_time_s,
        n_tracks=len(decoded.tracks),
    )
    return velocity_roll(score, FRAMES_PER_SECOND)


def roll_by_the_pipeline(data: bytes) -> Any:
    """Return a velocity roll by this project's reader and roll."""
    from tunesmith.midi import read_score, velocity_roll

    return velocity_roll(read_score(data), FRAMES_PER_SECOND)


def write_chunks(
    corpus: Path, names: Sequence[str], target: Path, roll_of: Callable[[bytes], Any]
) -> int:
    """Read files, cut their rolls and write one Parquet file; return how many were read."""
    from tunesmith.artifacts.store import Store
    from tunesmith.errors import MidiError
    from tunesmith.ingestion.shards import ChunkWriter, Shard
    from tunesmith.midi import chunk_roll

    writer = ChunkWriter(Shard(Store(target.parent), str(target), "x"), CHUNK_FRAMES)
    kept = 0
    with zipfile.ZipFile(corpus) as archive:
        for name in names:
            try:
                roll = roll_of(archive.read(name))
            except (MidiError, OSError, ValueError, EOFError, LookupError, RuntimeError, TypeError):
                continue
            chunks, padded, starts = chunk_roll(roll, CHUNK_FRAMES, CHUNK_FRAMES)
            writer.add(name, chunks, padded, starts / FRAMES_PER_SECOND)
            kept += 1
    writer.close()
    writer.shard.publish()
    return kept


def run_joblib(
    corpus: Path, folder: Path, work: Callable[[Path, Sequence[str], Path], object]
) -> None:
    """Deal the files evenly to as many tasks as the pipeline would make, over all cores."""
    from joblib import Parallel, delayed

    names = members(corpus)
    n_tasks = max(4 * (os.cpu_count() or 1), len(names) // 1000)
    Parallel(n_jobs=-1)(
        delayed(work)(corpus, names[task::n_tasks], folder / f"part-{task:05d}.parquet")
        for task in range(n_tasks)
    )


def _chunks_by_pretty_midi(corpus: Path, names: Sequence[str], target: Path) -> int:
    return write_chunks(corpus, names, target, roll_by_pretty_midi)


def _chunks_by_symusic(corpus: Path, names: Sequence[str], target: Path) -> int:
    return write_chunks(corpus, names, target, roll_by_symusic)


def _chunks_by_the_pipeline(corpus: Path, names: Sequence[str], target: Path) -> int:
    return write_chunks(corpus, names, target, roll_by_the_pipeline)


def _everything(corpus: Path, names: Sequence[str], target: Path) -> int:
    from tunesmith.artifacts.store import Store
    from tunesmith.ingestion.parameters import IngestParameters
    from tunesmith.ingestion.planning import Batch
    from tunesmith.ingestion.processing import process_batch

    with zipfile.ZipFile(corpus) as archive:
        number = {info.filename: i for i, info in enumerate(archive.infolist())}
    locations = [(str(corpus), str(number[name])) for name in names]
    batch = Batch(target.stem, list(names), locations)
    return process_batch(batch, IngestParameters(), Store(target.parent), ("all",))


def run_side(side: str, corpus: Path, folder: Path) -> None:
    """Do one side's work in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    if side == "a":
        write_chunks(corpus, members(corpus), folder / "part-00000.parquet", roll_by_pretty_midi)
    elif side == "b":
        run_joblib(corpus, folder, _chunks_by_pretty_midi)
    elif side == "c":
        run_joblib(corpus, folder, _chunks_by_symusic)
    elif side == "e":
        run_joblib(corpus, folder, _chunks_by_the_pipeline)
    elif side == "f":
        run_joblib(corpus, folder, _everything)
    else:
        message = f"side {side} runs by itself"
        raise click.UsageError(message)


def command_of(side: str, corpus: Path, folder: Path) -> list[str]:
    """Return the command line that does one side's work."""
    if side == "d":
        job = str(ROOT / "jobs" / "ingest.py")
        return [sys.executable, job, str(corpus), "--name", NAME, "--store", str(folder), "--json"]
    return [sys.executable, __file__, str(corpus), "--run-side", side, "--into", str(folder)]


def busy_ticks() -> int:
    """Return the time that all processors have worked so far, for whomever, in clock ticks."""
    user, nice, system = Path("/proc/stat").read_text().split(maxsplit=4)[1:4]
    return int(user) + int(nice) + int(system)


def sample(session: int, cpu_ticks: dict[int, int]) -> tuple[float, float]:
    """Return the memory of all processes of a session and of the largest, in MB.

    Pages shared between processes are counted once (proportional set size). The processor time
    each process has used so far is noted in `cpu_ticks`.
    """
    sizes = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) != session:
                continue
            cpu_ticks[int(process.name)] = int(fields[11]) + int(fields[12])
            rollup = (process / "smaps_rollup").read_text()
            sizes.append(int(rollup.split("\nPss:")[1].split()[0]) / 1024)
        except (OSError, IndexError, ValueError):
            continue
    return sum(sizes), max(sizes, default=0.0)


def measure(side: str, corpus: Path, folder: Path) -> dict[str, float]:
    """Run one side and return its time in seconds and its peak memory in MB."""
    peak = [0.0, 0.0]
    cpu_ticks: dict[int, int] = {}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT / "platform")
    began, busy = time.perf_counter(), busy_ticks()
    process = subprocess.Popen(
        command_of(side, corpus, folder), stdout=subprocess.DEVNULL, start_new_session=True,
        env=environment,
    )  # fmt: skip

    def watch() -> None:
        while process.poll() is None:
            total, largest = sample(process.pid, cpu_ticks)
            peak[0], peak[1] = max(peak[0], total), max(peak[1], largest)
            time.sleep(0.5)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    code = process.wait()
    took_s = time.perf_counter() - began
    watcher.join()
    if code:
        message = f"side {side} failed with {code}"
        raise SystemExit(message)
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    own, every = sum(cpu_ticks.values()), busy_ticks() - busy
    return {
        "seconds": took_s,
        "cpu_seconds": own / ticks_a_second,
        # What other programs took of the machine meanwhile: above a few per cent, measure again.
        "others_share": max(0, every - own) / ticks_a_second / took_s / (os.cpu_count() or 1),
        "peak_mb": peak[0],
        "largest_process_mb": peak[1],
    }


def digests(side: str, corpus: Path, folder: Path) -> dict[str, str]:
    """Return a digest of the chunks of every file that a side kept, by the file's name."""
    import pyarrow.parquet as pq

    chunks: dict[str, dict[int, str]] = {}
    for path in sorted((folder / "all" / "chunks" if side == "f" else folder).rglob("*.parquet")):
        if side == "d" and path.parent.name != "chunks":
            continue
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["piece_id", "index", "roll"])
            rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
            for piece, index, roll in rows:
                chunks.setdefault(piece, {})[index] = hashlib.blake2b(roll).hexdigest()
    by_piece = {
        piece: hashlib.blake2b("".join(of[i] for i in sorted(of)).encode()).hexdigest()
        for piece, of in chunks.items()
    }
    if side in {"d", "f"}:
        return dict(_by_name(corpus, by_piece))
    return by_piece


def _by_name(corpus: Path, by_piece: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Pieces are named by their content: find each file's."""
    with zipfile.ZipFile(corpus) as archive:
        for name in members(corpus):
            piece = hashlib.sha256(archive.read(name)).hexdigest()[:16]
            if piece in by_piece:
                yield name, by_piece[piece]


def compare(timings: dict[str, dict[str, str]], reference: str) -> dict[str, Any]:
    """Compare every side's chunks with one side's, file by file."""
    ours = timings[reference]
    differences = {}
    for side, theirs in timings.items():
        both = ours.keys() & theirs.keys()
        different = sorted(name for name in both if ours[name] != theirs[name])
        differences[side] = {
            "files": len(theirs),
            "identical": len(both) - len(different),
            "different": different,
            "only_here": sorted(theirs.keys() - ours.keys()),
            "only_in_" + reference: sorted(ours.keys() - theirs.keys()),
        }
    return differences


def repeat(corpus: Path, times: int, target: Path) -> None:
    """Write a zip of the corpus so many times over, every copy with other bytes and a new name."""
    with (
        zipfile.ZipFile(corpus) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copies,
    ):
        for name in members(corpus):
            data = source.read(name)
            stem, suffix = name.rsplit(".", 1)
            for number in range(times):
                # Whatever follows the last track belongs to nobody and changes no note.
                copies.writestr(f"{stem}~{number}.{suffix}", data + number.to_bytes(2, "big"))


@click.command()
@click.argument("corpus", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sides", default="abcdef", show_default=True, help="Which to run.")
@click.option("--times", default=10, show_default=True, help="Size of the large corpus; 0: none.")
@click.option("--report", type=click.Path(path_type=Path), help="Write all figures here as JSON.")
@click.option("--run-side", hidden=True)
@click.option("--into", hidden=True, type=click.Path(path_type=Path))
def main(
    *,
    corpus: Path, sides: str, times: int, report: Path | None, run_side: str | None,
    into: Path | None,
) -> None:  # fmt: skip
    """Time ingest of CORPUS, a zip of MIDI files, against what a user would write instead."""
    if run_side and into:
        globals()["run_side"](run_side, corpus, into)
        return
    corpus = corpus.resolve()
    n_files = len(members(corpus))
    figures: dict[str, Any] = {"corpus": corpus.name, "files": n_files, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as scratch:
        timings = {}
        click.echo(f"{n_files} files, {os.cpu_count()} cores")
        for side in sides:
            folder = Path(scratch) / side
            figures[side] = measure(side, corpus, folder)
            tell(side, n_files, figures[side])
            timings[side] = digests(side, corpus, folder)
        if "d" in timings:
            figures["comparison"] = compare(timings, "d")
            tell_comparison(figures["comparison"])
            for side in sorted(set("ab") & set(sides)):
                ratio = figures[side]["seconds"] / figures["d"]["seconds"]
                click.echo(f"d is {ratio:.1f} times as fast as {side}")
        if times:
            large = Path(scratch) / "large.zip"
            repeat(corpus, times, large)
            figures["large"] = {"files": n_files * times}
            click.echo(f"{n_files * times} files")
            for side in [side for side in sides if side in "cdef"]:
                folder = Path(scratch) / f"large-{side}"
                figures["large"][side] = measure(side, large, folder)
                tell(side, n_files * times, figures["large"][side])
            tell_growth(figures, times)
    if report:
        report.write_text(json.dumps(figures, indent=2) + "\n")


def tell(side: str, n_files: int, figure: dict[str, float]) -> None:
    """Print one measurement."""
    seconds = figure["seconds"]
    click.echo(
        f"  {side}  {SIDES[side]:32} {seconds:7.1f} s {n_files / seconds:6.0f} files/s "
        f"{figure['cpu_seconds']:7.1f} s of processors; peak {figure['peak_mb']:6.0f} MB, "
        f"largest process {figure['largest_process_mb']:5.0f} MB; "
        f"other programs took {figure['others_share']:.0%} of the machine"
    )


def tell_comparison(comparison: dict[str, Any]) -> None:
    """Print how many files' chunks are the same."""
    for side, files in comparison.items():
        if side != "d":
            differences = Counter(
                {kind: len(names) for kind, names in files.items() if isinstance(names, list)}
            )
            click.echo(
                f"  {side} and d: {files['identical']} of {files['files']} files identical, "
                + ", ".join(f"{count} {kind}" for kind, count in differences.items())
            )


def tell_growth(figures: dict[str, Any], times: int) -> None:
    """Print rates at scale and how the cost of a file grows."""
    large = figures["large"]
    if "d" in large:
        for side in sorted(set("cef") & large.keys()):
            ratio = large[side]["seconds"] / large["d"]["seconds"]
            click.echo(f"at scale d has {ratio:.2f} times the rate of {side}")
        growth = large["d"]["seconds"] / times / figures["d"]["seconds"]
        click.echo(f"a file costs {growth:.2f} times as much in {times} times the corpus")


if __name__ == "__main__":
    main()
