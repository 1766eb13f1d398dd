"""Kill ingest at random moments and see whether the next run ends as if nothing had happened.

python benchmarks/recovery.py corpus.zip --kills 20 --worker-kills 5

The job is killed with SIGKILL at moments spread over the length of an undisturbed run, then run
again to its end; workers are killed while they decode. Every version must have the content hash,
and every Parquet file the bytes, of the undisturbed one, and no reader may ever see half a version.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
NAME = "recovery"


def start(source: str, store: Path) -> subprocess.Popen[str]:
    """Start the job in a session of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "jobs" / "ingest.py"), source, "--name", NAME,
         "--store", str(store), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the job's end and return the content hash it tells."""
    out, errors = process.communicate(timeout=900)
    if process.returncode:
        raise SystemExit(errors)
    return str(json.loads(out)["content_hash"])


def digest_of(store: Path) -> dict[str, str]:
    """Return the digest of every file of the one version, without the manifest's date."""
    folder = store / "datasets" / NAME
    (version,) = (path for path in folder.iterdir() if (path / "manifest.json").exists())
    return {
        str(path.relative_to(version)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(version.rglob("*.parquet"))
    }


def check_visible(store: Path, expected: dict[str, str]) -> str:
    """Check that what a reader sees now is nothing or a whole version; return which."""
    folder = store / "datasets" / NAME
    whole = [path for path in folder.glob("*/manifest.json") if path.parent.name[0] != "."]
    if whole and digest_of(store) != expected:
        message = f"half a version is visible in {store}"
        raise SystemExit(message)
    batches = len(list(folder.glob(".staging-*/work/files/*.parquet")))
    return "published" if whole else f"{batches} batches done"


def writers(store: Path) -> list[int]:
    """Return the processes that are decoding into a store."""
    noted = {str(p) for p in store.glob("datasets/*/.staging-*/work/crashes/*/current")}
    processes = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if any(str(link.readlink()) in noted for link in (process / "fd").iterdir()):
                    processes.append(int(process.name))
            except OSError:
                continue
    return processes


def wait_until_gone(session: int) -> float:
    """Wait until no process of a session is left; return how long that took, in seconds."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        left = subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True,
                              text=True, check=False).stdout.split()  # fmt: skip
        if not left:
            return time.monotonic() - began
        time.sleep(0.2)
    message = f"processes of the killed job are still there after 120 s: {left}"
    raise SystemExit(message)


@click.command()
@click.argument("source")
@click.option("--kills", default=20, show_default=True, help="Kills of the job.")
@click.option("--worker-kills", default=5, show_default=True, help="Kills of a worker.")
@click.option("--seed", default=0, show_default=True)
def main(source: str, kills: int, worker_kills: int, seed: int) -> None:
    """Kill ingest of SOURCE at random moments and compare what comes out."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        stores = Path(folder)
        began = time.monotonic()
        expected_hash = finish(start(source, stores / "undisturbed"))
        length_s = time.monotonic() - began
        expected = digest_of(stores / "undisturbed")
        click.echo(f"undisturbed: {length_s:.1f} s, {len(expected)} files, {expected_hash[:16]}")
        same = 0
        for number in range(kills):
            store = stores / "killed"
            shutil.rmtree(store, ignore_errors=True)
            process = start(source, store)
            # Most of the work is late; the first seconds only start Ray.
            after_s = dice.uniform(0.0, 1.1) * length_s
            time.sleep(after_s)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            seen = check_visible(store, expected)
            # At once, as a person would: workers of the killed job may still be writing.
            again = finish(start(source, store))
            ok = again == expected_hash and digest_of(store) == expected
            gone_s = wait_until_gone(process.pid)
            same += ok
            click.echo(
                f"kill {number + 1:2d} at {after_s:5.1f} s ({seen}; waited {gone_s:.0f} s): "
                + ("same" if ok else "DIFFERENT")
            )
        for number in range(worker_kills):
            store = stores / "worker"
            shutil.rmtree(store, ignore_errors=True)
            process = start(source, store)
            pids: list[int] = []
            while not pids and process.poll() is None:
                pids = writers(store)
            wait_s = dice.uniform(0.0, 1.5)
            time.sleep(wait_s)
            pids = writers(store) or pids
            if pids:
                os.kill(pids[0], signal.SIGKILL)
            ok = finish(process) == expected_hash and digest_of(store) == expected
            same += ok and bool(pids)
            click.echo(
                f"worker kill {number + 1} ({pids[:1]}, {wait_s:.1f} s into decoding): "
                f"{'same' if ok else 'DIFFERENT'}"
            )
        click.echo(f"{same} of {kills + worker_kills} ended as the undisturbed run")
        sys.exit(same != kills + worker_kills)


if __name__ == "__main__":
    main()
