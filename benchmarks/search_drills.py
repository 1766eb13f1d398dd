"""Drills of a search on one machine: beside a server, ended by SIGTERM, resumed twice at once.

Run by `benchmarks/drills.py`. Each returns whether the guarantee was kept, and what was seen.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from search_recovery import ROOT, n_results

__all__ = ["beside_server", "ended_by_sigterm", "resumed_twice"]

_BUDGET_S, _SPARE_S = 60.0, 20.0
_START_S = 120.0
# A Ray of two CPUs in which an actor holds some of them, as a replica of a server does.
_HOST = """
import sys, ray
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
class Replica:
    def ready(self): return True
replica = ray.remote(num_cpus=int(sys.argv[1]))(Replica).remote()
ray.get(replica.ready.remote())
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


# No token, which Ray would write into the home folder, and every port on loopback.
_PRIVATE = {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def _tune(store: Path, *options: str, address: str | None = None) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | _PRIVATE
    if address:
        environment["RAY_ADDRESS"] = address
    return subprocess.Popen(
        [sys.executable, str(ROOT / "jobs" / "tune.py"), "noise", "--store", str(store), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=environment,
    )  # fmt: skip


@contextlib.contextmanager
def _hosted(cpus_held: int) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOST, str(cpus_held)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, **_PRIVATE},
    ) as host:  # fmt: skip
        try:
            yield next(iter(host.stdout or ())).strip()
        finally:
            host.terminate()


def beside_server(folder: Path) -> tuple[bool, str]:
    """Search on two CPUs of which a server holds one, then both."""
    seen = []
    kept = True
    for held in (1, 2):
        with _hosted(held) as address:
            began = time.monotonic()
            search = _tune(
                folder / str(held), "--trials", "1000", "--families", "linear", "--time-budget",
                f"{_BUDGET_S:.0f}s", address=address,
            )  # fmt: skip
            _, errors = search.communicate(timeout=300)
            took_s = time.monotonic() - began
        waits = errors.count(": waiting ")
        kept &= took_s < _BUDGET_S + _SPARE_S
        kept &= (search.returncode == 0) if held == 1 else (search.returncode == 1 and waits > 1)
        seen.append(
            f"{held} of 2 CPUs held: exit code {search.returncode} after {took_s:.0f} s of a "
            f"budget of {_BUDGET_S:.0f} s, {waits} lines about waiting"
        )
    return kept, "; ".join(seen)


def _begun(store: Path, *options: str) -> subprocess.Popen[str]:
    """Start a search and return it when it has results."""
    search = _tune(store, *options)
    deadline = time.monotonic() + _START_S
    while n_results(store) < 3:
        if search.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(search.communicate()[1][-500:])
        time.sleep(0.1)
    return search


def ended_by_sigterm(folder: Path) -> tuple[bool, str]:
    """End a search with SIGTERM, and continue it."""
    search = _begun(folder, "--trials", "8", "--families", "boosting")
    search.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, errors = search.communicate(timeout=60)
    took_s = time.monotonic() - began
    says_how = "Continue with: tunesmith tune noise --resume" in errors
    with contextlib.closing(sqlite3.connect(folder / "mlflow" / "mlflow.sqlite3")) as mlflow:
        (running,) = mlflow.execute("SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'").fetchone()
    resumed = _tune(folder, "--resume")
    resumed.communicate(timeout=300)
    kept = search.returncode == 143 and says_how and running == 0 and resumed.returncode == 0
    return kept, (
        f"exit code {search.returncode} after {took_s:.1f} s, "
        f"{'with' if says_how else 'WITHOUT'} the command that continues, {running} runs of MLflow "
        f"left open; resumed: exit code {resumed.returncode}"
    )


def resumed_twice(folder: Path) -> tuple[bool, str]:
    """Kill a search, and resume it twice at once."""
    search = _begun(folder, "--trials", "8", "--families", "boosting")
    os.killpg(search.pid, signal.SIGKILL)
    search.communicate()
    both = [_tune(folder, "--resume") for _ in range(2)]
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in both]
    codes = sorted(code for _, code in ends)
    refused = [errors for errors, code in ends if code == 1 and "belongs to process" in errors]
    kept = codes == [0, 1] and len(refused) == 1
    return kept, f"exit codes {codes}; {len(refused)} was told which process has the run"
